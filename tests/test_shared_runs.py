"""Runs that share a seed or a fold, and draws that share an encoder, are no independent runs."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from benchmarks.bootstrap import Paired, hierarchical_bootstrap
from benchmarks.levels import Contrast, average
from benchmarks.significance import sign_flip_p

CROSSED = {"folds": 2, "seeds": 2}


def grid(rng, *, folds, seeds, fold_sd=0.0, seed_sd=0.0, run_sd=0.0, draws=1, effect=0.0):
    """Runs of a (better by `effect` and by its luck) and b on 20 classes of 20 images."""
    labels = np.repeat(np.arange(20), 20)
    skill = 0.4 + rng.normal(0, 0.1, 20) + rng.normal(0, 0.03, (2, 20))
    shared = rng.normal(0, 1, len(labels))
    luck = rng.normal(0, fold_sd, (folds, 1)) + rng.normal(0, seed_sd, (1, seeds))
    luck = effect + luck + rng.normal(0, run_sd, (folds, seeds))
    made = []
    for fold, seed in np.ndindex(folds, seeds):
        for _ in range(draws):
            noise = rng.normal(0, 1, (2, len(labels)))
            rate = stats.norm.cdf((shared + noise) / np.sqrt(2))
            a, b = rate < skill[:, labels] + np.array([[luck[fold, seed]], [0.0]])
            made.append(Paired(np.arange(len(labels)), labels, a, b, (fold, seed)))
    return made


def errors(world, *, n=120, forget=False):
    """Shares of n experiments without effect whose interval, and whose p, find one."""
    rng, found = np.random.default_rng(0), []
    for i in range(n):
        runs = grid(rng, **world)
        if forget:
            runs = [dataclasses.replace(run, at=None) for run in runs]
        made = hierarchical_bootstrap(runs, seed=i, n_resamples=200)
        p = sign_flip_p(made, seed=i, n_flips=199)
        found.append((not made.low <= 0 <= made.high, p <= 0.05))
    return np.mean(found, axis=0)


@pytest.mark.parametrize("world", [CROSSED, {**CROSSED, "run_sd": 0.03}])
def test_crossed_runs_that_share_no_luck_err_as_seldom_as_they_say(world):
    """Of 120 experiments: 5 % and 3 standard errors of 2 points."""
    assert np.all(errors(world) <= 0.05 + 3 * 0.02)


@pytest.mark.parametrize(
    "world",
    [
        {"folds": 4, "seeds": 3, "seed_sd": 0.05},
        {"folds": 3, "seeds": 3, "fold_sd": 0.05},
        {"folds": 1, "seeds": 3, "seed_sd": 0.05, "draws": 4},
    ],
)
def test_shared_luck_is_not_averaged_away(world):
    """Three seeds or folds that differ much err in 12 %, as three runs do; else far oftener."""
    told, forgotten = errors(world), errors(world, forget=True)
    assert np.all(told <= 0.12 + 2.5 * 0.03)
    assert np.all(forgotten > 1.5 * told)


def test_rows_that_repeat_themselves_in_every_fold_are_as_many_runs_as_seeds():
    two = grid(np.random.default_rng(1), folds=1, seeds=2, run_sd=0.05)
    four = [dataclasses.replace(run, at=(fold, run.at[1])) for fold in range(2) for run in two]
    once, twice = (hierarchical_bootstrap(runs, seed=0) for runs in (two, four))
    assert twice.runs == 4 and once.runs == 2
    assert (twice.low, twice.high) == pytest.approx((once.low, once.high))
    assert sign_flip_p(twice, seed=0) == pytest.approx(sign_flip_p(once, seed=0))


def test_two_folds_are_taken_as_they_are_and_three_are_not():
    """One degree of freedom between two folds would drown an effect of ten standard errors."""
    apart = grid(np.random.default_rng(5), folds=3, seeds=2, fold_sd=0.08, effect=0.2)
    two = [run for run in apart if run.at[0] < 2]
    assert sign_flip_p(hierarchical_bootstrap(two, seed=0), seed=0) < 0.01
    given = [dataclasses.replace(run, at=None) for run in apart]
    assert (
        hierarchical_bootstrap(apart, seed=0).run_se > hierarchical_bootstrap(given, seed=0).run_se
    )


def test_a_seed_of_more_runs_weighs_more():
    """Of eight runs one seed has five: its luck is 5/8 of theirs, and the spread of means tells."""
    rng, effects, told = np.random.default_rng(6), [], []
    places = [(fold, 0) for fold in range(5)] + [(0, 1), (0, 2), (0, 3)]
    labels, ids = np.repeat(np.arange(10), 10), np.arange(100)
    for seed in range(60):
        luck = rng.normal(0, 0.3, 4)
        runs = [
            Paired(ids, labels, rng.normal(luck[at[1]], 0.1, 100), np.zeros(100), at)
            for at in places
        ]
        made = hierarchical_bootstrap(runs, seed=seed, n_resamples=2)
        effects.append(made.effect)
        told.append(made.run_se**2)
    # 0.3 squared times (5/8)^2 + 3 (1/8)^2; over four equal seeds it would be a quarter.
    assert np.mean(told) == pytest.approx(0.09 * 28 / 64, rel=0.3)
    assert np.var(effects) == pytest.approx(np.mean(told), rel=0.5)


def test_draws_of_one_encoder_are_averaged():
    draws = grid(np.random.default_rng(2), folds=2, seeds=1, draws=4)
    found = hierarchical_bootstrap(draws, seed=0)
    assert found.runs == 2 and found.n_images == 400
    assert found.effect == pytest.approx(np.mean([r.a.mean() - r.b.mean() for r in draws]))


def test_an_average_of_contrasts_on_other_images_is_the_mean_of_their_sums():
    rng, parts = np.random.default_rng(3), []
    for start in (0, 40):
        ids = np.arange(start, start + 60)
        parts.append(Contrast(ids, ids // 10, rng.random(60), np.full(60, 1 / 60), (0, 1)))
    whole = average(parts)
    assert whole.weight @ whole.value == pytest.approx(np.mean([p.value.mean() for p in parts]))
    assert whole.weight.sum() == pytest.approx(1) and len(whole.ids) == 100
    assert whole.at == (0, 1) and np.array_equal(whole.labels, whole.ids // 10)


@pytest.mark.parametrize("world", [CROSSED, {"folds": 1, "seeds": 5, "run_sd": 0.02}])
def test_a_large_effect_is_found_where_runs_differ(world):
    rng, found = np.random.default_rng(4), []
    for i in range(40):
        made = hierarchical_bootstrap(grid(rng, **world, effect=0.15), seed=i, n_resamples=200)
        found.append((made.low > 0, sign_flip_p(made, seed=i, n_flips=199) <= 0.05))
    assert np.mean(found, axis=0).min() >= 0.8
