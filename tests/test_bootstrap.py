"""Tests of benchmarks/bootstrap.py: coverage on simulated runs, and levels against brute force."""

import numpy as np
import pytest

from benchmarks.bootstrap import Paired, hierarchical_bootstrap, interval
from benchmarks.significance import sign_flip_p


def simulated(rng, *, runs=1, classes=20, images=40, effect=0.0, class_sd=0.0, run_sd=0.0):
    """Runs of two classifiers that share classes and images; the true difference is `effect`."""
    labels = np.repeat(np.arange(classes), images)
    shift, shared = rng.normal(0, class_sd, classes), rng.random(len(labels))
    made = []
    for _ in range(runs):
        own = np.where(rng.random(len(labels)) < 0.5, shared, rng.random(len(labels)))
        rate = np.clip(0.4 + effect + shift[labels] + rng.normal(0, run_sd), 0, 1)
        other = np.where(rng.random(len(labels)) < 0.6, own, rng.random(len(labels)))
        made.append(Paired(np.arange(len(labels)), labels, own < rate, other < 0.4))
    return made


# Monte Carlo slack: 200 experiments have a standard error of 1.54 points at 95 % and at 5 %.
@pytest.mark.parametrize(
    "world",
    [
        {"class_sd": 0.06, "effect": 0.05},
        {"class_sd": 0.0, "effect": 0.0},
        {"runs": 3, "class_sd": 0.04, "effect": 0.0},
        {"runs": 5, "class_sd": 0.03, "run_sd": 0.02, "effect": -0.05},
    ],
)
def test_coverage_is_near_95_percent(world):
    rng, covered, experiments = np.random.default_rng(1), 0, 200
    for seed in range(experiments):
        found = hierarchical_bootstrap(simulated(rng, **world), seed=seed, n_resamples=400)
        covered += found.low <= world["effect"] <= found.high
    assert 0.95 - 3 * 0.0154 <= covered / experiments <= 0.995


@pytest.mark.parametrize(
    "world", [{"class_sd": 0.06}, {"runs": 3, "class_sd": 0.04}, {"runs": 4, "run_sd": 0.02}]
)
def test_false_positive_rate_of_a_null_is_at_most_5_percent(world):
    rng, false, experiments = np.random.default_rng(2), 0, 200
    for seed in range(experiments):
        found = hierarchical_bootstrap(simulated(rng, **world), seed=seed, n_resamples=100)
        p = sign_flip_p(found, seed=seed, n_flips=199)
        false += p <= 0.05
    assert false / experiments <= 0.05 + 2.5 * 0.0154


def test_image_level_equals_a_brute_force_bootstrap():
    rng = np.random.default_rng(3)
    a, b = rng.random(150) < 0.6, rng.random(150) < 0.4
    run = Paired(np.arange(150), np.zeros(150, int), a, b)
    found = hierarchical_bootstrap([run], seed=0, n_resamples=20000)
    loop = []
    for _ in range(20000):
        chosen = rng.integers(0, 150, 150)
        loop.append(a[chosen].mean() - b[chosen].mean())
    assert found.effect == pytest.approx(a.mean() - b.mean())
    assert found.se == pytest.approx(np.std(loop), rel=0.03)
    assert [found.low, found.high] == pytest.approx(np.quantile(loop, [0.025, 0.975]), abs=0.012)


def test_class_level_equals_a_brute_force_cluster_bootstrap():
    rng = np.random.default_rng(4)
    run = simulated(rng, classes=40, images=30, class_sd=0.15)[0]
    difference = run.a.astype(float) - run.b
    means = difference.reshape(40, 30).mean(1)
    loop = [means[rng.integers(0, 40, 40)].mean() for _ in range(8000)]
    found = hierarchical_bootstrap([run], seed=0, n_resamples=8000)
    assert found.se == pytest.approx(np.std(loop), rel=0.05)


def test_repeating_a_run_does_not_narrow_the_interval():
    run = simulated(np.random.default_rng(5), class_sd=0.06)[0]
    one = hierarchical_bootstrap([run], seed=0)
    ten = hierarchical_bootstrap([run] * 10, seed=0)
    assert ten.effect == pytest.approx(one.effect)
    assert ten.high - ten.low == pytest.approx(one.high - one.low, rel=0.03)


def test_runs_that_disagree_widen_the_interval():
    rng = np.random.default_rng(6)
    steady = hierarchical_bootstrap(simulated(rng, runs=4), seed=0)
    moving = hierarchical_bootstrap(simulated(rng, runs=4, run_sd=0.1), seed=0)
    assert moving.high - moving.low > 2 * (steady.high - steady.low)
    assert moving.run_se > 2 * steady.run_se and moving.run_widening > 1


def test_folds_with_different_classes_are_averaged():
    rng = np.random.default_rng(7)
    whole = simulated(rng, runs=5, class_sd=0.05, effect=0.1)
    parts = []
    for fold, run in enumerate(whole):
        keep = run.labels % 5 == fold
        parts.append(Paired(run.ids[keep], run.labels[keep], run.a[keep], run.b[keep]))
    found = hierarchical_bootstrap(parts, seed=0)
    assert found.effect == pytest.approx(np.mean([p.a.mean() - p.b.mean() for p in parts]))
    assert found.by_class.sum() == pytest.approx(found.effect)
    assert len(found.by_class) == 20


def test_equal_rows_differ_by_nothing():
    run = simulated(np.random.default_rng(8))[0]
    found = hierarchical_bootstrap([Paired(run.ids, run.labels, run.a, run.a)], seed=0)
    assert (found.effect, found.low, found.high, found.se) == (0, 0, 0, 0)


def test_interval_of_one_row_holds_its_top1():
    rng = np.random.default_rng(9)
    correct, labels = rng.random(2000) < 0.3, np.repeat(np.arange(20), 100)
    found = interval(correct, labels, seed=0)
    assert found.effect == pytest.approx(correct.mean())
    assert found.low < found.effect < found.high
    assert found.high - found.low == pytest.approx(2 * 1.96 * np.sqrt(0.3 * 0.7 / 2000), rel=0.25)
