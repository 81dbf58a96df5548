"""Sentences made from the numbers of a run: the answer, the captions, what makes it valid."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from benchmarks import protocol

DAGGER = "†"


def answer(comparisons: pd.DataFrame, run: Mapping[str, Any]) -> str:
    """Return the sentence on the primary comparison, under the mark of a run without controls."""
    roles = run.get("controls", {})
    missing = ", ".join(role for role, rows in roles.items() if not rows)
    mark = f"Exploratory, lacks {missing}: " if missing and run.get("exploratory") else ""
    return mark + _verdict(comparisons, run)


def _verdict(comparisons: pd.DataFrame, run: Mapping[str, Any]) -> str:
    """Return one sentence on the primary comparison, as plain about losses as about gains.

    Where the interval includes zero it says that no difference was found, and how large one would
    have been found.
    """
    primary = comparisons[comparisons["primary"].astype(bool)] if len(comparisons) else comparisons
    if not len(primary):
        return "This run has no answer: it has no records of its primary comparison."
    row = primary.iloc[0]
    a, b = (f"{row[f'{x}_method']} ({row[f'{x}_classifier']})" for x in "ab")
    labels = f"{row['labels_per_class']:g} label{'' if row['labels_per_class'] == 1 else 's'}"
    setting = f"{where(row['classes'], row['task'])} with {labels} per class"
    evidence = (
        f"95 % interval {points(row['low'])} to {points(row['high'])}, {p_text(row['p_holm'])} "
        f"after Holm, {_runs(int(row['runs']), run)}"
    )
    if row["low"] <= 0 <= row["high"]:
        seed = " and for this seed" if row["runs"] == 1 else ""
        return (
            f"No difference found between {a} and {b} {setting}: {points(row['effect'])} points "
            f"({evidence}); a difference of {100 * row['smallest_detectable']:.1f} points would "
            f"have been found with 80 % power, before correction{seed}."
        )
    size, side = abs(100 * row["effect"]), "higher" if row["effect"] > 0 else "lower"
    doubt = "" if row["p_holm"] <= 0.05 else f"; {_doubt(row)}"
    return (
        f"{setting[0].upper()}{setting[1:]}, top-1 of {a} is {size:.1f} points {side} than that of "
        f"{b} ({evidence}){doubt}."
    )


def points(fraction: float) -> str:
    """Return a difference of fractions as signed percentage points with one decimal."""
    return f"{100 * fraction:+.1f}".replace("-", "\u2212")


def p_text(p: float) -> str:
    """Return `p = 0.012`, or `p < 0.001`."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def n_runs(rows: pd.DataFrame) -> int:
    """Return how many runs rows are of: folds x seeds, whose draws of labels are averaged."""
    return len(rows[["fold", "seed"]].drop_duplicates())


def span(values: pd.Series) -> str:
    """Return the least and the largest of some counts, or the one that all are."""
    if not len(values):
        return "0"
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _runs(runs: int, run: Mapping[str, Any]) -> str:
    """How many runs, and whether they are of one seed: folds alone say nothing of another."""
    told = f"{runs} runs" if runs > 1 else "one run"
    if runs > 1 and len(run.get("seeds", [])) != 1:
        return told
    return f"{told}{' of one seed' if runs > 1 else ''}, so nothing is known of other seeds"


def _doubt(row: pd.Series) -> str:
    floor = 2.0 ** (1 - row["n_classes"])
    if floor > 0.05:
        return (
            f"weak evidence: the test flips whole classes, and with {row['n_classes']} of them "
            f"p cannot fall below {floor:.2g}"
        )
    return "weak evidence: after correction p stays above 0.05"


def shown_name(method: str, label_free: bool) -> str:
    """Return the method's name, with a dagger where it is not label-free."""
    return str(method) if label_free else f"{method} {DAGGER}"


def where(classes: str, task: str) -> str:
    """Return which test classes are scored, and among which classes a classifier chose."""
    chosen = f"task of {task} classes" if task in ("seen", "unseen") else f"task {task}"
    return f"on {classes} test classes" + ("" if task == "all" else f" ({chosen} only)")


def caption(run: Mapping[str, Any], cells: pd.DataFrame, *, marked: bool) -> str:
    """Return the sentences under a table: data, test size, spread, marks, device, provenance."""
    runs, tests = cells["runs"], pd.concat([cells["n_test_min"], cells["n_test_max"]])
    spread = "± is the sd over runs" if len(runs) and runs.max() > 1 else ""
    if len(runs) and runs.min() == 1:
        one = "half of the 95 % bootstrap interval over classes and images where there is one run"
        spread = f"{spread}, or {one}" if spread else f"± is {one}"
    n_each, rules = span(runs), protocol.shown(run)
    facts = [
        f"Data {run.get('data', '?')}, classes: {_class_counts(run)}; {span(tests)} test images a "
        f"run; {n_each} run{'' if n_each == '1' else 's'} (fold x seed) a cell.",
        f"{spread}. Bold is the highest of a column, which is no test: see the differences."
        if spread
        else "Bold is the highest of a column, which is no test.",
        f"{DAGGER} not label-free: labels or a network trained on labels took part in pretraining."
        if marked
        else "",
        f"Preset {run.get('preset', '?')}, {run.get('device', '?')}, "
        f"{float(run.get('hours', 0)):.2g} h; commit {run.get('commit', '?')}"
        + (f"; {rules}." if rules else "."),
    ]
    return " ".join(fact for fact in facts if fact)


def _class_counts(run: Mapping[str, Any]) -> str:
    """All, seen and unseen classes; folds may have more or fewer."""
    counts = {name: [n, n] for name, n in run.get("classes", {}).items()}
    hidden = [len(classes) for classes in run.get("unseen_classes", {}).values()]
    if hidden and "all" in counts:
        n = counts["all"][0]
        counts |= {"seen": [n - max(hidden), n - min(hidden)], "unseen": [min(hidden), max(hidden)]}
    shown = [f"{span(pd.Series(counts[k]))} {k}" for k in ("all", "seen", "unseen") if k in counts]
    return ", ".join(shown)
