"""The report of a run: one HTML file without script or request, from the run's folder alone.

Also writes what the page shows as plain files: table.md, table.tex, table.csv,
comparisons.csv, figures/.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

import pandas as pd

from benchmarks.contest import WAY_MATCHED
from benchmarks.report.canvas import Figure
from benchmarks.report.duplicates import duplicates_figure, without_duplicates_table
from benchmarks.report.evidence import evidence_tables
from benchmarks.report.figures import cost_accuracy, label_curves, seen_unseen, tap_scores
from benchmarks.report.holdout import holdout_tables
from benchmarks.report.latex import HEAD, latex
from benchmarks.report.pictures import colorizations, loss_curves
from benchmarks.report.quality import differences_table, quality_tables
from benchmarks.report.render import Table, markdown, plain, safe_csv
from benchmarks.report.sections import sections
from benchmarks.report.source import Source, read
from benchmarks.report.standing import critical_difference_figure
from benchmarks.report.statements import answer
from benchmarks.report.tables import flat, print_table, results_table
from benchmarks.report.taps import taps_tables
from benchmarks.report.validity import class_table, comparisons_table, cost_table
from benchmarks.significance import compare
from benchmarks.store import atomic_write

GROUPS = ("all", "seen", "unseen")


def write(run_dir: Path) -> Path:
    """Write the report of a run's folder and return the path of report.html.

    Every file is replaced whole or not at all. DataError or IntegrityError where the folder is not
    that of a finished run.
    """
    source = read(run_dir)
    comparisons = compare(
        source.rows, source.read_predictions, source.run.get("comparisons", []),
        seed=0, unseen=source.unseen, primary=source.run.get("primary"),
    )  # fmt: skip
    tables, figures, further = results(source), drawn(source), further_tables(source)
    shown = [*tables, *([comparisons_table(comparisons)] if len(comparisons) else [])]
    shown += [table for part in further.values() for table in part]
    texts = {
        "comparisons.csv": safe_csv(comparisons),
        "table.csv": safe_csv(flat(source.rows)),
        "table.md": table_md(source, comparisons, shown),
        "table.tex": HEAD + "\n".join(map(latex, shown)),
        "report.html": page(source, comparisons, tables, figures, further=further),
    }
    for old in (run_dir / "figures").glob("*.png"):
        if old.stem not in figures:
            old.unlink()
    for figure in figures.values():
        atomic_write(run_dir / "figures" / f"{figure.name}.png", figure.png)
    for name, text in texts.items():
        atomic_write(run_dir / name, text.encode("utf-8"))
    return run_dir / "report.html"


def show(run_dir: Path) -> None:
    """Print the table at the largest budget, and the answer, from a folder that has its report."""
    source = read(run_dir)
    print_table(source.rows, source.run)
    print(answer(pd.read_csv(run_dir / "comparisons.csv"), source.run))


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
    measured = list(quality_tables(source.quality, source.run.get("quality_notes", [])))
    tested = differences_table(source)
    return {
        "evidence": evidence_tables(source),
        "holdout": holdout_tables(source),
        "duplicates": [table for table in [without_duplicates_table(source)] if table],
        "quality": [*measured, *([tested] if tested else [])],
        "cost": [cost_table(source)] if len(source.cost) else [],
        "classes": [table for table in [class_table(source)] if table],
    }


def drawn(source: Source) -> dict[str, Figure]:
    """Return the figures that the run's files allow, by name."""
    primary = source.run.get("primary") or {}
    classes = str(primary.get("classes", "all"))
    named = [handle[1] for pair in source.run.get("comparisons", [])[:1] for handle in pair]
    probe = next((name for name in named if name != "pixels"), "linear")
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
    made.append(duplicates_figure(source))
    return {figure.name: figure for figure in made if figure is not None}


def table_md(source: Source, comparisons: pd.DataFrame, shown: Sequence[Table]) -> str:
    """Return the tables of the page as Markdown, under the question and the answer."""
    run = source.run
    head = (
        f"## {plain(run.get('title', run.get('name', 'run')))}\n\n{plain(run.get('question', ''))}"
    )
    body = "\n".join(markdown(table) for table in shown)
    return f"{head}\n\n**{plain(answer(comparisons, run))}**\n\n{body}"


def page(
    source: Source,
    comparisons: pd.DataFrame,
    tables: list[Table],
    figures: dict[str, Figure],
    *,
    further: Mapping[str, list[Table]],
) -> str:
    """Return the HTML of the report; every text from outside is escaped."""
    run = source.run
    parts = list(sections(source, comparisons, tables, figures, further=further))
    links = "".join(f'<a href="#{anchor}">{escape(title)}</a>' for anchor, title, _ in parts)
    bodies = [
        f'<section id="{anchor}"><h2>{escape(title)}</h2>{body}</section>'
        for anchor, title, body in parts
    ]
    if source.config:
        config = f"<pre>{escape(source.config)}</pre>"
        bodies.append(f"<details><summary>Resolved configuration</summary>{config}</details>")
    template = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(str(run.get("title", run.get("name", "run")))),
        question=escape(str(run.get("question", ""))),
        answer=escape(answer(comparisons, run)),
        nav=f'<nav aria-label="Sections">{links}</nav>',
        sections="\n".join(bodies),
        footer=escape(f"{run.get('command', '?')} · commit {run.get('commit', '?')}"),
    )
