"""A table of texts as Markdown, HTML and CSV, in which no name can become markup or a formula."""

import re
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Table:
    """Cell texts: `bold` are (row, column) cells, `rules` the rows that a line is drawn above.

    The first `n_names` columns are names, the others numbers.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str
    bold: frozenset[tuple[int, int]] = frozenset()
    rules: frozenset[int] = frozenset()
    n_names: int = 2


def markdown(table: Table) -> str:
    """Return a GitHub Markdown table; names cannot make markup, links or pictures."""
    align = ["---" if j < table.n_names else "---:" for j in range(len(table.header))]
    lines = [[plain(text) for text in table.header], align]
    for i, row in enumerate(table.rows):
        shown = [plain(text) for text in row]
        lines.append([f"**{t}**" if (i, j) in table.bold else t for j, t in enumerate(shown)])
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"### {plain(table.title)}\n\n{body}\n\n{plain(table.caption)}\n"


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is, on one line."""
    text = re.sub(r"\s+", " ", str(text)).replace("&", "&amp;").replace("<", "&lt;")
    text = text.replace(">", "&gt;").replace("://", "&#58;//").replace("www.", "www&#46;")
    return re.sub(r"([\\`*\[\]|!~$]|(?<!&)#)", r"\\\1", text)


def safe_csv(frame: pd.DataFrame) -> str:
    """Return CSV whose texts cannot start a formula in a spreadsheet; numbers are untouched."""
    return frame.rename(columns=inert).map(inert).to_csv(index=False, lineterminator="\n")


def inert(value: Any) -> Any:
    """Return a text that starts like a formula with a quote before it; other values as they are."""
    if not isinstance(value, str) or not value.lstrip().startswith(("=", "+", "-", "@")):
        return value
    number = re.fullmatch(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?", value)
    return value if number or value == "-" else f"'{value}"


def html_table(table: Table) -> str:
    """Return a <table> with caption and header cells, in a box of its own that scrolls."""
    n = table.n_names
    head = "".join(_html_cell(text, "col", j >= n) for j, text in enumerate(table.header))
    body = []
    for i, row in enumerate(table.rows):
        cells = [
            _html_cell(text, "row" if j == 0 else "", j >= n, bold=(i, j) in table.bold)
            for j, text in enumerate(row)
        ]
        body.append(f"<tr{' class=rule' if i in table.rules else ''}>{''.join(cells)}</tr>")
    title = escape(table.title)
    return (
        f'<div class="scroll" role="region" aria-label="{title}" tabindex="0"><table>'
        f"<caption><span>{title}</span></caption><thead><tr>{head}</tr></thead>"
        f'<tbody>{"".join(body)}</tbody></table></div><p class="note">{escape(table.caption)}</p>'
    )


def _html_cell(text: str, scope: str, number: bool, *, bold: bool = False) -> str:
    tag = f'th scope="{scope}"' if scope else "td"
    shown = f"<strong>{escape(text)}</strong>" if bold else escape(text)
    return f"<{tag}{' class=number' if number else ''}>{shown}</{tag.split()[0]}>"
