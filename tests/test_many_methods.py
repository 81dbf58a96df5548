"""Tests of benchmarks/many_methods.py against published tables and hand examples."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks.many_methods import (
    cliques,
    critical_difference,
    friedman,
    interquartile_mean,
    places,
)
from benchmarks.significance import PAIR

# Demsar (2006), table 5(a): critical values of Nemenyi's test for 2 to 10 classifiers.
Q_05 = [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164]
Q_10 = [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920]
# Demsar (2006), table 6: AUC of C4.5 and three variants on 14 data sets.
DEMSAR = np.array([
    [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
    [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
    [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
    [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
    [0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970],
])  # fmt: skip


def blocks_with(rank_rows):
    """Scores whose ranks are these: the first rank is the best."""
    return -np.array(rank_rows, float)


@pytest.mark.parametrize(("alpha", "table"), [(0.05, Q_05), (0.10, Q_10)])
def test_nemenyi_critical_values_are_the_published_ones(alpha, table):
    for k, q in enumerate(table, start=2):
        found = critical_difference(k, 14, alpha=alpha)
        assert found == pytest.approx(q * np.sqrt(k * (k + 1) / (6 * 14)), abs=0.0006)


def test_the_example_of_demsar():
    found = friedman(DEMSAR, seed=0)
    assert found.mean_ranks == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=0.001)
    # He gives 9.28 without the correction for ties, which scipy makes.
    by_hand = 12 * 14 / 20 * (np.sum(found.mean_ranks**2) - 4 * 25 / 4)
    assert by_hand == pytest.approx(9.28, abs=0.01)
    assert found.statistic == pytest.approx(stats.friedmanchisquare(*DEMSAR.T).statistic)
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.01)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=0.01)


# Exact p of Friedman's test, from his tables (1937): k, ranks by block, chi2, p.
@pytest.mark.parametrize(
    ("rank_rows", "statistic", "p"),
    [
        ([[1, 2, 3]] * 2, 4.0, 1 / 6),
        ([[1, 2, 3]] * 3, 6.0, 0.028),
        ([[1, 2, 3]] * 3 + [[2, 1, 3]], 6.5, 0.042),
        ([[1, 2, 3]] * 2 + [[1, 3, 2]] * 2, 6.0, 0.069),
        ([[1, 2, 3, 4]] * 2, 6.0, 0.042),
        ([[1, 2, 3, 4], [1, 2, 3, 4], [2, 1, 4, 3]], 7.4, 0.033),
    ],
)
def test_friedman_p_is_that_of_the_exact_tables(rank_rows, statistic, p):
    found = friedman(blocks_with(rank_rows), seed=0, n_permutations=20_000)
    assert found.statistic == pytest.approx(statistic)
    assert found.p == pytest.approx(p, abs=0.006)  # 4 standard errors of 20,000 permutations


def test_friedman_of_ties_and_of_too_little():
    assert friedman(np.ones((5, 3)), seed=0).p == 1.0
    for shape in ((1, 5), (5, 2)):
        with pytest.raises(ValueError, match="2 or more of 3 or more"):
            friedman(np.zeros(shape), seed=0)


def test_cliques_are_maximal():
    assert cliques(np.array([1.0, 1.5, 3.0, 3.4]), 1.0) == [(0, 1), (2, 3)]
    assert cliques(np.array([3.0, 1.0, 2.0]), 1.0) == [(0, 1), (1, 2)]
    assert cliques(np.array([1.0, 2.0, 3.0]), 5.0) == [(0, 2)]
    assert cliques(np.array([1.0, 3.0]), 1.0) == []


def compared(a, b, effect, p):
    return dict(zip(PAIR, [a, "linear", b, "linear"], strict=True)) | {"effect": effect, "p": p}


def test_rows_that_cannot_be_told_apart_share_a_place():
    pairs = pd.DataFrame([
        compared("a", "b", 0.01, 0.5), compared("a", "c", 0.2, 0.001),
        compared("b", "c", 0.19, 0.002),
    ])  # fmt: skip
    found = places(pairs).set_index("method")
    assert found.loc[["a", "b", "c"], ["first", "last"]].values.tolist() == [[1, 2], [1, 2], [3, 3]]
    assert found.loc["a", "effect"] == pytest.approx(0.105)


def test_places_are_corrected_over_all_pairs():
    pairs = pd.DataFrame([compared("a", b, 0.1, 0.04) for b in "bcd"])
    assert set(places(pairs)["last"]) == {4}  # 0.04 times 3 is no longer below 0.05
    one = places(pairs.head(1))
    assert one[["method", "first", "last"]].values.tolist() == [["a", 1, 1], ["b", 2, 2]]


def test_interquartile_mean_by_hand():
    # Of 1..8 the middle four are 3, 4, 5, 6; an outlier does not move it.
    assert interquartile_mean([np.arange(1.0, 9)], seed=0).mean == 4.5
    assert interquartile_mean([np.array([1, 2, 3, 4.0]), np.array([5, 6, 7, 999.0])], seed=0).mean \
        == 4.5  # fmt: skip


def test_interquartile_interval_resamples_within_strata():
    fixed = interquartile_mean([np.full(4, 0.2), np.full(4, 0.6)], seed=0)
    assert (fixed.mean, fixed.low, fixed.high) == pytest.approx((0.4, 0.4, 0.4))


def test_interquartile_interval_covers_at_its_rate():
    """200 experiments: 3 binomial standard errors around 95 %, and the 2 points n = 20 costs."""
    rng, covered = np.random.default_rng(1), 0
    for seed in range(200):
        found = interquartile_mean(list(rng.normal(0.5, 0.1, (3, 20))), seed=seed, n_resamples=300)
        covered += found.low <= 0.5 <= found.high
    assert 0.95 - 0.02 - 3 * 0.0154 <= covered / 200 <= 0.98
