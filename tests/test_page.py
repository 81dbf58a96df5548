"""Tests of benchmarks/report/page.py on a run folder as an experiment leaves it."""

import csv
import io
import itertools
import json
import re
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.errors import DataError, IntegrityError
from benchmarks.report import page

HOSTILE = ["<script>alert(1)</script>", '"><img src=http://x/y onerror=alert(1)>', "=HYPERLINK(1)"]


class Reader(HTMLParser):
    """Tags, attributes and table texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables, self.cell = [], [], None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.cell = tag

    def handle_endtag(self, tag):
        self.cell = None if tag == self.cell else self.cell

    def handle_data(self, data):
        if self.cell:
            self.tables[-1][-1][-1] += data


@pytest.fixture(scope="module")
def finished(tmp_path_factory, fake_run):
    """A run folder with its report."""
    folder = fake_run(tmp_path_factory.mktemp("run") / "demo")
    page.write(folder)
    return folder


def read_html(folder):
    return Reader((folder / "report.html").read_text(encoding="utf-8"))


def test_every_promised_file_is_written_and_nothing_else_is_left(finished):
    names = {str(path.relative_to(finished)) for path in finished.rglob("*") if path.is_file()}
    written = {name for name in names if not name.startswith(("predictions", "figures"))}
    assert written == {
        "rows.csv", "run.json", "config.yaml", "history.csv", "cost.csv", "selection.csv",
        "examples.npz", "comparisons.csv", "table.csv", "table.md", "table.tex", "report.html",
    }  # fmt: skip
    figures = {Path(name).stem for name in names if name.startswith("figures")}
    assert figures == {
        *("labels_all", "labels_seen", "labels_unseen", "seen_unseen", "cost", "losses"),
        *("colorizations", "taps", "critical_difference", "confusion", "reliability"),
    }


def test_numbers_are_equal_in_html_markdown_and_csv(finished):
    html = read_html(finished).tables
    text = (finished / "table.md").read_text(encoding="utf-8")
    assert text.endswith(
        "\n\n    " + json.loads((finished / "run.json").read_text())["command"] + "\n"
    )
    blocks = text.split("### ")[1:]
    rows = list(csv.DictReader(io.StringIO((finished / "table.csv").read_text(encoding="utf-8"))))
    checked = 0
    for classes, table, block in zip(("all", "seen", "unseen"), html, blocks, strict=False):
        lines = [line for line in block.splitlines() if line.startswith("| ")]
        cells = [[c.strip(" *") for c in line.strip("| ").split(" | ")] for line in lines]
        assert [cells[0], *cells[2:]] == table
        for row in rows:
            if row["classes"] != classes:
                continue
            shown = next(t for t in table if t[0].split()[0] == row["method"]
                         and t[1] == row["classifier"])  # fmt: skip
            at = table[0].index(row["labels_per_class"])
            assert shown[at] == f"{row['top1']} ± {row['plus_minus']}"
            checked += 1
    assert checked == len(rows) == 8 * 3 * 3


def test_cells_are_the_mean_and_sd_of_rows(finished):
    rows = pd.read_csv(finished / "rows.csv")
    chosen = rows[(rows["method"] == "small_resnet") & (rows["classes"] == "unseen")]
    value = chosen[chosen["labels_per_class"] == 25]["value"] * 100
    table = read_html(finished).tables[2]
    shown = next(row for row in table if row[0] == "small_resnet")
    assert shown[table[0].index("25")] == f"{value.mean():.1f} ± {value.std():.1f}"


def test_page_makes_no_request_and_runs_no_script(finished):
    reader = read_html(finished)
    assert not {"script", "link", "iframe", "object", "form"} & {tag for tag, _ in reader.tags}
    for _, attributes in reader.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "action", "srcset", "data"):
            assert (attributes.get(name) or "#").startswith(
                ("#", "data:image/webp", "data:image/png")
            )
    text = (finished / "report.html").read_text(encoding="utf-8")
    assert "url(" not in text and "@import" not in text
    policies = [a for t, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policies[0]["content"].startswith("default-src 'none'")


def test_page_is_accessible_in_its_structure(finished):
    reader = read_html(finished)
    headings = [int(tag[1]) for tag, _ in reader.tags if re.fullmatch(r"h\d", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(headings))
    assert all(len(a["alt"]) > 40 for tag, a in reader.tags if tag == "img")
    anchors = {a["href"][1:] for tag, a in reader.tags if tag == "a"}
    assert anchors <= {a["id"] for _, a in reader.tags if "id" in a}
    tags = [tag for tag, _ in reader.tags]
    assert tags.count("caption") == tags.count("table") > 5


def test_answer_and_validity_are_on_the_page(finished):
    text = (finished / "report.html").read_text(encoding="utf-8")
    assert "points higher than that of splitbrain_untrained (linear)" in text
    assert "block_lpips †" in text and "a1b2c3d0, a1b2c3d1" in text
    assert "&lt;b&gt;not markup&lt;/b&gt;" in text


def test_hostile_names_are_inert_everywhere(tmp_path, fake_run):
    names = [HOSTILE[i % 3] for i in range(20)]
    methods = dict(zip(("splitbrain_cl", "small_resnet", "block_lpips"), HOSTILE, strict=True))
    folder = fake_run(tmp_path / "demo", names=names, methods=methods)
    page.write(folder)
    reader = read_html(folder)
    assert "script" not in {tag for tag, _ in reader.tags}
    assert all(set(a) <= {"alt", "src"} for tag, a in reader.tags if tag == "img")
    assert any(HOSTILE[0] in row[0] for table in reader.tables for row in table)
    markdown = (folder / "table.md").read_text(encoding="utf-8")
    assert "<script" not in markdown and "<img" not in markdown
    for name in ("table.csv", "comparisons.csv"):
        cells = csv.reader(io.StringIO((folder / name).read_text(encoding="utf-8")))
        starts = {c[0] for row in cells for c in row if c and not re.fullmatch(r"-?[\d.e-]+", c)}
        assert not starts & set("=+-@") and "'" in starts


def test_rebuilt_from_files_alone_byte_for_byte(finished, tmp_path):
    copy = Path(shutil.copytree(finished, tmp_path / "moved"))
    made = ("report.html", "table.md", "table.tex", "table.csv", "comparisons.csv")
    for name in made:
        (copy / name).unlink()
    shutil.rmtree(copy / "figures")
    page.write(copy)
    assert all((copy / n).read_bytes() == (finished / n).read_bytes() for n in made)


def test_a_run_of_fewer_methods_is_corrected_for_all_that_was_declared(tmp_path, fake_run):
    folder = fake_run(tmp_path / "demo", folds=(0,))
    rows = pd.read_csv(folder / "rows.csv")
    rows[rows["method"] != "block_lpips"].to_csv(folder / "rows.csv", index=False)
    page.write(folder)
    found = pd.read_csv(folder / "comparisons.csv")
    endpoint = found[(found["labels_per_class"] == 25) & (found["classes"] == "unseen")]
    least = endpoint["p"].min()
    assert len(endpoint) == 2 and endpoint["p_holm"].min() == pytest.approx(min(1, 3 * least))
    told = "count all 3 declared comparisons, of which this table has 2"
    for name in ("table.md", "table.tex", "report.html"):
        assert told in (folder / name).read_text(encoding="utf-8")


def test_optional_files_may_be_missing(tmp_path, fake_run):
    folder = fake_run(tmp_path / "demo", folds=(0,))
    for name in ("history.csv", "cost.csv", "selection.csv", "examples.npz", "config.yaml"):
        (folder / name).unlink()
    start = time.process_time()  # not what else the machine does
    page.write(folder)
    assert time.process_time() - start < 15
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "one run, so nothing is known of other seeds" in text
    assert "half of the 95 % bootstrap interval" in text


def test_figures_of_an_earlier_run_do_not_stay(tmp_path, fake_run):
    folder = fake_run(tmp_path / "demo", folds=(0,))
    (folder / "figures").mkdir()
    (folder / "figures" / "old.png").write_bytes(b"")
    (folder / "history.csv").write_text("")
    page.write(folder)
    assert not (folder / "figures" / "old.png").exists()
    assert not (folder / "figures" / "losses.png").exists()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no rows\.csv"):
        page.write(tmp_path)


def test_a_key_cannot_leave_the_folder(tmp_path, fake_run):
    folder = fake_run(tmp_path / "demo", folds=(0,))
    rows = pd.read_csv(folder / "rows.csv").assign(key="../predictions/k0-0-5")
    rows.to_csv(folder / "rows.csv", index=False)
    with pytest.raises(IntegrityError, match="without predictions"):
        page.write(folder)
