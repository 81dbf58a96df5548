"""Paired tests on rows and their per-image predictions, from files alone.

The interval of every effect is that of `benchmarks.bootstrap`; what one run can and cannot say is
said there. p-values are corrected by Holm's method in two families, both declared before the run:
the comparisons at the primary endpoint, and all others together, in every cell that the run has.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.special import ndtr

from benchmarks.bootstrap import Estimate, Paired, hierarchical_bootstrap, interval
from benchmarks.errors import DataError, IntegrityError

RUN = ["fold", "seed", "draw"]
CELL = ["task", "classes", "labels_per_class"]
PAIR = ["a_method", "a_classifier", "b_method", "b_classifier"]
COLUMNS = [
    *(*PAIR, *CELL, "runs", "n_test", "effect", "low", "high", "p", "p_holm", "primary"),
    *("smallest_detectable", "n_classes"),
]
# Standard errors beyond the interval that 80 % power needs: 0.84 if they were known. Simulated
# power is 80 % or more, or, of the interval, 70 % where few runs differ by much (test_calibration).
POWER = 1.1
Read = Callable[[str], Mapping[str, np.ndarray]]
Unseen = Mapping[int, Sequence[int]]
Handle = Sequence[str]
Pairs = Sequence[Sequence[Handle]]
Primary = Mapping[str, Any] | None


def compare(
    rows: pd.DataFrame,
    read_predictions: Read,
    comparisons: Pairs,
    *,
    seed: int,
    unseen: Unseen,
    primary: Primary = None,
    declared: bool = False,
    n_resamples: int = 4000,
) -> pd.DataFrame:
    """Return one tested difference (fractions, a minus b) per pair, task, classes and budget.

    `comparisons` are pairs of (method, classifier); `unseen` names the unseen classes of each fold;
    `primary` (labels_per_class, classes, task) marks the first pair there as primary endpoint.
    `declared`: the pairs are all that an experiment declares, so that one without rows counts too
    in Holm's correction, in every cell that another has.
    Only runs that both rows have are used. IntegrityError where two records are not of the same
    test images, a run has two records of one row, or a record contradicts its row.
    """
    top1 = rows[rows["metric"] == "top1"]
    found: list[dict[str, Any]] = []
    for a, b in comparisons:
        for cell, runs in _cells(top1, a, b):
            paired = [_paired(run, read_predictions, unseen) for _, run in runs.iterrows()]
            named = dict(zip([*PAIR, *CELL], [*a, *b, *cell], strict=True))
            found.append(named | paired_difference(paired, seed=seed, n_resamples=n_resamples))
    counted = len(comparisons) if declared else 0
    return _corrected(pd.DataFrame(found), comparisons, primary, counted)[COLUMNS]


def paired_difference(
    runs: Sequence[Paired], *, seed: int, n_resamples: int = 4000
) -> dict[str, Any]:
    """Return effect (a minus b), 95 % interval, p, smallest detectable effect and counts.

    `runs` counts folds x seeds, `n_test` and `n_classes` the images and classes of all runs.
    """
    found = hierarchical_bootstrap(runs, seed=seed, n_resamples=n_resamples)
    return {
        "runs": found.runs,
        "n_test": found.n_images,
        "n_classes": len(found.by_class),
        "effect": found.effect,
        "low": found.low,
        "high": found.high,
        "p": sign_flip_p(found, seed=seed),
        # 3.1 standard errors where runs and classes are many; more where the interval is wider.
        "smallest_detectable": (found.high - found.low) / 2 + POWER * found.se,
    }


def half_widths(
    rows: pd.DataFrame, read_predictions: Read, *, seed: int, unseen: Unseen, n_resamples: int = 500
) -> Float[np.ndarray, " r"]:
    """Return, for every top1 row, half its 95 % interval over classes and images (else NaN)."""
    found = np.full(len(rows), np.nan)
    for i, (_, row) in enumerate(rows.iterrows()):
        if row["metric"] != "top1":
            continue
        record = checked_record(row, row["key"], row["value"], read_predictions, unseen)
        estimate = interval(record["correct"], record["label"], seed=seed, n_resamples=n_resamples)
        found[i] = (estimate.high - estimate.low) / 2
    return found


def sign_flip_p(found: Estimate, *, seed: int, n_flips: int = 9999) -> float:
    """Return the two-sided p of "no difference" under flips of each class's share of the effect.

    Runs share their classes, so a class flips in all runs at once. What the runs add to the noise
    is added to every flip, as a normal number of that spread, and the effect counts for as much
    less as Student's t is wider for so few. Exact up to 13 classes, where p >= 2 ** (1 - c);
    otherwise Monte Carlo. Both count the data as one flip, noise or not.
    """
    n_classes = len(found.by_class)
    observed = abs(found.by_class.sum()) / found.run_widening
    if n_classes <= 13:
        signs = 1.0 - 2.0 * (np.arange(2**n_classes)[:, None] >> np.arange(n_classes) & 1)
        beyond = _beyond(signs @ found.by_class, observed, found.run_se)
        return float((2 + beyond[1:-1].sum()) / 2**n_classes)  # the data, and their mirror image
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (n_flips, n_classes))
    beyond = _beyond(signs @ found.by_class, observed, found.run_se)
    return float((1 + beyond.sum()) / (n_flips + 1))


def _beyond(
    flipped: Float[np.ndarray, " f"], observed: float, run_se: float
) -> Float[np.ndarray, " f"]:
    """The chance of each flip, with normal noise of `run_se`, to be at least as far from zero."""
    if run_se == 0:
        return (np.abs(flipped) >= observed - 1e-12).astype(float)
    return ndtr((flipped - observed) / run_se) + ndtr((-flipped - observed) / run_se)


def holm(p_values: Iterable[float], *, n_tests: int = 0) -> Float[np.ndarray, " t"]:
    """Return the p-values adjusted by Holm's step-down method (1979), in the order given.

    Where the family has `n_tests`, more than were made, the others count as if their p were 1.
    """
    p = np.asarray(list(p_values), dtype=float)
    order = np.argsort(p)
    adjusted = np.maximum.accumulate(p[order] * (max(n_tests, len(p)) - np.arange(len(p))))
    return np.minimum(adjusted, 1.0)[np.argsort(order)]


def _cells(top1: pd.DataFrame, a: Handle, b: Handle) -> Iterable[tuple[Any, pd.DataFrame]]:
    """Cells (task, classes, budget) that both rows have, each with the runs that both have."""
    first, second = (
        top1[(top1["method"] == method) & (top1["classifier"] == classifier)]
        for method, classifier in (a, b)
    )
    for (method, classifier), part in ((a, first), (b, second)):
        if part.duplicated([*CELL, *RUN]).any():
            raise IntegrityError(
                f"rows.csv holds two records of one run of {method} ({classifier})",
                "delete the run folder's rows.csv and rerun: finished records are reused",
            )
    return first.merge(second, on=[*CELL, *RUN], suffixes=("_a", "_b")).groupby(CELL)


def checked_record(
    row: Mapping[Any, Any] | pd.Series, key: str, value: float, read: Read, unseen: Unseen
) -> dict[str, np.ndarray]:
    """Return ids, label, correct of a record's images in the row's group, confidence if kept.

    IntegrityError where they do not give `value`, the row's top-1, or it has none.
    """
    record = read(key)
    keep = _group(record["label"], row["classes"], row["fold"], unseen)
    label, predicted = record["label"][keep], record["predicted"][keep]
    if not len(label) or not abs(np.mean(label == predicted) - value) <= 1e-5:  # nor NaN
        raise IntegrityError(
            f"the predictions of record {key} do not give its {row['classes']} top-1 in rows.csv",
            "delete that record and rerun the experiment",
        )
    found = {"ids": record["ids"][keep], "label": label, "correct": label == predicted}
    return found | {name: record[name][keep] for name in ("confidence",) if name in record}


def _group(
    labels: Int[np.ndarray, " n"], classes: str, fold: Any, unseen: Unseen
) -> Bool[np.ndarray, " n"]:
    if classes == "all":
        return np.ones(len(labels), bool)
    if int(fold) not in unseen:
        raise DataError(
            f"the unseen classes of fold {fold} are not recorded",
            "run.json needs them as unseen_classes: {fold: [class ids]}",
        )
    is_unseen = np.isin(labels, list(unseen[int(fold)]))
    return is_unseen if classes == "unseen" else ~is_unseen


def _paired(run: pd.Series, read: Read, unseen: Unseen) -> Paired:
    a = checked_record(run, run["key_a"], run["value_a"], read, unseen)
    b = checked_record(run, run["key_b"], run["value_b"], read, unseen)
    return paired(a, b, keys=(run["key_a"], run["key_b"]), at=(run["fold"], run["seed"]))


def paired(
    a: Mapping[str, np.ndarray],
    b: Mapping[str, np.ndarray],
    *,
    keys: tuple[str, str],
    at: tuple[int, int],
) -> Paired:
    """Return two checked records of a fold and seed; IntegrityError if they are of other images."""
    order_a, order_b = np.argsort(a["ids"]), np.argsort(b["ids"])
    same = np.array_equal(a["ids"][order_a], b["ids"][order_b])
    if not same or not np.array_equal(a["label"][order_a], b["label"][order_b]):
        raise IntegrityError(
            f"records {keys[0]} and {keys[1]} are not of the same test images",
            "compare rows of one experiment and one split only",
        )
    return Paired(
        a["ids"][order_a], a["label"][order_a], a["correct"][order_a], b["correct"][order_b], at
    )


def _corrected(
    found: pd.DataFrame, comparisons: Pairs, primary: Primary, counted: int
) -> pd.DataFrame:
    """The table with p_holm (two families, `counted` pairs a cell) and the primary row marked."""
    if found.empty:
        return pd.DataFrame(columns=COLUMNS)
    wanted = {"task": "all", "classes": "all", "labels_per_class": -1} | dict(primary or {})
    endpoint = np.logical_and.reduce([found[name] == wanted[name] for name in wanted])
    first = [part for handle in comparisons[0] for part in handle]
    is_first = np.logical_and.reduce([found[n] == v for n, v in zip(PAIR, first, strict=True)])
    found["primary"] = endpoint & is_first
    found["p_holm"] = 0.0
    for family in (endpoint, ~endpoint):
        n_tests = counted * len(found.loc[family, CELL].drop_duplicates())
        found.loc[family, "p_holm"] = holm(found.loc[family, "p"], n_tests=n_tests)
    return found
