"""Charts of accuracy as PNG bytes, each with an alternative text made from its numbers."""

from collections.abc import Iterator

import pandas as pd
from matplotlib.ticker import MaxNLocator, NullLocator

from benchmarks.report.canvas import (
    COLOURS,
    FAINT,
    Figure,
    canvas,
    colour,
    legend_below,
    marker,
    png,
    text,
)
from benchmarks.report.tables import summarise

DASHES = {"frozen": "-", "fine-tuned": "--", "baseline": "-.", "control": ":"}


def label_curves(rows: pd.DataFrame, *, classes: str, classifier: str) -> Figure | None:
    """Return top-1 against labels per class, for one probe and everything that has no probe.

    Dots on lines of their own where there is one budget; None where no row is of these.
    """
    cells = _of_classifier(summarise(rows, classes=classes), classifier)
    if cells["labels_per_class"].nunique() < 2:
        return _of_one_budget(cells, classes) if len(cells) else None
    sheet, (axes,) = canvas(1, width=4.6, height=4.2 + 0.2 * len(list(_lines(cells))))
    texts = []
    for name, part in _lines(cells):
        i = int(part["line"].iloc[0])
        dash = DASHES[part["kind"].iloc[0]]
        x, y = part["labels_per_class"], part["top1"]
        axes.errorbar(
            x, y, part["spread"], label=name, capsize=2, fmt=marker(i) + dash, color=colour(i)
        )
        texts.append(f"{name} from {y.iloc[0]:.1f} to {y.iloc[-1]:.1f}")
    budgets = sorted(cells["labels_per_class"].unique())
    axes.set_xscale("log")
    axes.set_xticks(budgets, [f"{n:g}" for n in budgets])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set(xlabel="labels per class (log scale)", ylabel="top-1 (%)")
    legend_below(sheet, axes)
    span = f"from {budgets[0]:g} to {budgets[-1]:g} labels per class"
    alt = f"Lines of top-1 in % on {classes} classes, {span}: {'; '.join(texts)}."
    return Figure(
        f"labels_{classes}", f"Top-1 by labels per class, {classes} classes", png(sheet), alt
    )


def seen_unseen(rows: pd.DataFrame, *, classifier: str) -> Figure | None:
    """Return top-1 on classes seen and never seen in pretraining, at the largest budget.

    None where no row is of this probe, or has none.
    """
    groups = ("seen", "unseen")
    cells = pd.concat([summarise(rows, classes=c).assign(classes=c) for c in groups])
    budget = cells["labels_per_class"].max()
    cells = _of_classifier(cells[cells["labels_per_class"] == budget], classifier)
    lines = list(_lines(cells))[::-1]
    if not lines:
        return None
    sheet, (axes,) = canvas(1, width=4.6, height=1.5 + 0.36 * len(lines))
    texts = []
    for y, (name, part) in enumerate(lines):
        seen, unseen = (float(part[part["classes"] == group]["top1"].mean()) for group in groups)
        axes.plot([seen, unseen], [y, y], color=FAINT, lw=4, zorder=1)
        texts.append(f"{name} {seen:.1f} seen, {unseen:.1f} unseen")
    for i, group in enumerate(groups):
        found = [float(part[part["classes"] == group]["top1"].mean()) for _, part in lines]
        axes.scatter(
            found, range(len(lines)), color=colour(i), marker=marker(i), s=55, label=group, zorder=2
        )
    axes.set_yticks(range(len(lines)), [name for name, _ in lines])
    axes.set_xlabel("top-1 (%)")
    legend_below(sheet, axes)
    title = f"Seen against unseen classes, {budget:g} labels per class"
    alt = f"Dots of top-1 in %, {budget:g} labels per class: {'; '.join(texts[::-1])}."
    return Figure("seen_unseen", title, png(sheet), alt)


def cost_accuracy(
    rows: pd.DataFrame, cost: pd.DataFrame, *, classes: str, classifier: str
) -> Figure:
    """Return top-1 at the largest budget against the seconds of pretraining, one dot a method."""
    cells = _of_classifier(summarise(rows, classes=classes), classifier)
    cells = cells[cells["labels_per_class"] == cells["labels_per_class"].max()]
    seconds = cost.groupby("method", as_index=False)["seconds"].mean()
    cells = cells.merge(seconds[seconds["seconds"] > 0], on="method")
    sheet, (axes,) = canvas(1, width=4.6, height=3.6 + 0.2 * len(cells))
    texts = []
    for name, part in _lines(cells):
        i = int(part["line"].iloc[0])
        x, y = part["seconds"].iloc[0], part["top1"].iloc[0]
        axes.errorbar(
            x, y, part["spread"], ms=8, capsize=2, label=name, fmt=marker(i), color=colour(i)
        )
        texts.append(f"{name} {y:.1f} after {x:,.0f} s")
    axes.set(xlabel="seconds of pretraining", ylabel="top-1 (%)")
    if cells["seconds"].max() > 8 * cells["seconds"].min():
        axes.set_xscale("log")
    else:
        axes.xaxis.set_major_locator(MaxNLocator(4))
    legend_below(sheet, axes)
    alt = f"Dots of top-1 in % on {classes} classes against pretraining: {'; '.join(texts)}."
    return Figure("cost", f"Cost and accuracy, {classes} classes", png(sheet), alt)


def tap_scores(selection: pd.DataFrame, *, classifier: str) -> Figure | None:
    """Return the best selection score of each tap, by method, as one probe met them.

    Of the heads that tell all classes apart: those of a task of fewer guess better.
    """
    of_probe = (selection["classifier"] == classifier) & (selection["task"] == "all")
    selection = selection[of_probe]
    if not len(selection):
        return None
    best = selection[selection["labels_per_class"] == selection["labels_per_class"].max()]
    best = best.assign(tap=best["candidate"].str.split().str[0])
    tried = [name for name in ("candidate", "trial") if name in best]
    best = best.groupby(["method", "tap", *tried], sort=False)["score"].mean() * 100
    best = best.groupby(["method", "tap"], sort=False).max()
    names = [f"{method} · {tap}" for method, tap in best.index]
    colours = [COLOURS[list(best.index.unique(0)).index(method) % 7] for method, _ in best.index]
    sheet, (axes,) = canvas(1, width=4.6, height=0.9 + 0.26 * len(best))
    axes.barh(range(len(best)), best, color=colours)
    axes.set_yticks(range(len(best)), [text(name) for name in names], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("top-1 in selection, all classes of the labelled pool (%)")
    texts = [f"{name} {score:.1f}" for name, score in zip(names, best, strict=True)]
    alt = f"Bars of top-1 in % in selection among all classes, by tap: {'; '.join(texts)}."
    return Figure("taps", f"Which layer the {classifier} probe reads best", png(sheet), alt)


def _of_one_budget(cells: pd.DataFrame, classes: str) -> Figure:
    """A dot an entrant, the best on top: on one budget all curves would stand on one another."""
    lines = list(_lines(cells))[::-1]
    sheet, (axes,) = canvas(1, width=4.6, height=1.2 + 0.28 * len(lines))
    texts = []
    for y, (name, part) in enumerate(lines):
        i, top1 = int(part["line"].iloc[0]), part["top1"].iloc[0]
        axes.errorbar(top1, y, xerr=part["spread"], fmt=marker(i), color=colour(i), capsize=2)
        texts.append(f"{name} {top1:.1f}")
    axes.set_yticks(range(len(lines)), [name for name, _ in lines], fontsize=9)
    axes.set_xlabel("top-1 (%)")
    setting = f"{cells['labels_per_class'].iloc[0]:g} labels per class, {classes} classes"
    alt = f"Dots of top-1 in %, {setting}: {'; '.join(texts[::-1])}."
    return Figure(f"labels_{classes}", f"Top-1 with {setting}", png(sheet), alt)


def _of_classifier(cells: pd.DataFrame, classifier: str) -> pd.DataFrame:
    """The cells of one probe, of fine-tuning and of pixels: what fits into one chart.

    `line` numbers the rows by name, so that a method looks the same in every chart.
    """
    kept = cells[cells["classifier"].isin([classifier, "finetune", "pixels"])]
    return kept.assign(line=kept.groupby(["method", "classifier"]).ngroup())


def _lines(cells: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every row of a chart under its name, the best first, with its cells by budget."""
    best = cells.groupby(["method", "classifier"])["top1"].transform("max")
    ordered = cells.assign(best=best).sort_values(
        ["best", "labels_per_class"], ascending=[False, True]
    )
    for (method, classifier), part in ordered.groupby(["method", "classifier"], sort=False):
        suffix = f" ({classifier})" if classifier == "finetune" else ""
        yield text(f"{method}{suffix}"), part
