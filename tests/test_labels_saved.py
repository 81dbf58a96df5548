"""Tests of benchmarks/labels_saved.py: curves whose saving is known, and what lies beyond them."""

import numpy as np
import pytest

from benchmarks.labels_saved import labels_at, labels_saved

BUDGETS = np.array([1, 4, 16, 64])


def test_between_budgets_a_curve_is_straight_in_log_labels():
    curve = np.array([[0.1, 0.3, 0.5, 0.7]])
    at = [labels_at(np.array([a]), BUDGETS, curve)[0] for a in (0.1, 0.2, 0.3, 0.55, 0.7)]
    assert at == pytest.approx([1, 2, 4, 16 * 4**0.25, 64])


def test_beyond_the_curve_nothing_is_invented():
    curves = np.array([[0.1, 0.3, 0.5, 0.7]] * 2)
    assert labels_at(np.array([0.71, 0.09]), BUDGETS, curves).tolist() == [np.inf, 0]


def test_a_curve_that_falls_is_read_where_it_first_arrives():
    curve = np.array([[0.1, 0.5, 0.3, 0.7]])
    assert labels_at(np.array([0.3]), BUDGETS, curve)[0] == pytest.approx(2)
    flat = np.array([[0.2, 0.4, 0.4, 0.4]])
    assert labels_at(np.array([0.4]), BUDGETS, flat)[0] == pytest.approx(4)


def simulated(rng, *, factor, classes=24, images=60, class_sd=0.06):
    """Correctness by budget of a probe, and of a rival that needs `factor` times the labels."""
    labels = np.repeat(np.arange(classes), images)
    shift, noise = rng.normal(0, class_sd, classes)[labels], rng.random(len(labels))
    slope = 0.05 / np.log(2)
    made = [noise < 0.2 + slope * np.log(n * f) + shift for f in (factor, 1.0) for n in BUDGETS]
    return np.array(made[:4], float), np.array(made[4:], float), labels


def test_a_saving_of_half_the_labels_is_found():
    rng = np.random.default_rng(0)
    found = labels_saved(BUDGETS, *simulated(rng, factor=2.0, images=2000), seed=0)
    assert [s.labels for s in found] == BUDGETS.tolist()
    for saving in found[:3]:
        assert saving.low < saving.needed < saving.high
        assert saving.needed == pytest.approx(2 * saving.labels, rel=0.15)
    assert found[3].needed == np.inf == found[3].high


def test_equal_curves_save_nothing():
    probe, _, labels = simulated(np.random.default_rng(1), factor=1.0)
    for saving in labels_saved(BUDGETS, probe, probe, labels, seed=0):
        of = [saving.needed, saving.low, saving.high]
        assert of == pytest.approx([saving.labels] * 3)


@pytest.mark.parametrize("classes", [6, 24])
def test_the_interval_covers_at_its_rate(classes):
    """200 experiments a case: 95 %, less 3 binomial standard errors (1.54 points each)."""
    rng, covered = np.random.default_rng(2), 0
    for seed in range(200):
        of = simulated(rng, factor=2.0, classes=classes)
        second = labels_saved(BUDGETS, *of, seed=seed, n_resamples=300)[1]
        covered += second.low <= 8.0 <= second.high
    assert covered / 200 >= 0.95 - 3 * 0.0154


def test_budgets_must_rise():
    ones = np.ones((2, 4))
    with pytest.raises(ValueError, match="not rising"):
        labels_saved(np.array([5, 5]), ones, ones, np.arange(4), seed=0)
