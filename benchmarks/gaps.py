"""Seen minus unseen classes, from rows and predictions alone: three ways to ask for the cause.

At equal ways (a head of as many seen classes as are unseen), within a class (folds in which it was
seen against folds in which it was not), and less the gap of a twin pretrained on all classes.
Intervals are those of `benchmarks.bootstrap`. All values are fractions.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.bootstrap import contrast_bootstrap, one_each
from benchmarks.contest import WAY_MATCHED
from benchmarks.controls import EXPOSED
from benchmarks.levels import Contrast, average
from benchmarks.significance import Read, Unseen

ROW = ["method", "classifier"]
RUN = ["fold", "seed", "draw"]
ESTIMATE = ["seen", "unseen", "effect", "low", "high", "runs"]
Record = Mapping[str, np.ndarray]
At = tuple[int, int]  # fold and seed


def way_matched_gaps(rows: pd.DataFrame, read: Read, *, seed: int) -> pd.DataFrame:
    """Return per method and classifier the gap between seen and unseen classes at equal ways.

    Columns: method, classifier, `ways`, `draws` of seen classes, then ESTIMATE. A run is a fold
    and seed; its draws are averaged.
    """
    found = []
    top1 = rows[rows["metric"] == "top1"]
    for names, part in top1[top1["task"].isin([WAY_MATCHED, "unseen"])].groupby(ROW, sort=False):
        contrasts, ways, draws = [], set(), 0
        for _, run in part.groupby(["fold", "seed"]):
            seen, unseen = (run[run["task"] == task] for task in (WAY_MATCHED, "unseen"))
            if len(seen) and len(unseen):
                first, second = ([read(key) for key in side["key"]] for side in (seen, unseen))
                at = (int(run["fold"].iloc[0]), int(run["seed"].iloc[0]))
                contrasts.append(_between(first, second, at))
                ways |= set(run["ways"])
                draws = max(draws, len(seen))
        if contrasts:
            shown = "/".join(f"{n:g}" for n in sorted(ways))
            named = dict(zip(ROW, names, strict=True)) | {"ways": shown, "draws": draws}
            found.append(named | _estimate(contrasts, seed=seed))
    return pd.DataFrame(found, columns=[*ROW, "ways", "draws", *ESTIMATE])


def exposure_gaps(rows: pd.DataFrame, read: Read, unseen: Unseen, *, seed: int) -> pd.DataFrame:
    """Return a method's gap, its exposed twin's, and the difference of the two.

    Columns: method, classifier, `gap` and `gap_exposed` with `low` and `high` of each, then
    ESTIMATE of the difference: what seeing a class's images brings beyond their amount.
    """
    found = []
    whole = _whole(rows)
    twins = whole[whole["method"].str.endswith(EXPOSED)]
    twins = twins.assign(method=twins["method"].str.removesuffix(EXPOSED))
    both = whole.merge(twins, on=[*ROW, *RUN], suffixes=("", "_exposed"))
    for names, part in both.groupby(ROW, sort=False):
        own, exposed = (
            [
                _groups(read(key), unseen[int(fold)], (fold, seed_))
                for key, fold, seed_ in zip(part[column], part["fold"], part["seed"], strict=True)
            ]
            for column in ("key", "key_exposed")
        )
        difference = [
            Contrast(a.ids, a.labels, a.value - b.value, a.weight, a.at)
            for a, b in zip(own, exposed, strict=True)
        ]
        line: dict[str, Any] = dict(zip(ROW, names, strict=True))
        for name, contrasts in (("gap", own), ("gap_exposed", exposed)):
            made = _estimate(contrasts, seed=seed)
            line |= {name: made["effect"], f"{name}_low": made["low"], f"{name}_high": made["high"]}
        found.append(line | _estimate(difference, seed=seed))
    gaps = [f"{name}{end}" for name in ("gap", "gap_exposed") for end in ("", "_low", "_high")]
    return pd.DataFrame(found, columns=[*ROW, *gaps, *ESTIMATE])


def within_class_gaps(
    rows: pd.DataFrame, read: Read, unseen: Unseen, *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the gap within classes by method and classifier, and its parts by class.

    Only classes that were seen in one fold and unseen in another count; where there are none, both
    tables are empty. The first has `n_classes` and ESTIMATE, the second `label`, `seen`, `unseen`.
    """
    summary, parts = [], []
    for names, part in _whole(rows).groupby(ROW, sort=False):
        runs = [(read(row["key"]), unseen[int(row["fold"])]) for _, row in part.iterrows()]
        at = list(zip(part["fold"], part["seed"], strict=True))
        by_class = _by_class(runs, at)
        if not len(by_class):
            continue
        named = dict(zip(ROW, names, strict=True))
        made = _estimate(list(_paired(runs, at, by_class)), seed=seed)
        summary.append(named | {"n_classes": len(by_class)} | made)
        parts.append(by_class.assign(**{name: str(value) for name, value in named.items()}))
    columns = [*ROW, "label", "seen", "unseen"]
    table = pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)
    return pd.DataFrame(summary, columns=[*ROW, "n_classes", *ESTIMATE]), table


def _whole(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the records in which a head tells all classes apart."""
    is_whole = (rows["metric"] == "top1") & (rows["task"] == "all") & (rows["classes"] == "all")
    return rows[is_whole]


def _estimate(contrasts: Sequence[Contrast], *, seed: int) -> dict[str, Any]:
    runs = one_each(contrasts)
    found = contrast_bootstrap(runs, seed=seed)
    seen, unseen = (
        float(np.mean([np.maximum(sign * run.weight, 0) @ run.value for run in runs]))
        for sign in (1, -1)
    )
    return {
        "seen": seen, "unseen": unseen, "effect": found.effect,
        "low": found.low, "high": found.high, "runs": found.runs,
    }  # fmt: skip


def _right(record: Record) -> np.ndarray:
    return (record["label"] == record["predicted"]).astype(float)


def _groups(record: Record, unseen: Sequence[int], at: At) -> Contrast:
    """Seen minus unseen classes within one record; its images sorted by id."""
    order = np.argsort(record["ids"])
    hidden = np.isin(record["label"], list(unseen))[order]
    weight = np.where(hidden, -1 / max(1, hidden.sum()), 1 / max(1, (~hidden).sum()))
    ids, label, right = record["ids"][order], record["label"][order], _right(record)[order]
    return Contrast(ids, label, right, weight, at)


def _between(seen: Sequence[Record], unseen: Sequence[Record], at: At) -> Contrast:
    """Records of seen tasks minus records of unseen ones, each side averaged over its records."""
    n_records = len(seen) + len(unseen)
    parts = []
    for side, sign in ((seen, 1), (unseen, -1)):
        for record in side:
            n = len(record["ids"])
            weight = np.full(n, sign * n_records / len(side) / n)
            parts.append(Contrast(record["ids"], record["label"], _right(record), weight, at))
    return average(parts)


def _by_class(runs: Sequence[tuple[Record, Sequence[int]]], at: Sequence[At]) -> pd.DataFrame:
    """Top-1 of every class over runs that saw it and runs that did not; only classes with both.

    `n_seen` and `n_unseen` count those runs, `n_test` the class's images. Records of one fold and
    seed are draws of one run, and averaged first.
    """
    scores = [
        _class_scores(record, unseen).assign(run=str(place))
        for (record, unseen), place in zip(runs, at, strict=True)
    ]
    of_run = pd.concat(scores).groupby(["run", "hidden", "label"], sort=False, as_index=False)
    found = of_run.agg(top1=("top1", "mean"), n_test=("n_test", "max"))
    sides = {
        name: found[found["hidden"] == hidden]
        .groupby("label")
        .agg(**{name: ("top1", "mean"), f"n_{name}": ("top1", "size"), "n_test": ("n_test", "max")})
        for name, hidden in (("seen", False), ("unseen", True))
    }
    both = sides["seen"].join(sides["unseen"].drop(columns="n_test"), how="inner")
    return both.reset_index()


def _class_scores(record: Record, unseen: Sequence[int]) -> pd.DataFrame:
    """Top-1 and images of each class of a record, and whether it was hidden from pretraining."""
    images = pd.DataFrame({"label": record["label"], "right": _right(record)})
    found = images.groupby("label").agg(top1=("right", "mean"), n_test=("right", "size"))
    return found.reset_index().assign(hidden=np.isin(found.index, list(unseen)))


def _paired(
    runs: Sequence[tuple[Record, Sequence[int]]], at: Sequence[At], by_class: pd.DataFrame
) -> Iterator[Contrast]:
    """The runs weighed so that their mean is the mean over classes of seen minus unseen top-1."""
    classes, n_runs = by_class.set_index("label"), len(set(at))
    for (record, unseen), place in zip(runs, at, strict=True):
        kept = np.isin(record["label"], by_class["label"])
        label = record["label"][kept]
        hidden, of = np.isin(label, list(unseen)), classes.loc[label]
        times = np.where(hidden, -of["n_unseen"], of["n_seen"])
        weight = n_runs / len(classes) / of["n_test"].to_numpy() / times
        yield Contrast(record["ids"][kept], label, _right(record)[kept], weight, place)
