"""What a run's files allow a report to show: its tables and its figures."""

from benchmarks.contest import WAY_MATCHED
from benchmarks.report.canvas import Figure
from benchmarks.report.confusion import confusion_figure, confusion_table
from benchmarks.report.duplicates import duplicates_figure, without_duplicates_table
from benchmarks.report.evidence import evidence_tables
from benchmarks.report.extremes import extremes_figures
from benchmarks.report.figures import cost_accuracy, label_curves, seen_unseen, tap_scores
from benchmarks.report.holdout import holdout_tables
from benchmarks.report.neighbours import neighbours_figure
from benchmarks.report.pictures import colorizations, loss_curves
from benchmarks.report.quality import differences_table, quality_tables
from benchmarks.report.reliability import calibration_table, reliability_figure
from benchmarks.report.render import Table
from benchmarks.report.source import Source
from benchmarks.report.standing import critical_difference_figure
from benchmarks.report.tables import results_table
from benchmarks.report.taps import taps_tables
from benchmarks.report.validity import class_table, cost_table

GROUPS = ("all", "seen", "unseen")


def results(source: Source) -> list[Table]:
    """Return the result tables: all, seen and unseen classes, then the tasks on some classes.

    Before them stand methods by taps, for probes that were trained on several taps apart.
    """
    top1 = source.rows[source.rows["metric"] == "top1"]
    top1 = top1[top1["task"] != WAY_MATCHED]  # beside the unseen classes, in holdout_tables
    there = set(zip(top1["task"], top1["classes"], strict=True))
    first = [("all", classes) for classes in GROUPS if ("all", classes) in there]
    shown = [
        results_table(source.rows, source.run, classes=classes, task=task)
        for task, classes in [*first, *sorted(there - set(first))]
    ]
    return [*taps_tables(source.rows, source.run), *shown]


def further_tables(source: Source) -> dict[str, list[Table]]:
    """Return the tables under the declared differences, by section."""
    measured = quality_tables(source.quality, source.run.get("quality_notes", []))
    found: dict[str, list[Table | None]] = {
        "evidence": [*evidence_tables(source)],
        "holdout": [*holdout_tables(source)],
        "duplicates": [without_duplicates_table(source)],
        "quality": [*measured, differences_table(source)],
        "cost": [cost_table(source) if len(source.cost) else None],
        "calibration": [calibration_table(source)],
        "classes": [class_table(source), confusion_table(source)],
    }
    return {part: [table for table in tables if table] for part, tables in found.items()}


def drawn(source: Source) -> dict[str, Figure]:
    """Return the figures that the run's files allow, by name."""
    classes, probe = str(source.endpoint["classes"]), source.probe
    top1 = source.rows[(source.rows["metric"] == "top1") & (source.rows["task"] == "all")]
    groups: set[str] = set(top1["classes"])
    made: list[Figure | None] = [critical_difference_figure(source)]
    made += [label_curves(source.rows, classes=c, classifier=probe) for c in GROUPS if c in groups]
    if {"seen", "unseen"} <= groups:
        made.append(seen_unseen(source.rows, classifier=probe))
    if len(source.cost) and classes in groups:
        made.append(cost_accuracy(source.rows, source.cost, classes=classes, classifier=probe))
    if len(source.history):
        made.append(loss_curves(source.history))
    if source.examples:
        made.append(colorizations(source.examples))
    if len(source.selection):
        made.append(tap_scores(source.selection, classifier=probe))
    made += [duplicates_figure(source), *extremes_figures(source), neighbours_figure(source)]
    made += [reliability_figure(source), confusion_figure(source)]
    return {figure.name: figure for figure in made if figure is not None}
