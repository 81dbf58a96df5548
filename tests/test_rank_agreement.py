"""Tests of benchmarks/claims/rank_agreement.py: which systems count, which way, how sure."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.claims.rank_agreement import FEWEST, rank_agreement, scores_of_systems


def series(values):
    return pd.Series(values, index=[f"system {i}" for i in range(len(values))], dtype=float)


def test_against_ranks_by_hand():
    # Ranks 1 2 3 4 5 against 2 1 4 3 5: d is 1 1 1 1 0, rho = 1 - 6 * 4 / (5 * 24) = 0.8.
    found = rank_agreement(series([10, 20, 30, 40, 50]), series([2, 1, 400, 3, 999]))
    assert found["effect"] == pytest.approx(0.8)
    assert found["n_test"] == 5


def test_the_interval_against_fishers_z_by_hand():
    found = rank_agreement(series([1, 2, 3, 4, 5]), series([2, 1, 4, 3, 5]))
    reach = 1.959964 * np.sqrt((1 + 0.8**2 / 2) / 2)
    expected = np.tanh(np.arctanh(0.8) + np.array([-reach, reach]))
    assert [found["low"], found["high"]] == pytest.approx(expected, abs=1e-6)


def test_coverage_and_false_positives():
    """Normal pairs of correlation r have a Spearman correlation of 6 / pi * asin(r / 2)."""
    rng, experiments = np.random.default_rng(0), 150
    for r in (0.0, 0.7):
        truth, covered, significant = 6 / np.pi * np.arcsin(r / 2), 0, 0
        for _ in range(experiments):
            x, noise = rng.normal(size=(2, 17))
            found = rank_agreement(series(x), series(r * x + np.sqrt(1 - r**2) * noise))
            covered += found["low"] <= truth <= found["high"]
            significant += found["p"] <= 0.05
        assert covered / experiments > 0.9
        assert significant / experiments < 0.1 if r == 0 else significant / experiments > 0.8


def test_the_detectable_correlation_is_found_in_four_of_five():
    detectable = rank_agreement(series(range(17)), series([*range(16), 0]))["smallest_detectable"]
    rng, found, r = np.random.default_rng(1), 0, 2 * np.sin(np.pi / 6 * detectable)
    for _ in range(150):
        x, noise = rng.normal(size=(2, 17))
        low = rank_agreement(series(x), series(r * x + np.sqrt(1 - r**2) * noise))["low"]
        found += low > 0
    assert 0.7 < found / 150 < 0.9


def test_perfect_agreement_is_no_division_by_zero():
    found = rank_agreement(series(range(8)), series(range(8)))
    assert found["effect"] == pytest.approx(1) and 0.9 < found["low"] <= found["high"] <= 1


def test_only_shared_systems_count_and_few_or_constant_ones_say_nothing():
    a = series(range(9))
    assert rank_agreement(a, a.iloc[:6])["n_test"] == 6
    assert rank_agreement(a, a.iloc[: FEWEST - 1]) is None
    assert rank_agreement(a, a * 0) is None


def quality(metric):
    methods = ["good", "poor", "net_untrained", "truth", "gray"]
    rows = [(m, metric, c, v + 10 * (c == "seen"), f) for f in (0, 1) for c in ("seen", "unseen")
            for m, v in zip(methods, [1.0 + f, 3.0 + f, 9.0, 0.0, 5.0], strict=True)]  # fmt: skip
    return pd.DataFrame(rows, columns=["method", "metric", "classes", "value", "fold"])


@pytest.mark.parametrize(
    ("metric", "sign"), [("psnr", 1), ("lpips_alex_random", -1), ("ab_mae", -1), ("auc", 1)]
)
def test_scores_are_means_over_runs_turned_so_that_more_is_better(metric, sign):
    found = scores_of_systems(quality(metric), metric, "unseen")
    assert found.to_dict() == {"good": sign * 1.5, "poor": sign * 3.5}
