"""Sections of the page: many differences are folded under those at the declared endpoint."""

import pandas as pd
import pytest

from benchmarks.report.contents import drawn, further_tables, results
from benchmarks.report.sections import SHORT, sections
from benchmarks.report.source import read


@pytest.fixture(scope="module")
def source(tmp_path_factory, fake_run):
    return read(fake_run(tmp_path_factory.mktemp("run") / "demo"))


def differences(source, n):
    """n rows of comparisons.csv, the first of which is at the declared endpoint."""
    primary = source.run["primary"]
    row = {
        "a_method": "splitbrain_cl", "a_classifier": "linear", "b_method": "small_resnet",
        "b_classifier": "pixels", "task": "all", "runs": 1, "n_test": 500, "effect": 0.01,
        "low": -0.01, "high": 0.03, "p": 0.5, "p_holm": 1.0, "primary": False,
        "smallest_detectable": 0.03, "n_classes": 20,
    }  # fmt: skip
    rows = [{**row, **primary, "primary": True}]
    rows += [{**row, "classes": "seen", "labels_per_class": 1000 + i} for i in range(n - 1)]
    parts = sections(
        source, pd.DataFrame(rows), results(source), drawn(source), further=further_tables(source)
    )
    return {anchor: html for anchor, _, html in parts}["differences"]


def test_few_differences_stand_in_one_table(source):
    html = differences(source, SHORT)
    assert html.count("<table") == 1
    assert "<details" not in html
    assert "1,018" in html or "1018" in html


def test_many_are_folded_under_those_at_the_endpoint(source):
    html = differences(source, SHORT + 1)
    first, _, folded = html.partition("<details>")
    assert f"All {SHORT + 1} differences" in folded
    assert first.count("<table") == folded.count("<table") == 1
    assert "1000" not in first.replace(",", "")
    assert "1000" in folded.replace(",", "")
