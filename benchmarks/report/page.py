"""The report of a run: one HTML file without script or request, from the run's folder alone.

Also writes what the page shows as plain files: table.md, table.tex, table.csv,
comparisons.csv, figures/.
"""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

import pandas as pd

from benchmarks.report.canvas import Figure
from benchmarks.report.contents import drawn, further_tables, results
from benchmarks.report.latex import HEAD, latex
from benchmarks.report.render import Table, markdown, plain, safe_csv
from benchmarks.report.sections import sections
from benchmarks.report.source import Source, read
from benchmarks.report.statements import answer
from benchmarks.report.tables import flat, print_table
from benchmarks.report.validity import comparisons_table
from benchmarks.significance import compare
from benchmarks.store import atomic_write


def write(run_dir: Path) -> Path:
    """Write the report of a run's folder and return the path of report.html.

    Every file is replaced whole or not at all. DataError or IntegrityError where the folder is not
    that of a finished run.
    """
    source = read(run_dir)
    comparisons = compare(
        source.rows, source.read_predictions, source.run.get("comparisons", []),
        seed=0, unseen=source.unseen, primary=source.run.get("primary"), declared=True,
    )  # fmt: skip
    tables, figures, further = results(source), drawn(source), further_tables(source)
    shown = [*tables, *([comparisons_table(comparisons, source.run)] if len(comparisons) else [])]
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


def table_md(source: Source, comparisons: pd.DataFrame, shown: Sequence[Table]) -> str:
    """Return the tables of the page as Markdown, under the question and the answer."""
    run = source.run
    head = (
        f"## {plain(run.get('title', run.get('name', 'run')))}\n\n{plain(run.get('question', ''))}"
    )
    body = "\n".join(markdown(table) for table in shown)
    command = " ".join(str(run.get("command", "?")).split())  # indented: code, whatever it says
    return f"{head}\n\n**{plain(answer(comparisons, run))}**\n\n{body}\n\n    {command}\n"


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
