"""The table of methods by taps: its shape, its order, what it leaves out."""

import itertools

import pandas as pd
import pytest

from benchmarks.report.taps import taps_tables

RUN = {"data": "procedural", "classes": {"all": 8, "seen": 6, "unseen": 2}, "command": "run"}
TOP1 = {  # of linear_at: method, tap; nothing is known of small at conv3
    ("gaussian_untrained", "conv1"): 0.20, ("gaussian_untrained", "conv3"): 0.15,
    ("split", "conv1"): 0.30, ("split", "conv3"): 0.52, ("small", "conv1"): 0.304,
}  # fmt: skip


def row(method, classifier, value, *, classes="all", budget=75, seed=0, task="all"):
    return {"method": method, "classifier": classifier, "label_free": method != "small",
            "task": task, "classes": classes, "labels_per_class": budget, "fold": 0, "seed": seed,
            "metric": "top1", "value": value, "n_test": 100}  # fmt: skip


@pytest.fixture
def rows():
    """Two runs a cell, a hundredth apart, among rows that the table must not count."""
    made = [
        row(method, f"linear_at@{tap}", value + 0.01 * seed, seed=seed)
        for ((method, tap), value), seed in itertools.product(TOP1.items(), (0, 1))
    ]
    made += [
        row("split", "linear_at@conv3", 0.9, classes=classes) for classes in ("seen", "unseen")
    ]
    made += [row("split", "linear_at@conv3", 0.9, task="seen"), row("split", "mlp_at@conv3", 0.9)]
    made += [row("split", "linear_at@conv3", 0.9, budget=5), row("split", "linear", 0.9)]
    return pd.DataFrame([*made, row("small_resnet", "pixels", 0.9)])


def test_methods_by_taps_controls_last(rows):
    (table,) = taps_tables(rows, RUN)
    assert table.title == "Top-1 (%) ↑ of linear_at by tap, 75 labels per class"
    assert table.header == ("method", "conv1", "conv3")
    assert table.rows == (
        ("split", "30.5 ± 0.7", "52.5 ± 0.7"),
        ("small †", "30.9 ± 0.7", "-"),
        ("gaussian_untrained", "20.5 ± 0.7", "15.5 ± 0.7"),
    )
    assert table.rules == {2} and table.bold == {(1, 1), (0, 2)}
    assert "not label-free" in table.caption and "100 test images" in table.caption


def test_one_tap_makes_no_table(rows):
    for part in (~rows["classifier"].str.endswith("conv1"), ~rows["classifier"].str.contains("@")):
        assert list(taps_tables(rows[part], RUN)) == []
