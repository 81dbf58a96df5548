"""Many methods at once: ranks, Friedman's test, critical difference, places, interquartile mean.

A block is what every method was scored on once, and blocks are independent: test classes, or runs.
Ranks over classes speak of other classes for these trained encoders; only ranks over runs speak of
other seeds. Demsar (2006), "Statistical Comparisons of Classifiers over Multiple Data Sets".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from benchmarks.significance import PAIR, holm

CHUNK = 2_000_000  # numbers permuted at once


@dataclass(frozen=True)
class Friedman:
    """Friedman's chi-squared, its permutation p, and the mean rank of every method (1: best)."""

    statistic: float
    p: float
    mean_ranks: Float[np.ndarray, " k"]
    n_blocks: int


@dataclass(frozen=True)
class Robust:
    """An interquartile mean and its 95 % interval, in the unit of the scores."""

    mean: float
    low: float
    high: float


def friedman(
    scores: Float[np.ndarray, "n k"], *, seed: int, n_permutations: int = 9999
) -> Friedman:
    """Return Friedman's test that k >= 3 methods are alike in n >= 2 blocks; more is better.

    Its p comes from permuting methods within blocks, the data counting as one permutation: the
    chi-squared approximation is wrong by half for few blocks (k = 3, n = 4: 0.0498 for 0.069).
    """
    n_blocks, n_methods = scores.shape
    if n_blocks < 2 or n_methods < 3:
        raise ValueError(f"{n_blocks} blocks of {n_methods} methods: give 2 or more of 3 or more")
    ranks = stats.rankdata(-scores, axis=1)
    mean_ranks = ranks.mean(0)
    if np.ptp(ranks, axis=1).max() == 0:
        return Friedman(0.0, 1.0, mean_ranks, n_blocks)
    statistic = float(stats.friedmanchisquare(*scores.T).statistic)
    # Ties stay in their blocks, so that the spread of the rank sums orders permutations as chi2.
    observed, reached, left = float((ranks.sum(0) ** 2).sum()), 1, n_permutations
    rng = np.random.default_rng(seed)
    while left > 0:
        size = min(left, max(1, CHUNK // ranks.size))
        shuffled = rng.permuted(np.broadcast_to(ranks, (size, *ranks.shape)), axis=2)
        reached += int(np.sum((shuffled.sum(1) ** 2).sum(1) >= observed - 1e-9))
        left -= size
    return Friedman(statistic, reached / (n_permutations + 1), mean_ranks, n_blocks)


def critical_difference(n_methods: int, n_blocks: int, *, alpha: float = 0.05) -> float:
    """Return Nemenyi's critical difference of mean ranks (Demsar 2006, section 3.2.2)."""
    q = float(stats.studentized_range.ppf(1 - alpha, n_methods, np.inf)) / np.sqrt(2)
    return q * _rank_se(n_methods, n_blocks)


def cliques(mean_ranks: Float[np.ndarray, " k"], reach: float) -> list[tuple[int, int]]:
    """Return the widest (first, last) stretches of the sorted ranks that span at most `reach`."""
    ordered, found = np.sort(mean_ranks), []
    last = -1
    for i, rank in enumerate(ordered):
        j = int(np.searchsorted(ordered, rank + reach + 1e-12, side="right")) - 1
        if j > max(i, last):
            found.append((i, j))
            last = j
    return found


def places(pairs: pd.DataFrame, *, alpha: float = 0.05) -> pd.DataFrame:
    """Return the range of places of every row, given `compare` of all pairs in one cell.

    `first` is 1 plus the rows that are better after Holm, `last` leaves below it those that are
    worse: rows that cannot be told apart share a place. `effect` is the mean lead over the others.
    """
    pairs = pairs.assign(p=holm(pairs["p"]))
    swapped = pairs.rename(columns=dict(zip(PAIR, [*PAIR[2:], *PAIR[:2]], strict=True)))
    both = pd.concat([pairs, swapped.assign(effect=-swapped["effect"])])
    both["worse"] = (both["effect"] < 0) & (both["p"] <= alpha)
    both["better"] = (both["effect"] > 0) & (both["p"] <= alpha)
    found = both.groupby(PAIR[:2], sort=False).agg(
        effect=("effect", "mean"), above=("worse", "sum"), below=("better", "sum")
    )
    found = found.assign(first=1 + found["above"], last=len(found) - found["below"])
    found = found.sort_values(["first", "last", "effect"], ascending=[True, True, False])
    return found[["first", "last", "effect"]].rename_axis(["method", "classifier"]).reset_index()


def interquartile_mean(
    strata: Sequence[Float[np.ndarray, " runs"]], *, seed: int, n_resamples: int = 2000
) -> Robust:
    """Return the mean of the middle half of all scores (Agarwal et al. 2021) and its interval.

    Runs are resampled within their stratum (a fold, a data set), so that every stratum keeps its
    weight; the percentiles are as wide as the runs allow, and too narrow below about five each.
    """
    rng = np.random.default_rng(seed)
    drawn = [of[rng.integers(0, len(of), (n_resamples, len(of)))] for of in strata]
    means = stats.trim_mean(np.concatenate(drawn, axis=1), 0.25, axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    whole = float(stats.trim_mean(np.concatenate(list(strata)), 0.25))
    return Robust(whole, float(low), float(high))


def _rank_se(n_methods: int, n_blocks: int) -> float:
    """Standard error of a difference of two mean ranks if methods are alike."""
    return float(np.sqrt(n_methods * (n_methods + 1) / (6 * n_blocks)))
