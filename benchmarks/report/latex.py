"""A table of texts for LaTeX, in the style of booktabs, in which no name can become a command."""

from collections.abc import Iterable

from benchmarks.report.render import Table

HEAD = "% Needs \\usepackage{booktabs} and, for pdfLaTeX, \\usepackage[T1]{fontenc}.\n"
# Also what is no command but changes: ligatures, and brackets and stars behind a line's end.
SPECIAL = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}", '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "*": "{*}",
    "-": "{-}", "\N{MINUS SIGN}": r"$-$", "\N{MULTIPLICATION SIGN}": r"$\times$", "±": r"$\pm$",
    "·": r"\textperiodcentered{}", "†": r"\textdagger{}", "…": r"\ldots{}",
    "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$",
}  # fmt: skip


def tex(text: str) -> str:
    """Return a text that LaTeX sets as it is, on one line; letters of any script stay."""
    line = " ".join(str(text).split())
    return "".join(SPECIAL.get(c, c if c.isprintable() else "") for c in line)


def latex(table: Table) -> str:
    """Return a floating `table` with its caption, the note below it; rules as on the page."""
    n = len(table.header)
    columns = "l" * min(n, table.n_names) + "r" * max(0, n - table.n_names)
    body = []
    for i, row in enumerate(table.rows):
        body += [r"\midrule"] if i in table.rules else []
        body.append(_line(_bold(tex(t), (i, j) in table.bold) for j, t in enumerate(row)))
    lines = [
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{tex(table.title)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _line(map(tex, table.header)),
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\par\smallskip\footnotesize {tex(table.caption)}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _bold(text: str, bold: bool) -> str:
    return rf"\textbf{{{text}}}" if bold else text
