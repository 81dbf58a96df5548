"""What two runs share: rows of equal cells on equal test images; and why the others are not shared.

Test images are the same where the runs' splits are the same file, or where their split files give
the same numbers the same contents. Nothing is taken on trust: what cannot be shown is not shared.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.errors import ColorprobeError, ConfigError
from benchmarks.run_files import RUN, RunFiles
from benchmarks.split_file import read_manifest

CELL = ["method", "classifier", "task", "classes", "labels_per_class"]
HANDLE = ["method", "classifier"]
GROUPS = ["all", "seen", "unseen"]
WORDS = {"labels_per_class": "labels a class", "draw": "label draw"}


def shared(
    a: RunFiles, b: RunFiles, handles: Sequence[Sequence[str]]
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """The top-1 rows of both runs that can be paired, in equal order, and why others cannot.

    `handles`, (method, classifier) of A and of B, pair these two rows in place of equal names. Rows
    of A say in `row_b` which row of B theirs is.
    """
    rows_a, rows_b = (run.rows[run.rows["metric"] == "top1"] for run in (a, b))
    rows_b = rows_b.assign(row_b=rows_b["method"] + "/" + rows_b["classifier"])
    if handles:
        rows_a, rows_b = (_only(r, h) for r, h in zip((rows_a, rows_b), handles, strict=True))
        rows_b = rows_b.assign(method=handles[0][0], classifier=handles[0][1])
    why_not = _one_sided(rows_a, rows_b)
    both = rows_a.merge(
        rows_b[[*CELL, *RUN, "key", "split", "row_b"]], on=[*CELL, *RUN], suffixes=("", "_b")
    )
    why_not += [
        f"task {task}: its classes are those of a draw, which no split file tells"
        for task in sorted(set(both["task"]) - set(GROUPS))
    ]
    keep = np.zeros(len(both), bool)
    for _, part in both.groupby(["fold", "split", "split_b"]):
        fold, split_a, split_b = part[["fold", "split", "split_b"]].to_numpy()[0]
        classes, reasons = _comparable(a, b, int(fold), (split_a, split_b))
        why_not += reasons
        groups = part["classes"].isin(classes) & part["task"].isin(classes)
        keep[part.index[groups]] = True
    kept = both[keep]
    named = {"method": _part(kept["row_b"], 0), "classifier": _part(kept["row_b"], 1)}
    wanted = kept.assign(**named)[[*CELL, *RUN]]
    original = b.rows[b.rows["metric"] == "top1"]
    return kept, wanted.merge(original, on=[*CELL, *RUN], how="left"), why_not


def _only(rows: pd.DataFrame, handle: Sequence[str]) -> pd.DataFrame:
    found = rows[(rows["method"] + "/" + rows["classifier"]) == "/".join(handle)]
    if not len(found):
        known = sorted(set(rows["method"] + "/" + rows["classifier"]))
        raise ConfigError(f"there is no row {'/'.join(handle)}", f"known: {', '.join(known)}")
    return found


def _part(names: pd.Series, position: int) -> list[str]:
    return [name.split("/", 1)[position] for name in names]


def _one_sided(rows_a: pd.DataFrame, rows_b: pd.DataFrame) -> list[str]:
    """What only one run has: methods, classifiers, budgets and so on; then single rows."""
    lines = []
    dimensions = [HANDLE, *[[name] for name in (*CELL[2:], *RUN)]]
    for names in dimensions:
        in_a, in_b = (set(map(tuple, r[names].to_numpy().tolist())) for r in (rows_a, rows_b))
        for run, only in (("A", in_a - in_b), ("B", in_b - in_a)):
            if only:
                values = ", ".join(" · ".join(map(str, value)) for value in sorted(only))
                lines.append(f"only in {run}: {WORDS.get(names[-1], names[-1])} {values}")
        common = [sorted(in_a & in_b)]
        rows_a, rows_b = (_within(rows, names, common[0]) for rows in (rows_a, rows_b))
    cells_a, cells_b = (set(map(tuple, r[[*CELL, *RUN]].to_numpy().tolist()))
                        for r in (rows_a, rows_b))  # fmt: skip
    for run, only in (("A", cells_a - cells_b), ("B", cells_b - cells_a)):
        if only:
            lines.append(f"only in {run}: {len(only)} more row(s), such as {min(only, key=str)}")
    return lines


def _within(rows: pd.DataFrame, names: list[str], values: list[tuple[object, ...]]) -> pd.DataFrame:
    known = set(values)
    return rows[[tuple(row) in known for row in rows[names].to_numpy().tolist()]]


def _comparable(
    a: RunFiles, b: RunFiles, fold: int, hashes: tuple[str, str]
) -> tuple[list[str], list[str]]:
    """Groups of classes whose test images are the same in this fold, and why others are not."""
    if hashes[0] == hashes[1]:
        return GROUPS, []
    told = f"fold {fold}: the splits differ ({hashes[0][:12]}, {hashes[1][:12]})"
    try:
        first, second = (_test_images(run.folder / f"split-{fold}.tsv", h)
                         for run, h in zip((a, b), hashes, strict=True))  # fmt: skip
    except (ColorprobeError, OSError):
        return [], [f"{told}, and no split file shows that the test images are the same"]
    if first != second:
        n = len(set(first.items()) & set(second.items()))
        counts = f"{len(first):,} and {len(second):,}, {n:,} of them in both"
        return [], [f"{told}, and so do the test images: {counts}"]
    if a.unseen.get(fold) != b.unseen.get(fold):
        return ["all"], [f"{told}: other classes are unseen, so only rows on all are compared"]
    return GROUPS, [f"{told} in training images; tested on the same: compared"]


@cache
def _test_images(path: Path, split: str) -> dict[int, str]:
    """Number and content of every test image of a split file that is the one of the rows."""
    found = read_manifest(path)
    if found.split.manifest_hash != split:
        raise ConfigError(f"{path} is not the split of the rows", "run it again")
    return {int(i): found.contents[int(i)] for i in found.split.test}
