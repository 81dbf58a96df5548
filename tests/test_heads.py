"""Heads together and one by one: the same fits, and a ratio that is told as it is."""

import numpy as np
import pytest

from benchmarks.splits import validation_folds
from benchmarks.timing.heads import ALONE, FOLDS, TOGETHER, Heads
from probes.linear import WEIGHT_DECAYS


@pytest.fixture(scope="module")
def heads():
    rng = np.random.default_rng(0)
    y = np.arange(96) % 4
    X = (rng.normal(size=(96, 12)) + rng.normal(size=(4, 12))[y]).astype(np.float32)
    folds = validation_folds(y, n_folds=FOLDS, seed=0)
    return Heads(X, y, folds, source="noise", device="cpu")


def test_both_ways_solve_the_same_64_problems(heads):
    together, alone = heads.together(), heads.one_by_one()
    assert together.shape == alone.shape == (FOLDS, len(WEIGHT_DECAYS))
    assert together.size == 64
    # A fold holds twelve images: at the tolerance of a choice one of them may fall otherwise.
    assert np.abs(together - alone).max() <= 1 / 12 + 1e-9
    assert (together == alone).mean() > 0.9
    assert alone.mean() > 0.4  # chance is a quarter: columns and rows are of the same problem


def test_both_ways_are_timed(heads):
    found = heads.seconds()
    assert set(found) == {TOGETHER, ALONE}
    assert 0 < found[TOGETHER] < found[ALONE]


def test_the_page_tells_the_ratio_of_the_same_turn(heads):
    def turns(*pairs):
        return [{TOGETHER: together, ALONE: alone} for together, alone in pairs]

    page = heads.section(turns((0.1, 1.0), (0.2, 1.6), (0.1, 1.2)))
    assert "| 64 heads of a linear probe | 100 ms | 1.2 s | 10 (8 to 12) |" in page
    assert "64 heads: a linear probe at 8 weight decays on each of 8 folds of 96\nlabelled" in page
    assert "12 latents each (noise), 4 classes" in page
    assert page.endswith("At least 8 times was aimed at: it is.")
    assert heads.section(turns((0.1, 0.7))).endswith("**it is not**.")
