"""What runs, classes and images each add to the variance of a mean over runs.

A class mean carries the noise of its images, and the means of runs carry that of their classes:
what a level explains by itself is what is left once the levels below it are subtracted.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True)
class Contrast:
    """A weighted sum over one run's test images: of `value` (fraction), by signed `weight`.

    Images of positive weight are one group of classes, those of negative weight another. `at` is
    the run's fold and seed; without it, a run shares neither with another.
    """

    ids: Int[np.ndarray, " n"]
    labels: Int[np.ndarray, " n"]
    value: Float[np.ndarray, " n"]
    weight: Float[np.ndarray, " n"]
    at: tuple[int, int] | None = None


@dataclass(frozen=True)
class Levels:
    """What classes and images add to the effect's deviation, and the variances of three levels.

    `estimated` and `freedom` say what was measured to get them, with how many degrees of freedom.
    """

    classes: Float[np.ndarray, " c"]
    images: list[Float[np.ndarray, " _k"]]
    variances: Float[np.ndarray, " 3"]
    estimated: Float[np.ndarray, " 3"]
    freedom: Float[np.ndarray, " 3"]


def levels(runs: Sequence[Contrast], columns: list[np.ndarray], labels: np.ndarray) -> Levels:
    """The three levels of a mean over runs; `columns` and `labels` are those of `union`."""
    n_runs, sizes = len(runs), np.bincount(labels)
    n_classes = len(sizes)
    means = np.array([run.weight @ run.value for run in runs])
    images, centred = np.zeros(len(labels)), np.zeros((n_runs, n_classes))
    member = np.zeros((n_runs, n_classes), int)  # 1 and -1 are the groups, 0 is neither
    rests = _centred(runs)
    for r, (run, rest, column) in enumerate(zip(runs, rests, columns, strict=True)):
        images[column] += rest / n_runs
        centred[r] = np.bincount(labels[column], rest, n_classes)
        member[r, labels[column]] = np.sign(run.weight)
    classes = centred.mean(0)
    images -= (classes / sizes)[labels]
    lost = _lost(member)
    unbias = np.where(lost < 1 - 1e-9, 1 / np.maximum(1 - lost, 1e-9), 0.0)
    image_variance = float((images**2).sum())
    both = float((unbias * classes**2).sum())
    class_variance = max(0.0, both - image_variance)
    run_variance, run_freedom = max(
        _between(units, means, centred, unbias) for units in _units(runs)
    )
    # The class variance was measured together with that of images, with the classes' freedom.
    both = class_variance + image_variance
    seen = [both, 0.0] if class_variance > 0 else [0.0, both]
    freedom = _freedom(unbias * classes**2, member, lost)
    return Levels(
        classes,
        [images[labels == c] for c in range(n_classes)],
        np.array([run_variance, class_variance, image_variance]),
        np.array([run_variance, *seen]),
        np.maximum(1.0, [run_freedom, freedom, len(labels) - n_classes]),
    )


def _centred(runs: Sequence[Contrast]) -> list[Float[np.ndarray, " n"]]:
    """What each image adds to its run's contrast beyond what is expected of its group.

    That is the group's mean over all runs, plus how much better this run is than others: the
    groups of one run may be hard or easy ones, and classes must not be thanked for that.
    """
    groups = [(run.weight > 0, run.weight < 0) for run in runs]
    means = np.array(
        [[_mean(run, of) for of in pair] for run, pair in zip(runs, groups, strict=True)]
    )
    level = np.array([run.value.mean() for run in runs])
    expected = means.mean(0) + (level - level.mean())[:, None]
    return [
        run.weight * (run.value - np.where(pair[0], *expected[r]))
        for r, (run, pair) in enumerate(zip(runs, groups, strict=True))
    ]


def _mean(run: Contrast, of: np.ndarray) -> float:
    return float(run.weight[of] @ run.value[of] / run.weight[of].sum()) if of.any() else 0.0


def _lost(member: Int[np.ndarray, "r c"]) -> Float[np.ndarray, " c"]:
    """The share of itself that a class loses as its group's mean is subtracted, over runs."""
    shares = np.zeros(member.shape)
    for group in (1, -1):
        inside = member == group
        shares += inside / np.maximum(1, inside.sum(1, keepdims=True))
    return shares.sum(0) / (member != 0).sum(0)


def _freedom(
    variances: Float[np.ndarray, " c"],
    member: Int[np.ndarray, "r c"],
    lost: Float[np.ndarray, " c"],
) -> float:
    """Degrees of freedom of the classes' variance (Welch-Satterthwaite over kinds of classes)."""
    kinds = np.unique(member, axis=1, return_inverse=True)[1].ravel()
    part, freedom = np.bincount(kinds, variances), np.bincount(kinds, 1 - lost)
    terms = np.divide(part**2, freedom, out=np.zeros(len(part)), where=freedom > 1e-9)
    if terms.sum() == 0:
        return float(freedom.sum())
    return float(part.sum() ** 2 / terms.sum())


def _units(runs: Sequence[Contrast]) -> list[Float[np.ndarray, "u r"]]:
    """What may vary as a whole: each run, each seed, each of three folds or more; by its runs.

    Runs of one seed share labels and initial weights, runs of one fold what was pretrained on, and
    what they share does not average out over them. Two folds are taken as they are: of what folds
    add beyond their classes they have one degree of freedom, at which all else would drown.
    """
    found = [np.eye(len(runs))]
    at = [run.at for run in runs if run.at]
    if len(at) == len(runs):
        for own, fewest in zip(zip(*at, strict=True), (3, 2), strict=True):
            inside = np.unique(own)[:, None] == np.array(own)
            if len(inside) >= fewest:
                found.append(inside / inside.sum(1, keepdims=True))
    return found


def _between(
    units: Float[np.ndarray, "u r"],
    means: Float[np.ndarray, " r"],
    centred: Float[np.ndarray, "r c"],
    unbias: Float[np.ndarray, " c"],
) -> tuple[float, int]:
    """The variance that units add to the mean by themselves, and its degrees of freedom.

    That is what is left when the variance which their classes and images explain is subtracted.
    The mean is over runs: a unit of more runs weighs more in it, by its share of them.
    """
    n_units, shares = len(units), (units > 0).mean(1)
    if n_units == 1:
        return 0.0, 0
    of_units = units @ centred
    products = unbias * of_units @ of_units.T
    explained = float(np.trace(products) - products.sum() / n_units) / (n_units - 1)
    own = max(0.0, float((units @ means).var(ddof=1)) - explained)
    return own * float((shares**2).sum()), n_units - 1


def average(parts: Sequence[Contrast]) -> Contrast:
    """The mean of contrasts of one run, as one contrast of the images of all."""
    if len(parts) == 1:
        return parts[0]
    every, labels, value, weight = (
        np.concatenate(arrays)
        for arrays in zip(*((p.ids, p.labels, p.value, p.weight) for p in parts), strict=True)
    )
    ids, first, at = np.unique(every, return_index=True, return_inverse=True)
    total = np.bincount(at, weight)
    mean = np.bincount(at, weight * value) / total
    return Contrast(ids, labels[first], mean, total / len(parts), parts[0].at)


def union(runs: Sequence[Contrast]) -> tuple[list[np.ndarray], np.ndarray]:
    """The position of every run's images among all images, and the class index of those."""
    ids, first = np.unique(np.concatenate([run.ids for run in runs]), return_index=True)
    classes = np.concatenate([run.labels for run in runs])[first]
    labels = np.unique(classes, return_inverse=True)[1]
    return [np.searchsorted(ids, run.ids) for run in runs], labels
