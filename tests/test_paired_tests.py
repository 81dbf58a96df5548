"""Tests of benchmarks/paired_tests.py against hand counts, scipy's tests and closed forms."""

from math import comb

import numpy as np
import pytest
from scipy import stats

from benchmarks.paired_tests import corrected_t, mcnemar_p, probability_of_outperforming


def pair(only_a, only_b, both=20, neither=30):
    """Correctness of two classifiers with these counts."""
    a = [1] * only_a + [0] * only_b + [1] * both + [0] * neither
    b = [0] * only_a + [1] * only_b + [1] * both + [0] * neither
    return np.array(a, bool), np.array(b, bool)


def test_mcnemar_by_hand():
    # 8 against 2 of 10 discordant: twice the chance of 8, 9 or 10 heads.
    tail = sum(comb(10, i) for i in (8, 9, 10)) / 2**10
    assert mcnemar_p(*pair(8, 2)) == pytest.approx(2 * tail) == pytest.approx(0.109375)
    assert mcnemar_p(*pair(2, 8)) == pytest.approx(0.109375)
    for only_a, only_b in ((8, 2), (0, 7), (30, 50), (6, 6)):
        known = stats.binomtest(only_a, only_a + only_b).pvalue
        assert mcnemar_p(*pair(only_a, only_b)) == pytest.approx(known)


def test_mcnemar_looks_at_discordant_images_only():
    assert mcnemar_p(*pair(8, 2, both=5000)) == mcnemar_p(*pair(8, 2))
    assert mcnemar_p(*pair(0, 0)) == 1.0
    assert mcnemar_p(*pair(5, 5)) == 1.0


def test_without_shared_parts_the_corrected_t_is_students():
    differences = np.array([0.02, 0.05, -0.01, 0.03, 0.04])
    found, known = (
        corrected_t(differences, n_train=10**12, n_test=1),
        stats.ttest_1samp(differences, 0),
    )
    assert (found.t, found.p) == pytest.approx((known.statistic, known.pvalue))
    interval = known.confidence_interval()
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_corrected_t_by_hand():
    # Mean 2, s^2 = 1, 1/3 + 20/60 = 2/3: t = 2 / sqrt(2/3) = 2.449, t(0.975; 2) = 4.303.
    found = corrected_t(np.array([1.0, 2.0, 3.0]), n_train=60, n_test=20)
    assert found.t == pytest.approx(2 / np.sqrt(2 / 3))
    assert found.high - found.mean == pytest.approx(4.3027 * np.sqrt(2 / 3), rel=1e-4)
    # Student's t of two degrees of freedom has a closed form: p = 1 - t / sqrt(t^2 + 2).
    assert found.p == pytest.approx(1 - found.t / np.sqrt(found.t**2 + 2))


def test_equal_differences_have_no_spread():
    assert corrected_t(np.zeros(4), n_train=3, n_test=1).p == 1.0
    assert corrected_t(np.full(4, 0.1), n_train=3, n_test=1).p == 0.0
    with pytest.raises(ValueError, match="two splits"):
        corrected_t(np.array([0.1]), n_train=3, n_test=1)


def test_outperforming_counts_wins_and_half_of_ties():
    a, b = np.array([0.5, 0.6, 0.4, 0.7]), np.array([0.4, 0.6, 0.5, 0.1])
    assert probability_of_outperforming(a, b).probability == (2 + 0.5) / 4
    assert probability_of_outperforming(b, a).probability == (1 + 0.5) / 4


def test_outperforming_in_all_runs_has_the_closed_form_of_clopper_and_pearson():
    for n in (2, 5, 6, 20):
        found = probability_of_outperforming(np.ones(n), np.zeros(n))
        assert (found.probability, found.high) == (1, 1)
        assert found.low == pytest.approx(0.025 ** (1 / n))
        assert (found.low > 0.5) == (n >= 6)


def test_outperforming_interval_is_that_of_scipy():
    for wins, n in ((3, 10), (0, 4), (4, 4), (19, 30)):
        found = probability_of_outperforming((np.arange(n) < wins).astype(float), np.full(n, 0.5))
        known = stats.binomtest(wins, n).proportion_ci(method="exact")
        assert (found.low, found.high) == pytest.approx((known.low, known.high))


def test_only_ties_say_nothing():
    found = probability_of_outperforming(np.ones(9), np.ones(9))
    assert (found.probability, found.low, found.high) == (0.5, 0, 1)
    with pytest.raises(ValueError, match="give pairs"):
        probability_of_outperforming(np.array([]), np.array([]))
