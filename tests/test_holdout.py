"""Tables of seen against unseen classes: shown where there is something to compare, and how."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.report.holdout import chance_corrected, holdout_tables
from benchmarks.report.source import Source

LABEL = np.repeat(np.arange(6), 10)


def source(lines):
    """A run whose records get the share told right: (method, task, classes, fold, draw, share)."""
    rows, records = [], {}
    for method, task, classes, fold, draw, share in lines:
        inside = np.isin(LABEL, classes)
        right = np.arange(60) % 10 < 10 * share
        key = f"{method}{task}{fold}{draw}"
        records[key] = {"ids": np.flatnonzero(inside), "label": LABEL[inside],
                        "predicted": np.where(right, LABEL, -1)[inside]}  # fmt: skip
        rows += [{
            "method": method, "classifier": "linear", "task": task, "fold": fold, "seed": 0,
            "classes": {"all": "all", "unseen": "unseen"}.get(task, "seen"), "draw": draw,
            "labels_per_class": 5, "metric": "top1", "value": share, "ways": len(classes),
            "key": key,
        }]  # fmt: skip
    return Source(
        rows=pd.DataFrame(rows), config="", history=pd.DataFrame(), cost=pd.DataFrame(),
        selection=pd.DataFrame(), quality=pd.DataFrame(), read_predictions=records.__getitem__,
        read_quality=lambda key: {},
        examples={"class_names": np.array(["a", "b"])}, unseen={0: [0, 1], 1: [2, 3]},
        run={"primary": {"labels_per_class": 5}, "comparisons": [[["net", "linear"], ["x", "y"]]]},
    )  # fmt: skip


def test_chance_is_nothing_and_all_right_is_one():
    assert chance_corrected(0.25, 4) == 0
    assert chance_corrected(1.0, 4) == chance_corrected(1.0, 100) == 1
    assert chance_corrected(0.5, 2) == 0 < chance_corrected(0.5, 4) < chance_corrected(0.5, 5)


def test_no_table_where_there_is_nothing_to_compare():
    assert holdout_tables(source([("net", "all", range(6), 0, 0, 0.5)])) == []


def test_way_matched_stands_beside_unseen_on_one_line():
    (table,) = holdout_tables(source([
        ("net", "all", range(6), 0, 0, 0.5), ("net", "unseen", [0, 1], 0, 0, 0.6),
        ("net", "way_matched", [2, 3], 0, 0, 0.7), ("net", "way_matched", [3, 5], 0, 1, 0.9),
    ]))  # fmt: skip
    (row,) = table.rows
    assert row[:5] == ("net", "linear", "80.0", "60.0", "+20.0")
    # Corrected by hand: (0.8 - 0.5) / 0.5, (0.6 - 0.5) / 0.5; of six classes (0.5 - 1/6) / (5/6).
    assert row[6:] == ("60.0", "20.0", "50.0", "40.0")
    assert "2 classes" in table.caption and "2 draws" in table.caption
    assert "6 apart" in table.caption


@pytest.mark.parametrize("exposed", [False, True])
def test_folds_give_the_gap_within_classes_and_a_twin_that_of_exposure(exposed):
    lines = [("net", "all", range(6), fold, 0, share) for fold, share in ((0, 0.4), (1, 0.6))]
    lines += [("net_exposed", *line[1:5], 0.5) for line in lines] if exposed else []
    tables = holdout_tables(source(lines))
    titles = [table.title for table in tables]
    assert [t.startswith("Seen minus unseen with") for t in titles].count(True) == exposed
    within = next(t for t in tables if t.title.startswith("Seen and unseen within"))
    # Classes 0, 1: seen 0.6, unseen 0.4; classes 2, 3: seen 0.4, unseen 0.6: no gap on the whole.
    assert within.rows[0][:5] == ("net", "linear", "50.0", "50.0", "+0.0")
    assert within.rows[0][6:] == ("4", "2")
    ends = tables[-1]
    assert {row[0] for row in ends.rows} == {"a", "b", "class 2", "class 3"}
    assert {row[3] for row in ends.rows} == {"+20.0", "\u221220.0"}
    for table in tables:
        assert all(len(row) == len(table.header) for row in table.rows)


def test_a_run_without_heads_of_all_classes_tells_nothing_of_them():
    (table,) = holdout_tables(source([
        ("net", "unseen", [0, 1], 0, 0, 0.6), ("net", "way_matched", [2, 3], 0, 0, 0.7),
    ]))  # fmt: skip
    assert "nan" not in table.caption and table.rows[0][-2:] == ("-", "-")
