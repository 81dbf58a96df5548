"""Tests of benchmarks/report/latex.py: names stay names, and every file shows the same cells."""

import csv
import html
import io
import re
from html.parser import HTMLParser

import pytest

from benchmarks.report import page
from benchmarks.report.latex import latex, tex
from benchmarks.report.render import Table

HOSTILE = [
    r"\input{/etc/passwd}", r"a} \immediate\write18{x}", "100% & more_than #1 $x^2$ ~", "[2cm]",
    "*star", "x\n\\end{tabular}\n% y", "``quoted'' -- ?` <<b>>", '"=|\\', "été 日本",
    "a\x00b\x1b[1m",
]  # fmt: skip
COMMANDS = {  # what a reader of LaTeX sees for each
    "textbackslash": "\\", "textasciicircum": "^", "textasciitilde": "~", "textless": "<",
    "textgreater": ">", "textbar": "|", "textasciigrave": "`", "textquotesingle": "'",
    "textquotedbl": '"', "textperiodcentered": "·", "textdagger": "†", "pm": "±",
    "uparrow": "↑", "downarrow": "↓", "rightarrow": "→", "ldots": "…", "textbf": "",
    "midrule": "", "toprule": "", "bottomrule": "", "times": "\N{MULTIPLICATION SIGN}",
}  # fmt: skip


def set_by_latex(source):
    """Lines of cell texts of a tabular's inside; KeyError at a command that nobody expects."""
    lines, depth, math = [[""]], 0, False
    for token in re.findall(r"\\[A-Za-z]+ ?|\\.|.", source, re.DOTALL):
        if token == r"\\":
            lines.append([""])
        elif re.match(r"\\[A-Za-z]", token):
            lines[-1][-1] += COMMANDS[token[1:].strip()]
        elif token in "{}":
            depth += 1 if token == "{" else -1
        elif token == "$":
            math = not math
        elif token == "&":
            lines[-1].append("")
        else:
            lines[-1][-1] += "\N{MINUS SIGN}" if math and token == "-" else token[-1]
        assert depth >= 0 and "%" not in token.removeprefix("\\%")
    assert depth == 0 and not math
    return [[" ".join(cell.split()) for cell in line] for line in lines[:-1]]


def of_tex(text):
    """Title and lines of every table."""
    table = r"\\caption\{([^\n]*)\}\n\\begin\{tabular\}\{[lr]+\}(.*?)\\end\{tabular\}"
    parts = re.findall(table, text, re.DOTALL)
    return [(set_by_latex(title + r"\\")[0][0], set_by_latex(body)) for title, body in parts]


def of_markdown(text):
    found = []
    for block in text.split("\n### ")[1:]:
        title, *rest = block.split("\n")
        lines = [line[2:-2] for line in rest if line.startswith("| ")]
        cells = [[_read(cell) for cell in re.split(r" (?<!\\)\| ", line)] for line in lines]
        found.append((_read(title), [cells[0], *cells[2:]]))
    return found


def _read(text):
    return html.unescape(re.sub(r"\\(.)", r"\1", re.sub(r"^\*\*(.*)\*\*$", r"\1", text)))


class OfPage(HTMLParser):
    """Title and lines of every table of a page."""

    def __init__(self, text):
        super().__init__()
        self.found, self.into = [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.found.append(["", []])
        elif tag == "tr":
            self.found[-1][1].append([])
        elif tag in ("td", "th"):
            self.found[-1][1][-1].append("")
        self.into = tag if tag in ("td", "th", "caption") else self.into

    def handle_endtag(self, tag):
        self.into = None if tag == self.into else self.into

    def handle_data(self, data):
        if self.into == "caption":
            self.found[-1][0] += data
        elif self.into:
            self.found[-1][1][-1][-1] += data


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_set_as_it_is_and_runs_nothing(name):
    made = latex(Table(name, (name, "n"), ((name, "1"), ("b", name)), name, frozenset({(0, 0)})))
    ((title, lines),) = of_tex(made)
    shown = " ".join("".join(c for c in name if c.isprintable() or c.isspace()).split())
    assert title == shown
    assert lines == [[shown, "n"], [shown, "1"], ["b", shown]]
    assert made.count("\\end{tabular}") == made.count("\\begin{tabular}") == 1


def test_what_follows_a_line_is_no_argument_of_it():
    assert not re.match(r"[\[*]", tex("[2cm]")) and not re.match(r"[\[*]", tex("*x"))


def test_rules_bold_and_columns_are_those_of_the_table():
    table = Table("T", ("m", "c", "1"), (("a", "b", "2"), ("d", "e", "3")), "note",
                  frozenset({(1, 2)}), frozenset({1}))  # fmt: skip
    assert latex(table).splitlines()[2:11] == [
        r"\caption{T}", r"\begin{tabular}{llr}", r"\toprule", r"m & c & 1 \\", r"\midrule",
        r"a & b & 2 \\", r"\midrule", r"d & e & \textbf{3} \\", r"\bottomrule",
    ]  # fmt: skip


@pytest.mark.parametrize("hostile", [False, True])
def test_page_markdown_latex_and_csv_show_the_same_cells(tmp_path, fake_run, hostile):
    methods = {"splitbrain_cl": r"a|b\c_{%}", "small_resnet": "*<i>&amp; $x$", "block_lpips": "=n"}
    folder = fake_run(tmp_path / "demo", methods=methods if hostile else {})
    page.write(folder)
    files = {n: (folder / n).read_text("utf-8") for n in ("report.html", "table.md", "table.tex")}
    tables = of_tex(files["table.tex"])
    assert tables == of_markdown(files["table.md"])
    on_page = [(title, lines) for title, lines in OfPage(files["report.html"]).found]
    # In their order; the page alone also shows the differences at the endpoint apart.
    assert sorted(tables) == sorted(on_page[:3] + on_page[4:])
    assert on_page[3][0] == "Differences between methods"
    assert {tuple(line) for line in on_page[3][1]} < {tuple(line) for line in on_page[4][1]}
    rows = list(csv.DictReader(io.StringIO((folder / "table.csv").read_text("utf-8"))))
    for group, (_, (header, *lines)) in zip(("all", "seen", "unseen"), tables, strict=False):
        shown = {(line[0].removesuffix(" †"), line[1], budget, cell) for line in lines
                 for budget, cell in zip(header[2:], line[2:], strict=True)}  # fmt: skip
        told = {(row["method"].removeprefix("'"), row["classifier"], row["labels_per_class"],
                 f"{row['top1']} ± {row['plus_minus']}") for row in rows
                if row["classes"] == group}  # fmt: skip
        assert told == {cell for cell in shown if cell[0] != "chance"} and len(told) == 24
