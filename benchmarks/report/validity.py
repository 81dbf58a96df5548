"""What makes a run valid, or not, in facts taken from its files; and its smaller tables."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.contest import WAY_MATCHED
from benchmarks.controls import EXPOSED, MANDATORY, OTHERS, absent
from benchmarks.report.duplicates import duplicate_facts
from benchmarks.report.fits import fit_facts
from benchmarks.report.render import Table
from benchmarks.report.savings import of_handle
from benchmarks.report.source import Source
from benchmarks.report.statements import n_runs, p_text, points, shown_name, span
from benchmarks.significance import PAIR

UNMARKED = "none: no label, and no network trained on labels, took part in pretraining"
FITTED = "on images to pretrain on alone; what a classifier fits, on its own labelled images"
N_CLASSES = 5  # best and worst classes shown
COSTS = {
    "parameters": "parameters",
    "images_seen": "images seen",
    "seconds": "seconds",
    "training_tflops": "training TFLOP",
    "encoding_gflops": "GFLOP an image read",
    "images_per_second": "images/s",
    "peak_memory_mb": "peak MB",
}


def facts(source: Source) -> list[tuple[str, str]]:
    """Return (term, text) pairs: split, test readings, repetitions, marks, controls, flaws."""
    rows, run = source.rows, source.run
    on_test = isinstance(run.get("selection"), dict) and run["selection"].get("on_test")
    marked = sorted(set(rows.loc[~rows["label_free"].astype(bool), "method"]))
    bad = list(run.get("bad", []))
    found = [
        ("Split", ", ".join(sorted(set(rows["split"].astype(str)))) or str(run.get("split", "?"))),
        ("Images", _images(run)),
        ("Test readings", _readings(source, bool(on_test))),
        ("Repetitions", "; ".join(f"{n} {_values(rows[n])}" for n in ("fold", "seed", "draw"))),
        ("Seen against unseen", _folds(source)),
        ("Preset", str(run.get("preset", "?"))),
        ("Selection", _text(run.get("selection", "?"))),
        ("Settings tried", _trials(rows)),
        *fit_facts(source),
        ("Not label-free", ", ".join(marked) or UNMARKED),
        ("Fitted statistics", FITTED),
        ("Exact duplicates dropped", _counted(run, "dropped") or "?"),
        *duplicate_facts(source),
        ("Files that could not be read", f"{len(bad)} {_text(bad[:5])}" if bad else "0"),
        ("Controls", _controls(source)),
    ]
    found += [("Known defect", _text(text)) for text in run.get("defects", [])]
    return found + [("Note", _text(text)) for text in run.get("notes", [])]


def _trials(rows: pd.DataFrame) -> str:
    """Taps times trials among which selection chose, by classifier; by baseline from pixels."""
    if "trials" not in rows:
        return "?"
    name = rows["method"].where(rows["classifier"] == "pixels", rows["classifier"])
    found = rows["trials"].groupby(name, sort=False).agg(["min", "max"]).itertuples()
    return ", ".join(
        f"{name} {low:g}" if low == high else f"{name} {low:g} to {high:g}"
        for name, low, high in found
    )


def comparisons_table(comparisons: pd.DataFrame, run: Mapping[str, Any]) -> Table:
    """Return the table of tested differences in points, the primary one marked.

    `run` is run.json, whose declared comparisons are those that Holm's method counts.
    """
    ordered = comparisons.sort_values("primary", ascending=False, kind="stable", ignore_index=True)
    body, rules = [], set()
    for i, row in enumerate(ordered.to_dict("records")):
        body.append(_comparison(row))
        if i and (body[i][:2] != body[i - 1][:2] or ordered["primary"].iloc[i - 1]):
            rules.add(i)
    n_bold = int(ordered["primary"].sum())
    header = ("A", "B", "classes", "labels", "A - B", "95 % interval", "p (Holm)",
              "detectable", "runs")  # fmt: skip
    declared, made = len(run["comparisons"]), len(comparisons[PAIR].drop_duplicates())
    note = (
        "Differences of top-1 in points. Interval: bootstrap over runs, classes and images; "
        "p: sign flips of whole classes, corrected by Holm's method in two families, the primary "
        f"endpoint and all others; both count all {declared} declared comparisons, of which this "
        f"table has {made}, at each classes and labels. Detectable: the difference that the "
        "interval finds with 80 % power (some 70 % where few runs differ by much), uncorrected. "
        "Bold is the primary comparison. With one seed, nothing is known of others."
    )
    return Table("Differences between methods", header, tuple(body), note,
                 frozenset((i, j) for i in range(n_bold) for j in range(len(header))),
                 frozenset(rules), n_names=3)  # fmt: skip


def cost_table(source: Source) -> Table:
    """Return what pretraining cost by method, means over folds and seeds."""
    by_method = source.cost.groupby("method", sort=False)
    marks, precisions = by_method["label_free"].all(), by_method["precision"].unique()
    body = tuple(
        (
            shown_name(str(method), bool(marks.loc[str(method)])),
            *(_number(row.get(name, math.nan)) for name in COSTS),
            ", ".join(map(str, precisions.loc[str(method)])),
        )
        for method, row in by_method.mean(numeric_only=True).iterrows()
    )
    header = ("method", *COSTS.values(), "precision")
    note = (
        "Means over folds and seeds, each of which takes the faster precision that agrees with 32 "
        "bits, if none is asked for; what a method starts from, another's weights, is not in it."
    )
    return Table("Cost of pretraining", header, body, note, n_names=1)


def class_table(source: Source) -> Table | None:
    """Return the best and worst classes of the primary row's first method, if it has records."""
    if not source.run.get("comparisons"):
        return None
    method, classifier = source.run["comparisons"][0][0]
    rows = source.endpoint_rows()
    rows = rows[of_handle(rows, (method, classifier))]
    if not len(rows):
        return None
    records = pd.concat(
        pd.DataFrame(
            {"label": record["label"], "right": record["label"] == record["predicted"],
             "unseen": np.isin(record["label"], source.unseen.get(int(row["fold"]), []))}
        )
        for _, row in rows.iterrows()
        for record in [source.read_predictions(row["key"])]
    )  # fmt: skip
    top1 = records.groupby("label").agg(top1=("right", "mean"), unseen=("unseen", "mean"))
    top1 = top1.sort_values("top1", ascending=False)
    n = min(N_CLASSES, (len(top1) + 1) // 2)
    kept = pd.concat([top1.head(n), top1.tail(min(n, len(top1) - n))])
    body = tuple(
        (source.class_name(label), _pretraining(row["unseen"]), f"{100 * row['top1']:.1f}")
        for label, row in kept.iterrows()
    )
    title = f"Best and worst classes of {method} ({classifier}), top-1 (%)"
    budget = source.endpoint["labels_per_class"]
    note = f"At {budget:g} labels per class, mean over {n_runs(rows)} run(s)."
    return Table(title, ("class", "in pretraining", "top-1"), body, note, rules=frozenset({n}))


def _comparison(row: dict[Any, Any]) -> tuple[str, ...]:
    task = "" if row["task"] == "all" else f" (task {row['task']})"
    return (
        f"{row['a_method']} · {row['a_classifier']}",
        f"{row['b_method']} · {row['b_classifier']}",
        f"{row['classes']}{task}",
        f"{row['labels_per_class']:g}",
        points(row["effect"]),
        f"{points(row['low'])} to {points(row['high'])}",
        p_text(row["p_holm"]).removeprefix("p ").removeprefix("= "),
        f"{100 * row['smallest_detectable']:.1f}",
        f"{row['runs']}",
    )


def _readings(source: Source, on_test: bool) -> str:
    records = source.rows["key"].nunique()
    if on_test:
        return f"SELECTION USED THE TEST SET: all numbers are too high ({records} records)"
    reads = source.run.get("test_reads")
    known = "how often each read the test is not recorded" if reads is None else f"{reads} readings"
    return f"{known}; {records} records"


def _values(column: pd.Series) -> str:
    return ", ".join(f"{value:g}" for value in sorted(column.unique()))


def _folds(source: Source) -> str:
    unseen = [label for labels in source.unseen.values() for label in labels]
    if len(unseen) and len(set(unseen)) == source.run.get("classes", {}).get("all"):
        return "every class is unseen in one fold: the same classes are compared"
    return "not every class was unseen once: the gap between them may be one of difficulty"


def _images(run: Mapping[str, Any]) -> str:
    parts = {"n_pretrain": "pretraining", "n_pool": "labelled pool", "n_test": "test"}
    counts = {name: _counted(run, key) for key, name in parts.items()}
    first = "" if run.get("images") or len(run.get("unseen_classes", {})) < 2 else " (first fold)"
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) + first


def _counted(run: Mapping[str, Any], key: str) -> str:
    """The least and most images of a side over folds; older runs tell of the first fold alone."""
    folds = list(run.get("images", {}).values()) or [run]
    return span(pd.Series([of[key] for of in folds])) if all(key in of for of in folds) else ""


def _controls(source: Source) -> str:
    """Roles that rows fill, and those that none fills."""
    rows = source.rows[["method", "classifier"]].drop_duplicates()
    missing = absent(set(rows.itertuples(index=False, name=None)), source.run)
    roles = source.run.get("controls", {})
    there = [role for role in (*MANDATORY, *OTHERS) if roles.get(role) and role not in missing]
    there += ["exposure to all classes"] if rows["method"].str.endswith(EXPOSED).any() else []
    there += ["way-matched tasks"] if (source.rows["task"] == WAY_MATCHED).any() else []
    lacking = f"; EXPLORATORY, MISSING: {', '.join(missing)}" if missing else ""
    others = ", ".join(role for role in OTHERS if not roles.get(role))
    return (", ".join(there) or "none") + lacking + (f"; without {others}" if others else "")


def _pretraining(unseen: float) -> str:
    return {0.0: "seen", 1.0: "unseen"}.get(unseen, "unseen in some folds")


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_text(part)}" for key, part in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
