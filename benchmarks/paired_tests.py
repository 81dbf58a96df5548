"""Tests of one pair of rows beside the primary one: each answers a narrower question.

Exact McNemar: these two classifiers, other images. Corrected resampled t: other folds of data that
share their training parts. Probability of outperforming: other runs, scored on the same test.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats


@dataclass(frozen=True)
class CorrectedT:
    """The mean of differences (in their unit), its 95 % interval, t and two-sided p."""

    mean: float
    low: float
    high: float
    t: float
    p: float


@dataclass(frozen=True)
class Outperforming:
    """How often a beats b, a fraction with its 95 % interval; a tie counts half."""

    probability: float
    low: float
    high: float


def mcnemar_p(a: Bool[np.ndarray, " n"], b: Bool[np.ndarray, " n"]) -> float:
    """Return the exact two-sided p of "equally often right" (McNemar 1947) of one pair of runs.

    Images count as independent: it speaks of other images of these classes, for these two trained
    classifiers, and of no other seed.
    """
    only_a, only_b = int(np.sum(a & ~b)), int(np.sum(b & ~a))
    return min(1.0, 2 * float(stats.binom.cdf(min(only_a, only_b), only_a + only_b, 0.5)))


def corrected_t(differences: Float[np.ndarray, " j"], *, n_train: int, n_test: int) -> CorrectedT:
    """Return the corrected resampled t-test of Nadeau and Bengio (2003) over j >= 2 splits.

    The training parts of the splits overlap, so their differences are correlated: the variance of
    the mean is (1/j + n_test/n_train) s^2, not s^2/j.
    """
    j = len(differences)
    if j < 2:
        raise ValueError(f"{j} difference: a spread needs two splits or more")
    mean = float(differences.mean())
    se = float(np.sqrt((1 / j + n_test / n_train) * differences.var(ddof=1)))
    if se == 0:
        return CorrectedT(mean, mean, mean, float(np.sign(mean)) * np.inf if mean else 0.0,
                          0.0 if mean else 1.0)  # fmt: skip
    reach = float(stats.t.ppf(0.975, j - 1)) * se
    p = 2 * float(stats.t.sf(abs(mean) / se, j - 1))
    return CorrectedT(mean, mean - reach, mean + reach, mean / se, p)


def probability_of_outperforming(
    a: Float[np.ndarray, " runs"], b: Float[np.ndarray, " runs"]
) -> Outperforming:
    """Return P(a > b) over independent paired runs (Bouthillier et al. 2021, section 4).

    The interval is Clopper and Pearson's, a tie counting as lost in `low` and as won in `high`: the
    paper's percentile bootstrap is [1, 1] whenever all of a few runs are won. It excludes one half
    for 6 runs or more only.
    """
    n, wins, ties = len(a), int(np.sum(a > b)), int(np.sum(a == b))
    if n == 0 or n != len(b):
        raise ValueError(f"{n} and {len(b)} runs: give pairs")
    low = stats.beta.ppf(0.025, wins, n - wins + 1) if wins else 0.0
    losses = n - wins - ties
    high = stats.beta.isf(0.025, n - losses + 1, losses) if losses else 1.0
    return Outperforming((wins + ties / 2) / n, float(low), float(high))
