"""Tests of benchmarks/report/duplicates.py: what a report says of copies across its sides."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.audit import COLUMNS
from benchmarks.report import page
from benchmarks.report.duplicates import (
    duplicate_facts,
    duplicates_figure,
    leaked,
    without_duplicates_table,
)
from benchmarks.report.render import html_table
from benchmarks.report.source import read

HOSTILE = "<script>alert(1)</script>"


def pair(a, b, **changed):
    """A near pair of fold 0: ends are (id, side, seen)."""
    line = {"fold": 0, "kind": "near", "bits": 3, "similarity": 0.98, "mirrored": False}
    for end, (number, side, seen) in (("a", a), ("b", b)):
        line |= {f"id_{end}": number, f"name_{end}": f"{side}/{number}.png", f"side_{end}": side,
                 f"class_{end}": HOSTILE, f"seen_{end}": seen}  # fmt: skip
    return line | changed


LINES = [
    pair((7, "test", True), (900, "pretrain", True)),
    pair((901, "pool", True), (8, "test", False)),
    pair((8, "test", False), (900, "pretrain", True)),
    pair((901, "pool", True), (900, "pretrain", True)),
    pair((9, "test", True), (10, "test", True)),
    pair((11, "test", True), (950, "unused", False)),
    pair((12, "test", True), (960, "dropped", True), kind="exact"),
    pair((13, "test", True), (900, "pretrain", True), fold=1),
]


@pytest.fixture
def audited(tmp_path, fake_run):
    """Make a run's folder with pairs; test ids are 7 to 506 in two folds."""

    def make(lines):
        folder = fake_run(tmp_path / "demo")
        table = pd.DataFrame(lines, columns=COLUMNS)
        table.to_csv(folder / "duplicates.csv", index=False)
        pictures = np.zeros((len(table.drop_duplicates(["id_a", "id_b"])), 2, 16, 16, 3), np.uint8)
        pictures[:, 0, ..., 0], pictures[:, 1, ..., 2] = 200, 220
        np.savez(folder / "duplicates.npz", pictures=pictures)
        return folder

    return make


def test_leaked_are_the_test_ends_of_pairs_with_training(audited):
    pairs = read(audited(LINES)).duplicates
    assert leaked(pairs, 0) == {7, 8} and leaked(pairs, 1) == {13}


def test_box_counts_by_fold(audited):
    ((term, told),) = duplicate_facts(read(audited(LINES)))
    assert term == "Near duplicates"
    assert told.startswith(
        "fold 0: 2 test images nearly in pretraining or pool, 1 pairs across these two, "
        "2 across seen and unseen classes, 5 in all; fold 1: 1 test image nearly"
    )


def test_box_calls_folds_by_their_own_numbers(tmp_path, fake_run):
    folder = fake_run(tmp_path / "demo", folds=(1, 2))
    pd.DataFrame(LINES, columns=COLUMNS).to_csv(folder / "duplicates.csv", index=False)
    told = duplicate_facts(read(folder))[0][1]
    assert told.startswith("fold 1: 1 test image nearly") and "; fold 2: 0 test images" in told


def test_box_tells_a_clean_run_from_one_that_was_not_audited(audited, fake_run, tmp_path):
    assert duplicate_facts(read(audited([])))[0][1].startswith("0 test images nearly")
    other = fake_run(tmp_path / "other")
    assert duplicate_facts(read(other))[0][1].startswith("NOT AUDITED")


def test_scores_without_leave_out_exactly_the_leaked_images(audited):
    source = read(audited(LINES))
    table = without_duplicates_table(source)
    assert table is not None and len(table.rows) == 8
    for row in table.rows:
        expected = []
        for fold, ids in ((0, {7, 8}), (1, {13})):
            of = source.rows[(source.rows["method"] == row[0].split()[0])
                             & (source.rows["classifier"] == row[1])
                             & (source.rows["fold"] == fold)
                             & (source.rows["labels_per_class"] == 25)]  # fmt: skip
            record = source.read_predictions(of["key"].iloc[0])
            among = np.isin(record["label"], source.unseen[fold])
            kept = [i for i in np.flatnonzero(among) if record["ids"][i] not in ids]
            hits = [record["label"][i] == record["predicted"][i] for i in kept]
            value = of[of["classes"] == "unseen"]["value"].iloc[0]
            expected.append((value, np.mean(hits)))
        both, without = 100 * np.mean(expected, axis=0)
        assert row[2:4] == (f"{both:.1f}", f"{without:.1f}")
    # Of the unseen classes alone: image 13 of fold 1 is of a seen one.
    assert "Left out: 0 to 2 of these test images a run" in table.caption


def test_no_table_where_no_test_image_is_concerned(audited, fake_run, tmp_path):
    assert without_duplicates_table(read(audited(LINES[3:7]))) is None
    assert without_duplicates_table(read(fake_run(tmp_path / "other"))) is None


def test_a_run_without_the_declared_labels_a_class_has_a_page_all_the_same(audited):
    folder = audited(LINES)
    facts = json.loads((folder / "run.json").read_text())
    facts["primary"]["labels_per_class"] = 99
    (folder / "run.json").write_text(json.dumps(facts))
    page.write(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert 'id="duplicates"' in text and "without near duplicates" not in text


def test_page_shows_both_pictures_and_the_table(audited):
    folder = audited(LINES)
    page.write(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert 'id="duplicates"' in text and "without near duplicates" in text
    assert HOSTILE not in text
    table = without_duplicates_table(read(folder))
    assert table is not None and html_table(table) in text
    sheet = np.asarray(Image.open(io.BytesIO((folder / "figures/duplicates.png").read_bytes())))
    shown = sheet[..., :3].reshape(-1, 3).astype(int)
    for colour in ((200, 0, 0), (0, 0, 220)):
        assert (np.abs(shown - colour).max(1) < 3).mean() > 0.1


def test_a_clean_run_has_no_figure_and_so_no_section(audited):
    assert duplicates_figure(read(audited([]))) is None


def test_pairs_whose_pictures_are_not_here_are_told_without_them(audited):
    folder = audited(LINES)
    (folder / "duplicates.npz").unlink()
    source = read(folder)
    assert duplicates_figure(source) is None and "fold 0: 2" in duplicate_facts(source)[0][1]
