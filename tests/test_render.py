"""Tests of benchmarks/report/render.py: no text becomes markup, a link, or a formula."""

import csv
import io
import re
from html import unescape

import pandas as pd
import pytest

from benchmarks.report.render import Table, html_table, inert, markdown, plain, safe_csv

NASTY = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a|b\nc", "![x](http://y)"]


def table(name):
    return Table("T", ("name", "value"), ((name, "1.0"), ("b", "2.0")), "note " + name,
                 frozenset({(1, 1)}), frozenset({1}), n_names=1)  # fmt: skip


@pytest.mark.parametrize("name", NASTY)
def test_html_escapes_every_text(name):
    html = html_table(table(name))
    assert "<script" not in html and "<img" not in html
    assert html.count("<tr") == 3 and "<tr class=rule>" in html
    assert "<td class=number><strong>2.0</strong></td>" in html


@pytest.mark.parametrize("name", NASTY)
def test_markdown_escapes_every_text(name):
    lines = markdown(table(name)).splitlines()
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 4 and rows[3] == "| b | **2.0** |" and rows[1] == "| --- | ---: |"
    assert "<" not in rows[2] and not re.search(r"(?<!\\)\]\(", rows[2])
    assert rows[2].replace("\\|", "").count("|") == 3


def test_plain_is_one_line_that_reads_as_written():
    assert plain("splitbrain_cl ± 1.5") == "splitbrain_cl ± 1.5"
    assert plain("a\n*b*") == "a \\*b\\*"
    assert plain("#1 a&#58;b") == "\\#1 a&amp;\\#58;b"


@pytest.mark.parametrize("name", ["see http://evil.example/x", "www.evil.example"])
def test_addresses_become_no_links(name):
    shown = plain(name)
    assert "://" not in shown and "www." not in shown and unescape(shown) == name


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-cmd|x", "@sum", "\t=1", " =1", "-1+2"])
def test_formulas_become_text(text):
    assert inert(text) == f"'{text}"


@pytest.mark.parametrize("value", ["-1.5", "+3", "-2e-05", "-", "a=b", "", -1.5, 3, True])
def test_numbers_and_names_are_untouched(value):
    assert inert(value) is value


def test_csv_guards_header_and_cells():
    text = safe_csv(pd.DataFrame({"=a": ["=b", "c"], "n": [-1.5, 2.0]}))
    assert list(csv.reader(io.StringIO(text))) == [["'=a", "n"], ["'=b", "-1.5"], ["c", "2.0"]]
