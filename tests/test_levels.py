"""Contrasts of two groups of classes: centred right, and their intervals cover the truth."""

import numpy as np
import pytest

from benchmarks.bootstrap import Paired, contrast_bootstrap, hierarchical_bootstrap
from benchmarks.levels import Contrast, levels, union


def fold_runs(rng, *, folds, classes=20, images=30, gap=0.05, difficulty=0.1, own=0.0):
    """Runs in which every fold hides other classes: unseen ones lose `gap`, more or less."""
    labels = np.repeat(np.arange(classes), images)
    base = rng.normal(0.5, difficulty, classes)
    loss = rng.normal(gap, own, classes)
    runs = []
    for fold in range(folds):
        hidden = labels % 5 == fold
        rate = np.clip(base[labels] - loss[labels] * hidden, 0, 1)
        weight = np.where(hidden, -1 / hidden.sum(), 1 / (~hidden).sum())
        right = (rng.random(len(labels)) < rate).astype(float)
        runs.append(Contrast(np.arange(len(labels)), labels, right, weight))
    return runs


@pytest.mark.parametrize(
    "world",
    [{"folds": 1}, {"folds": 1, "difficulty": 0.0}, {"folds": 5, "own": 0.03}, {"folds": 2}],
)
def test_coverage_of_a_gap_is_near_95_percent(world):
    rng, covered, experiments = np.random.default_rng(0), 0, 120
    for seed in range(experiments):
        found = contrast_bootstrap(fold_runs(rng, **world), seed=seed, n_resamples=300)
        covered += found.low <= 0.05 <= found.high
    assert 0.95 - 3 * 0.02 <= covered / experiments <= 1


def test_all_folds_compare_a_class_with_itself():
    """Classes differ by much, but five folds hide each once: their differences cancel."""
    rng = np.random.default_rng(1)
    whole = contrast_bootstrap(fold_runs(rng, folds=5, difficulty=0.2), seed=0)
    one = contrast_bootstrap(fold_runs(rng, folds=1, difficulty=0.2), seed=0)
    assert one.high - one.low > 3 * (whole.high - whole.low)


def test_a_run_that_is_repeated_under_other_groups_has_no_gap_at_all():
    labels = np.repeat(np.arange(10), 20)
    right = (np.random.default_rng(2).random(200) < labels / 10).astype(float)
    runs = [
        Contrast(np.arange(200), labels, right, np.where(labels % 5 == f, -1 / 40, 1 / 160))
        for f in range(5)
    ]
    found = contrast_bootstrap(runs, seed=0)
    assert [found.effect, found.low, found.high] == pytest.approx([0, 0, 0], abs=1e-9)


def test_the_variance_of_one_run_is_that_of_two_independent_means():
    """Students' formula for class means, by hand: s1^2 / n1 + s2^2 / n2."""
    (run,) = fold_runs(np.random.default_rng(3), folds=1, classes=40, images=50)
    means = np.array([run.value[run.labels == c].mean() for c in range(40)])
    hidden = np.arange(40) % 5 == 0
    by_hand = sum(means[of].var(ddof=1) / of.sum() for of in (hidden, ~hidden))
    made = levels([run], *union([run]))
    assert made.variances[1:].sum() == pytest.approx(by_hand, rel=1e-6)
    found = contrast_bootstrap([run], seed=0)
    assert found.effect == pytest.approx(means[~hidden].mean() - means[hidden].mean())
    # Welch's degrees of freedom: between those of the smaller group and of both.
    assert 7 <= made.freedom[1] <= 38


def test_one_group_is_the_paired_bootstrap():
    rng = np.random.default_rng(4)
    labels, a, b = np.repeat(np.arange(8), 25), rng.random(200) < 0.6, rng.random(200) < 0.5
    paired = hierarchical_bootstrap([Paired(np.arange(200), labels, a, b)], seed=0)
    value, weight = a.astype(float) - b, np.full(200, 1 / 200)
    contrast = contrast_bootstrap([Contrast(np.arange(200), labels, value, weight)], seed=0)
    assert (paired.low, paired.effect, paired.high) == (
        contrast.low,
        contrast.effect,
        contrast.high,
    )
