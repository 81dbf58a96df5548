"""How many labels a rival trained from pixels needs to equal a probe, as a table."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.labels_saved import Saving, labels_saved
from benchmarks.report.render import Table
from benchmarks.report.source import Source
from benchmarks.significance import RUN, Handle, checked_record


def saved_labels(source: Source) -> Table | None:
    """Return what a rival from pixels needs to equal each declared probe, budget by budget."""
    classes, task = source.endpoint["classes"], source.endpoint["task"]
    rows = source.rows[(source.rows["metric"] == "top1") & (source.rows["task"] == task)]
    rows = rows[rows["classes"] == classes]
    body: list[tuple[str, ...]] = []
    rules = set()
    for a, b in source.run.get("comparisons", []):
        if b[1] != "pixels" or a[1] == "pixels":
            continue
        budgets, found = _savings(rows[of_handle(rows, a)], rows[of_handle(rows, b)], source)
        rules |= {len(body)} if body and found else set()
        body += [(" · ".join(a), " · ".join(b), *_told(one, budgets)) for one in found]
    if not body:
        return None
    caption = (
        "Labels per class at which the rival is as accurate as the probe with the labels given, on "
        "a line between budgets in log labels. Interval: bootstrap over classes with their images; "
        "it says nothing of other runs."
    )
    header = ("probe", "rival", "labels", "rival needs", "95 % interval", "saved")
    return Table(f"Labels saved on {classes} test classes", header, tuple(body), caption,
                 rules=frozenset(rules))  # fmt: skip


def of_handle(rows: pd.DataFrame, handle: Handle) -> pd.Series:
    """Return which rows are of a (method, classifier)."""
    return (rows["method"] == handle[0]) & (rows["classifier"] == handle[1])


def matched(run: Mapping[Any, Any], side: str, source: Source) -> dict[str, np.ndarray]:
    """Return `label` and `correct`, by image id, of side a or b of two rows merged by run."""
    row = pd.Series({"classes": run[f"classes_{side}"], "fold": run["fold"]})
    key, value = run[f"key_{side}"], run[f"value_{side}"]
    record = checked_record(row, key, value, source.read_predictions, source.unseen)
    order = np.argsort(record["ids"])
    return {name: record[name][order] for name in ("label", "correct")}


def _savings(a: pd.DataFrame, b: pd.DataFrame, source: Source) -> tuple[np.ndarray, list[Saving]]:
    """Budgets and savings, from the budgets that both have in every run that both have."""
    both = a.merge(b, on=[*RUN, "labels_per_class"], suffixes=("_a", "_b"))
    sizes = both.groupby("labels_per_class").size()
    budgets = sizes.index[sizes == len(both[RUN].drop_duplicates())].to_numpy(dtype=int)
    if len(budgets) < 2:
        return budgets, []
    curves: dict[str, list[np.ndarray]] = {"a": [], "b": []}
    for budget in budgets:
        runs = both[both["labels_per_class"] == budget].sort_values(RUN).to_dict("records")
        for side, curve in curves.items():
            sides = [matched(run, side, source) for run in runs]
            curve.append(np.concatenate([of["correct"] for of in sides]).astype(float))
    labels = np.concatenate([of["label"] for of in sides])
    found = labels_saved(budgets, np.stack(curves["a"]), np.stack(curves["b"]), labels, seed=0)
    return budgets, found


def _told(saving: Saving, budgets: np.ndarray) -> tuple[str, ...]:
    """The cells of one saving: what lies beyond the budgets is said, not guessed."""
    low, high = (_number(value, budgets) for value in (saving.low, saving.high))
    saved = saving.needed - saving.labels
    inside = 0 < saving.needed < np.inf
    shown = f"{saved:+.1f}".replace("-", "\u2212") if inside else "-"
    needed = _number(saving.needed, budgets)
    return (f"{saving.labels:g}", needed, low if low == high else f"{low} to {high}", shown)


def _number(labels: float, budgets: np.ndarray) -> str:
    if labels == 0:
        return f"below {budgets[0]}"
    return f"above {budgets[-1]}" if labels == np.inf else f"{labels:.1f}"
