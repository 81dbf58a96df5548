"""The result tables of a run, and the one that a terminal shows."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table as Screen
from rich.text import Text

from benchmarks.controls import EXPOSED, require
from benchmarks.report.render import Table
from benchmarks.report.statements import caption, shown_name, where

KINDS = ("frozen", "fine-tuned", "baseline", "control")
ROW = ["kind", "method", "classifier", "label_free"]


def kind(method: str, classifier: str) -> str:
    """Return which of KINDS a row is: controls: untrained, exposed, shuffled labels, chance."""
    control = "untrained" in method or method == "chance" or method.endswith(EXPOSED)
    if control or classifier == "shuffled":
        return "control"
    if classifier == "finetune":
        return "fine-tuned"
    return "baseline" if classifier == "pixels" else "frozen"


def summarise(rows: pd.DataFrame, *, classes: str, task: str = "all") -> pd.DataFrame:
    """Return one line per row and budget: mean top-1 over runs in %, its spread, runs, test images.

    A run is a fold and seed, over whose draws is averaged. The spread is the sd over runs; for a
    single run it is the column `half_width`, if rows have it.
    """
    top1 = rows[(rows["metric"] == "top1") & (rows["classes"] == classes) & (rows["task"] == task)]
    names = zip(top1["method"], top1["classifier"], strict=True)
    top1 = top1.assign(
        kind=[kind(method, classifier) for method, classifier in names],
        value=top1["value"] * 100,
        half_width=top1["half_width"] * 100 if "half_width" in top1 else math.nan,
    )
    cell = [*ROW, "labels_per_class"]
    of_runs = top1.groupby([*cell, "fold", "seed"], as_index=False).agg(
        value=("value", "mean"), half_width=("half_width", "mean"),
        n_test_min=("n_test", "min"), n_test_max=("n_test", "max"),
    )  # fmt: skip
    found = of_runs.groupby(cell, as_index=False).agg(
        top1=("value", "mean"), sd=("value", "std"), half_width=("half_width", "mean"),
        runs=("value", "size"), n_test_min=("n_test_min", "min"), n_test_max=("n_test_max", "max"),
    )  # fmt: skip
    return found.assign(spread=found["sd"].where(found["runs"] > 1, found["half_width"]))


def results_table(
    rows: pd.DataFrame, run: Mapping[str, Any], *, classes: str, task: str = "all"
) -> Table:
    """Return the table of top-1 by method and labels per class, for one group of test classes.

    Frozen encoders come first, then fine-tuned ones, baselines, controls and chance.
    IntegrityError where a mandatory control is missing and the run is not marked exploratory.
    """
    cells = summarise(rows, classes=classes, task=task)
    mark = require(set(zip(cells["method"], cells["classifier"], strict=True)), run)
    top1 = cells.pivot(index=ROW, columns="labels_per_class", values="top1")
    spread = cells.pivot(index=ROW, columns="labels_per_class", values="spread")
    last = top1.ffill(axis=1).iloc[:, -1] if len(top1) else pd.Series(dtype=float)
    order = sorted(top1.index, key=lambda row: (KINDS.index(row[0]), -last[row], row))
    highest = [f"{value:.1f}" for value in top1.max()]
    body, bold = [], set()
    for i, row in enumerate(order):
        values = [float(value) for value in top1.loc[row]]
        texts = [cell(v, float(x)) for v, x in zip(values, spread.loc[row], strict=True)]
        body.append((shown_name(row[1], bool(row[3])), str(row[2]), *texts))
        bold |= {(i, 2 + j) for j, v in enumerate(values) if f"{v:.1f}" == highest[j]}
    rules = {i for i in range(1, len(order)) if order[i][0] != order[i - 1][0]}
    chance = chance_of(run, classes if task == "all" else task)
    if chance is not None and "chance" not in cells["method"].to_numpy():
        rules |= {len(body)} if order and order[-1][0] != "control" else set()
        body.append(("chance", "-", *[f"{100 * chance:.1f}"] * len(top1.columns)))
    return Table(
        f"Top-1 (%) ↑ {where(classes, task)}, by labels per class",
        ("method", "classifier", *[f"{n:g}" for n in top1]),
        tuple(body),
        mark + caption(run, cells, marked=any(not row[3] for row in order)),
        frozenset(bold),
        frozenset(rules),
    )


def cell(value: float, spread: float) -> str:
    """Return `61.3 ± 0.8`, or `61.3` where no spread is known, or `-` where there is no value."""
    if math.isnan(value):
        return "-"
    return f"{value:.1f}" + ("" if math.isnan(spread) else f" ± {spread:.1f}")


def chance_of(run: Mapping[str, Any], group: str) -> float | None:
    """Return chance level as a fraction; run.json gives one number or one per group of classes."""
    chance = run.get("chance")
    chance = chance.get(group) if isinstance(chance, Mapping) else chance
    return None if chance is None else float(chance)


def flat(rows: pd.DataFrame) -> pd.DataFrame:
    """Return every cell of every table, one a line, with the texts that the tables show."""
    groups = rows[["task", "classes"]].drop_duplicates().sort_values(["task", "classes"])
    found = []
    for task, classes in groups.itertuples(index=False):
        cells = summarise(rows, classes=classes, task=task)
        shown = cells.assign(
            task=task,
            classes=classes,
            top1=[cell(value, math.nan) for value in cells["top1"]],
            plus_minus=["" if math.isnan(x) else f"{x:.1f}" for x in cells["spread"]],
        )
        found.append(shown)
    names = ["task", "classes", *ROW, "labels_per_class", "top1", "plus_minus", "runs",
             "n_test_min", "n_test_max"]  # fmt: skip
    return pd.concat(found)[names] if found else pd.DataFrame(columns=names)


def print_table(
    rows: pd.DataFrame, run: Mapping[str, Any], *, console: Console | None = None
) -> None:
    """Print top-1 at the largest budget on all, seen and unseen classes, narrow enough for 80.

    Of the task of all classes or, in a run without it, of the first task.
    """
    top1 = rows[rows["labels_per_class"] == rows["labels_per_class"].max()]
    task = "all" if (top1["task"] == "all").any() else str(top1["task"].iloc[0])
    tables = {c: results_table(top1, run, classes=c, task=task) for c in ("all", "seen", "unseen")}
    tables = {c: table for c, table in tables.items() if len(table.header) > table.n_names}
    first = next(iter(tables.values()))
    title = f"top-1 (%), {top1['labels_per_class'].max():g} labels per class"
    screen = Screen(title=title if task == "all" else f"{title}, task {task}")
    screen.add_column("method")
    screen.add_column("classifier")
    for group in tables:
        screen.add_column(group, justify="right")
    found = {c: {row[:2]: row[2] for row in table.rows} for c, table in tables.items()}
    for i, row in enumerate(first.rows):
        if i in first.rules:
            screen.add_section()
        cells = [found[c].get(row[:2], "-") for c in tables]
        screen.add_row(*[Text(text) for text in (*row[:2], *cells)])
    (console or Console()).print(screen)
