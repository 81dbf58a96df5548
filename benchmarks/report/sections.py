"""The sections of the report's page, from tables and figures to HTML."""

import base64
from collections.abc import Iterator, Mapping
from html import escape

import numpy as np
import pandas as pd

from benchmarks.report.canvas import Figure, embedded
from benchmarks.report.render import Table, html_table
from benchmarks.report.source import Source
from benchmarks.report.validity import comparisons_table, facts

CHARTS = ("seen_unseen", "labels_all", "labels_seen", "labels_unseen")
PICTURES = (  # anchor, heading, figures
    ("colorizations", "What was learned", ("colorizations", "extremes_1", "extremes_2")),
    ("neighbours", "Nearest neighbours", ("neighbours",)),
    ("losses", "Pretraining", ("losses",)),
)
SHORT = 20  # differences that a reader takes in at once


def sections(
    source: Source,
    comparisons: pd.DataFrame,
    tables: list[Table],
    figures: dict[str, Figure],
    *,
    further: Mapping[str, list[Table]],
) -> Iterator[tuple[str, str, str]]:
    """Anchor, heading and HTML of every section that the run has something for."""
    terms = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts(source))
    yield "validity", "What makes it valid", f"<dl>{terms}</dl>"
    yield "results", "Results", "".join(html_table(table) for table in tables)
    charts = [figures[name] for name in CHARTS if name in figures]
    if charts:
        shown = "".join(map(_picture, charts))
        yield (
            "curves",
            "Classes and labels",
            f'<div class="pair">{shown}</div>',
        )
    if len(comparisons):
        yield "differences", "Differences", _differences(source, comparisons)
    if html := "".join(map(html_table, further["evidence"])):
        ranks = figures.get("critical_difference")
        yield (
            "evidence",
            "Who can be told apart",
            html + (_picture(ranks, "narrow") if ranks else ""),
        )
    if html := "".join(map(html_table, further["holdout"])):
        yield "holdout", "Seen against unseen", html
    if "duplicates" in figures:
        without = "".join(map(html_table, further["duplicates"]))
        yield "duplicates", "Near duplicates", _picture(figures["duplicates"], "wide") + without
    if html := "".join(map(html_table, further["quality"])):
        yield "quality", "Colorizations, measured", html
    for anchor, title, names in PICTURES:
        if html := "".join(_picture(figures[name], "wide") for name in names if name in figures):
            yield anchor, title, html
    if html := "".join(map(html_table, further["cost"])):
        cost = _picture(figures["cost"], "narrow") if "cost" in figures else ""
        yield "cost", "Cost", html + cost
    if "taps" in figures:
        yield "taps", "Layers", _picture(figures["taps"], "narrow")
    for anchor, title, name, kind in (
        ("calibration", "Calibration", "reliability", "narrow"),
        ("classes", "Classes", "confusion", "wide"),
    ):
        if html := "".join(map(html_table, further[anchor])):
            yield anchor, title, html + (_picture(figures[name], kind) if name in figures else "")


def _differences(source: Source, comparisons: pd.DataFrame) -> str:
    """The differences at the declared endpoint; all of them below, folded, where they are many."""
    whole = html_table(comparisons_table(comparisons, source.run))
    if len(comparisons) <= SHORT:
        return whole
    primary = {"task": "all", **(source.run.get("primary") or {})}
    there = np.logical_and.reduce([comparisons[name] == value for name, value in primary.items()])
    first = html_table(comparisons_table(comparisons[there], source.run)) if there.any() else ""
    fold = f"<details><summary>All {len(comparisons)} differences</summary>{whole}</details>"
    return first + (fold if first else whole)


def _picture(figure: Figure, kind: str = "") -> str:
    form, data = embedded(figure.png)
    text = base64.b64encode(data).decode()
    reach = ' tabindex="0"' if kind == "wide" else ""  # it scrolls: keys must reach it
    return (
        f'<figure class="{kind}"{reach}><figcaption>{escape(figure.title)}</figcaption>'
        f'<img alt="{escape(figure.alt)}" src="data:image/{form};base64,{text}"></figure>'
    )
