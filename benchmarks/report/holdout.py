"""Tables that compare seen and unseen classes, and the control that saw them all."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

import pandas as pd

from benchmarks.contest import WAY_MATCHED
from benchmarks.gaps import exposure_gaps, way_matched_gaps, within_class_gaps
from benchmarks.report.render import Table
from benchmarks.report.source import HANDLE, Source
from benchmarks.report.statements import points

N_CLASSES = 5  # shown at each end


def holdout_tables(source: Source) -> list[Table]:
    """Return the tables that the run's rows allow, at the primary number of labels."""
    rows = source.rows
    budget = (source.run.get("primary") or {}).get("labels_per_class")
    budget = budget if budget in set(rows["labels_per_class"]) else rows["labels_per_class"].max()
    rows = rows[rows["labels_per_class"] == budget]
    made = [
        ways_table(rows, source),
        exposure_table(rows, source),
        *within_tables(rows, source),
    ]
    return [table for table in made if table is not None]


def ways_table(rows: pd.DataFrame, source: Source) -> Table | None:
    """Return seen, way-matched beside unseen classes; None where no such tasks were run."""
    if "ways" not in rows or not (rows["task"] == WAY_MATCHED).any():
        return None
    found = way_matched_gaps(rows, source.read_predictions, seed=0)
    body = []
    for row in found.to_dict("records"):
        whole = _whole(rows, row["method"], row["classifier"])
        ways = [int(n) for n in str(row["ways"]).split("/")]  # folds may differ by one
        corrected = [
            fmean(chance_corrected(row[side], n) for n in ways) for side in ("seen", "unseen")
        ]
        body.append((
            str(row["method"]), str(row["classifier"]), _percent(row["seen"]),
            _percent(row["unseen"]), *_difference(row), *map(_percent, corrected), *whole,
        ))  # fmt: skip
    ways_shown = "/".join(sorted(set(found["ways"])))
    n_all = rows.loc[rows["task"] == "all", "ways"]
    header = (
        "method", "classifier", "seen, way-matched", "unseen", "seen - unseen", "95 % interval",
        "seen, corrected", "unseen, corrected", "all", "all, corrected",
    )  # fmt: skip
    whole_head = f"; 'all' tells {n_all.max():g} apart" if len(n_all) else ""
    draws = found["draws"].max() if len(found) else 0
    note = (
        f"Top-1 in %. Heads tell {ways_shown} classes apart: random seen ones ({draws} draws a "
        f"run) and the unseen ones{whole_head}. Corrected: (top-1 - chance) "
        "/ (1 - chance), which is 0 at chance level however many classes there are."
    )
    return Table(
        f"Seen and unseen classes at equal chance level, {_labels(rows)}", header, tuple(body), note
    )


def exposure_table(rows: pd.DataFrame, source: Source) -> Table | None:
    """Return the gap with and without exposure; None where no method has an exposed twin."""
    found = exposure_gaps(rows, source.read_predictions, source.unseen, seed=0)
    if not len(found):
        return None
    body = tuple(
        (
            str(row["method"]),
            str(row["classifier"]),
            *_difference(row, "gap", "gap_low", "gap_high"),
            *_difference(row, "gap_exposed", "gap_exposed_low", "gap_exposed_high"),
            *_difference(row),
            f"{row['runs']}",
        )
        for row in found.to_dict("records")
    )
    header = (
        "method", "classifier", "seen - unseen", "95 % interval", "exposed: seen - unseen",
        "95 % interval", "difference", "95 % interval", "runs",
    )  # fmt: skip
    note = (
        "Points of top-1, task of all classes. The exposed twin is pretrained on as many images, "
        "but of all classes: its gap is one of difficulty. The difference of the two gaps is what "
        "being held out costs a class."
    )
    title = f"Seen minus unseen with and without exposure in pretraining, {_labels(rows)}"
    return Table(title, header, body, note)


def within_tables(rows: pd.DataFrame, source: Source) -> list[Table]:
    """Return the gap within classes, and its ends by class for the first method compared."""
    rows = rows[rows["classifier"] != "pixels"]  # what was never pretrained has seen no class
    found, parts = within_class_gaps(rows, source.read_predictions, source.unseen, seed=0)
    if not len(found):
        return []
    body = tuple(
        (
            str(row["method"]), str(row["classifier"]), _percent(row["seen"]),
            _percent(row["unseen"]), *_difference(row), f"{row['n_classes']}", f"{row['runs']}",
        )
        for row in found.to_dict("records")
    )  # fmt: skip
    header = (
        "method", "classifier", "seen", "unseen", "seen - unseen", "95 % interval", "classes",
        "runs",
    )  # fmt: skip
    note = (
        "Top-1 in %, means over classes, task of all classes. Each class is compared with itself: "
        "folds in which it was pretrained on against folds in which it was not. Classes without "
        "both are left out."
    )
    table = Table(f"Seen and unseen within a class, {_labels(rows)}", header, body, note)
    ends = _ends(parts, source)
    return [table, ends] if ends else [table]


def chance_corrected(top1: float, ways: int) -> float:
    """Return the part of what chance leaves that was reached: 0 at chance, 1 if all is right."""
    return (top1 - 1 / ways) / (1 - 1 / ways) if ways > 1 else 0.0


def _ends(parts: pd.DataFrame, source: Source) -> Table | None:
    """The classes that gain most and least from having been seen."""
    pairs = source.run.get("comparisons") or [[[parts["method"].iloc[0], "linear"]]]
    handle = list(pairs[0][0])
    chosen = parts[(parts[HANDLE[0]] == handle[0]) & (parts[HANDLE[1]] == handle[1])]
    if not len(chosen):
        return None
    chosen = chosen.assign(delta=chosen["seen"] - chosen["unseen"])
    chosen = chosen.sort_values("delta", ascending=False)
    n = min(N_CLASSES, (len(chosen) + 1) // 2)
    shown = pd.concat([chosen.head(n), chosen.tail(min(n, len(chosen) - n))])
    body = tuple(
        (
            source.class_name(label),
            _percent(seen),
            _percent(unseen),
            points(delta),
        )
        for label, seen, unseen, delta in shown[["label", "seen", "unseen", "delta"]].itertuples(
            index=False
        )
    )
    title = f"Classes that {handle[0]} ({handle[1]}) gains most and least from having seen"
    note = "Chosen by the size of the difference: the ends of many noisy values, not findings."
    header = ("class", "seen", "unseen", "seen - unseen")
    return Table(title, header, body, note, rules=frozenset({n}), n_names=1)


def _whole(rows: pd.DataFrame, method: object, classifier: object) -> tuple[str, str]:
    """Top-1 and its chance-corrected value where a head tells all classes apart."""
    of = rows[
        (rows["method"] == method) & (rows["classifier"] == classifier) & (rows["task"] == "all")
        & (rows["classes"] == "all") & (rows["metric"] == "top1")
    ]  # fmt: skip
    if not len(of):
        return "-", "-"
    top1 = float(of["value"].mean())
    return _percent(top1), _percent(chance_corrected(top1, int(of["ways"].max())))


def _difference(
    row: Mapping[Any, Any], name: str = "effect", low: str = "low", high: str = "high"
) -> tuple[str, str]:
    effect, least, most = (points(round(row[key], 9) + 0.0) for key in (name, low, high))
    return effect, f"{least} to {most}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}".replace("-", "\u2212")


def _labels(rows: pd.DataFrame) -> str:
    return f"{rows['labels_per_class'].max():g} labels per class"
