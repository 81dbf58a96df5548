"""Tests of benchmarks/variance.py: analysis of variance by hand, and known components found."""

import numpy as np
import pytest

from benchmarks.variance import variance_components

TRUE = {"fold": 4.0, "seed": 2.0, "draw": 1.0, "probe": 0.5}


def design(folds=4, seeds=3, draws=3, probes=2):
    """Group numbers of every row: each level lies within the one before."""
    index = np.indices((folds, seeds, draws, probes)).reshape(4, -1)
    shape = (folds, seeds, draws, probes)
    return {name: np.ravel_multi_index(index[: i + 1], shape[: i + 1])
            for i, name in enumerate(TRUE)}  # fmt: skip


def simulated(rng, levels, true=TRUE):
    """Rows of the design with these variances."""
    return 50 + sum(
        rng.normal(0, np.sqrt(true[name]), ids.max() + 1)[ids] for name, ids in levels.items()
    )


@pytest.mark.parametrize("drop", [0, 17])
def test_known_components_come_back_on_average(drop):
    """200 experiments, whole and with 17 of 72 rows missing: within 4 standard errors."""
    rng = np.random.default_rng(0)
    keep = np.sort(rng.permutation(72)[drop:])
    levels = {name: ids[keep] for name, ids in design().items()}
    found = []
    for _ in range(200):
        values = simulated(rng, design())[keep]
        found.append(variance_components(values, levels)["variance"])
    error = np.std(found, axis=0) / np.sqrt(200)
    assert np.all(np.abs(np.mean(found, axis=0) - list(TRUE.values())) < 4 * error)
    assert np.all(error < 0.4)


def test_one_way_analysis_of_variance_by_hand():
    # Means 2, 5, 11 of two values 2 apart: within 2; between 2 * var(2, 5, 11) = 42, (42-2)/2 = 20.
    values = np.array([1.0, 3, 4, 6, 10, 12])
    found = variance_components(values, {"seed": np.array([0, 0, 1, 1, 2, 2])})
    assert list(found["level"]) == ["seed", "rest"]
    assert found["variance"].tolist() == pytest.approx([20, 2])
    assert found["groups"].tolist() == [3, 6]


def test_balanced_nested_estimates_are_those_of_analysis_of_variance():
    levels = design(folds=3, seeds=2, draws=2, probes=2)
    values = simulated(np.random.default_rng(1), levels)
    cube = values.reshape(3, 2, 2, 2)
    squares = [
        8 * cube.mean((1, 2, 3)).var(ddof=1),
        4 * cube.mean((2, 3)).var(axis=1, ddof=1).mean(),
        2 * cube.mean(3).var(axis=2, ddof=1).mean(),
        cube.var(axis=3, ddof=1).mean(),
    ]
    by_hand = [(squares[i] - squares[i + 1]) / 2 ** (3 - i) for i in range(3)] + [squares[3]]
    assert variance_components(values, levels)["variance"].tolist() == pytest.approx(by_hand)


def test_crossed_levels_are_told_apart():
    rng, found = np.random.default_rng(2), []
    a, b = np.indices((6, 6)).reshape(2, -1)
    for _ in range(200):
        values = rng.normal(0, 2, 6)[a] + rng.normal(0, 1, 6)[b] + rng.normal(0, 0.5, 36)
        found.append(variance_components(values, {"seed": a, "draw": b})["variance"])
    error = np.std(found, axis=0) / np.sqrt(200)
    assert np.all(np.abs(np.mean(found, axis=0) - [4, 1, 0.25]) < 4 * error)


def test_levels_that_cannot_be_told_are_left_out():
    values = np.array([1.0, 3, 4, 6])
    levels = {"fold": np.zeros(4), "seed": np.array([0, 0, 1, 1]), "same": np.array([5, 5, 7, 7]),
              "draw": np.arange(4), "probe": np.arange(4)}  # fmt: skip
    assert list(variance_components(values, levels)["level"]) == ["seed", "draw"]


def test_a_single_value_has_no_spread():
    found = variance_components(np.array([3.0]), {"seed": np.array([0])})
    assert np.isnan(found["variance"]).all()
