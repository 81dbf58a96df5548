"""Labels saved: how many labels a rival needs to be as accurate as a probe with few."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy import stats


@dataclass(frozen=True)
class Saving:
    """What a rival needs to equal a probe that has `labels` per class, with a 95 % interval.

    0 is below the rival's smallest budget, inf above its largest. `needed` - `labels` are saved.
    """

    labels: float
    needed: float
    low: float
    high: float


def labels_saved(
    budgets: Int[np.ndarray, " b"],
    probe: Float[np.ndarray, "b n"],
    rival: Float[np.ndarray, "b n"],
    labels: Int[np.ndarray, " n"],
    *,
    seed: int,
    n_resamples: int = 4000,
) -> list[Saving]:
    """Return the saving at each budget (labels per class, rising), probe and rival on one test.

    `probe` and `rival` say how often each test image was right, 0 to 1, over the same runs. The
    rival's curve is straight between budgets in log labels, and read where it first gets there.
    The interval resamples classes with all their images, whose noise is in the class means; its
    percentiles are widened by Student's t for few classes (Hesterberg 2015, section 5.4). It says
    nothing of other runs.
    """
    if np.any(np.diff(budgets) <= 0) or budgets[0] < 1:
        raise ValueError(f"budgets {budgets} are not rising from 1 or more")
    of = np.unique(labels, return_inverse=True)[1]
    sizes, n_classes = np.bincount(of), int(of.max()) + 1
    sums = [np.stack([np.bincount(of, row) for row in rows]) for rows in (probe, rival)]
    counts = np.random.default_rng(seed).multinomial(
        n_classes, np.full(n_classes, 1 / n_classes), n_resamples
    )
    drawn = [counts @ part.T / (counts @ sizes)[:, None] for part in sums]
    whole = [part.sum(1)[None] / sizes.sum() for part in sums]
    tail = _tail(n_classes)
    found = []
    for i, budget in enumerate(budgets):
        needed = labels_at(whole[0][:, i], budgets, whole[1])[0]
        several = labels_at(drawn[0][:, i], budgets, drawn[1])
        # A quantile between a number and infinity is none of both: no interpolation.
        low, high = np.quantile(several, [tail, 1 - tail], method="inverted_cdf")
        found.append(Saving(float(budget), float(needed), float(low), float(high)))
    return found


def labels_at(
    accuracy: Float[np.ndarray, " r"],
    budgets: Int[np.ndarray, " b"],
    curves: Float[np.ndarray, "r b"],
) -> Float[np.ndarray, " r"]:
    """Return the labels per class at which each curve first reaches its accuracy: 0, number, inf.

    0 where it is above it already at the smallest budget.
    """
    reached = curves >= accuracy[:, None]
    after = reached.argmax(1)
    before, row, logs = np.maximum(after - 1, 0), np.arange(len(curves)), np.log(budgets)
    left, right = curves[row, before], curves[row, after]
    share = (accuracy - left) / np.where(right > left, right - left, 1.0)
    inside = np.exp(logs[before] + share * (logs[after] - logs[before]))
    first = np.where(curves[:, 0] > accuracy, 0.0, float(budgets[0]))
    return np.where(reached.any(1), np.where(after == 0, first, inside), np.inf)


def _tail(n_classes: int) -> float:
    """The share of the bootstrap cut off on each side: 2.5 %, less for few classes."""
    if n_classes < 2:
        return 0.0
    reach = stats.t.ppf(0.975, n_classes - 1) * np.sqrt(n_classes / (n_classes - 1))
    return float(stats.norm.sf(reach))
