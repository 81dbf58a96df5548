"""Paired differences of colorization measures, from the value that every picture has on record.

The interval and the flips are those of top-1 (benchmarks.bootstrap, benchmarks.significance), over
runs, classes and pictures. All differences form one family for Holm's method: none is primary, and
a declared pair that was not run counts too.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from benchmarks.bootstrap import Paired
from benchmarks.errors import IntegrityError
from benchmarks.significance import Pairs, Read, Unseen, holm, paired_difference

MEASURES = ("ab_mae", "psnr", "auc_rebalanced", "colourfulness")
CELL = ["classes", "metric"]
COLUMNS = [
    *("a_method", "b_method", *CELL, "runs", "n_test", "n_classes"),
    *("effect", "low", "high", "p", "p_holm"),
]


def compare_pictures(
    quality: pd.DataFrame,
    read_values: Read,
    comparisons: Pairs,
    *,
    seed: int,
    unseen: Unseen,
    n_resamples: int = 1000,
) -> pd.DataFrame:
    """Return one tested difference, a minus b in the measure's unit, per pair, group and measure.

    The pairs are the methods of the declared comparisons, where both were measured in one run.
    IntegrityError where a record contradicts its row, or two are not of the same pictures.
    """
    wanted = dict.fromkeys((a[0], b[0]) for a, b in comparisons if a[0] != b[0])
    found: list[dict[str, Any]] = []
    for a, b in wanted if len(quality) else ():
        first, second = (quality[quality["method"] == name] for name in (a, b))
        both = first.merge(second, on=[*CELL, "fold", "seed"], suffixes=("_a", "_b"))
        both = both[both["metric"].isin(MEASURES) & both["classes"].isin(["seen", "unseen"])]
        for (classes, metric), runs in both.groupby(CELL, sort=True):
            paired = [_paired(run, read_values, unseen) for _, run in runs.iterrows()]
            names = {"a_method": a, "b_method": b, "classes": classes, "metric": metric}
            found.append(names | paired_difference(paired, seed=seed, n_resamples=n_resamples))
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.DataFrame(found)
    n_tests = len(painting_pairs(comparisons)) * len(table[CELL].drop_duplicates())
    return table.assign(p_holm=holm(table["p"], n_tests=n_tests))[COLUMNS]


def painting_pairs(comparisons: Pairs) -> set[tuple[str, str]]:
    """Return the pairs of methods that comparisons declare: baselines, from pixels, paint none."""
    return {(a[0], b[0]) for a, b in comparisons if a[0] != b[0] and "pixels" not in (a[1], b[1])}


def picture_values(values: Mapping[str, np.ndarray], metric: str) -> Float[np.ndarray, " n"]:
    """Return a number for each picture whose mean is the measure of the set (as `pooled` has it).

    The rebalanced AuC of a set is a ratio of sums: its pictures have the linearised ratio, whose
    spread is that of the ratio (the delta method).
    """
    if metric != "auc_rebalanced":
        return values[metric].astype(float)
    area, weight = values["auc_rebalanced.area"], values["auc_rebalanced.weight"]
    ratio = area.sum() / weight.sum()
    return ratio + (area - ratio * weight) / weight.mean()


def _record(
    run: pd.Series, side: str, read: Read, unseen: Unseen
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids, labels and values of one record's pictures in the row's group of classes, by id."""
    record, metric = read(run[f"key_{side}"]), run["metric"]
    of_unseen = np.isin(record["label"], list(unseen[int(run["fold"])]))
    keep = np.flatnonzero(of_unseen == (run["classes"] == "unseen"))
    keep = keep[np.argsort(record["ids"][keep])]
    values = picture_values({name: of[keep] for name, of in record.items()}, metric)
    told = float(run[f"value_{side}"])
    if not len(keep) or abs(values.mean() - told) > 1e-5 * max(1.0, abs(told)):
        raise IntegrityError(
            f"the pictures of record {run[f'key_{side}']} do not give its {metric} in quality.csv",
            "delete that record and rerun the experiment",
        )
    return record["ids"][keep], record["label"][keep], values


def _paired(run: pd.Series, read: Read, unseen: Unseen) -> Paired:
    ids, labels, a = _record(run, "a", read, unseen)
    others, _, b = _record(run, "b", read, unseen)
    if not np.array_equal(ids, others):
        raise IntegrityError(
            f"records {run['key_a']} and {run['key_b']} are not of the same pictures",
            "compare rows of one experiment and one split only",
        )
    return Paired(ids, labels, a, b, (run["fold"], run["seed"]))
