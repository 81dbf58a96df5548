"""Tests of benchmarks/report/contents.py: each part where its files are, and only there."""

import numpy as np
import pytest

from benchmarks.report.contents import drawn, further_tables, results
from benchmarks.report.source import read


@pytest.fixture
def folder(tmp_path, fake_run):
    return fake_run(tmp_path / "demo", folds=(0,), images=8)


def test_older_predictions_without_confidence_have_no_calibration(folder):
    assert further_tables(read(folder))["calibration"]
    for path in (folder / "predictions").iterdir():
        kept = {name: of for name, of in np.load(path).items() if name != "confidence"}
        np.savez(path, **kept)
    source = read(folder)
    assert further_tables(source)["calibration"] == []
    assert "reliability" not in drawn(source) and "confusion" in drawn(source)


def test_results_are_of_all_seen_and_unseen_classes(folder):
    titles = [table.title for table in results(read(folder))]
    assert [title.split(" on ")[1].split()[0] for title in titles] == ["all", "seen", "unseen"]


def test_every_list_holds_tables_alone(folder):
    for tables in further_tables(read(folder)).values():
        assert all(len(row) == len(table.header) for table in tables for row in table.rows)
