"""Tests of benchmarks/report/savings.py: records become curves, curves become labels saved."""

import numpy as np
import pytest

from benchmarks.labels_saved import labels_at
from benchmarks.report.savings import matched, of_handle, saved_labels
from benchmarks.report.source import read


@pytest.fixture(scope="module")
def source(tmp_path_factory, fake_run):
    return read(fake_run(tmp_path_factory.mktemp("run") / "demo"))


def test_rows_are_those_of_declared_pairs_with_a_rival_from_pixels(source):
    table = saved_labels(source)
    assert [(row[0], row[2]) for row in table.rows] == [
        (f"{probe} · linear", budget)
        for probe in ("splitbrain_cl", "block_lpips")
        for budget in ("5", "25", "75")
    ]
    assert {row[1] for row in table.rows} == {"small_resnet · pixels"}
    assert table.rules == {3} and "unseen" in table.title


def test_what_is_needed_is_read_from_the_mean_curves(source):
    rows = source.rows[source.rows["classes"] == "unseen"]
    curves = {
        name: rows[of_handle(rows, name)].groupby("labels_per_class")["value"].mean()
        for name in (("splitbrain_cl", "linear"), ("small_resnet", "pixels"))
    }
    probe, rival = curves.values()
    for row, accuracy in zip(saved_labels(source).rows, probe, strict=False):
        needed = labels_at(np.array([accuracy]), probe.index.to_numpy(), rival.to_numpy()[None])[0]
        beyond = {0.0: "below 5", np.inf: "above 75"}
        assert row[3] == beyond.get(needed, f"{needed:.1f}")
        assert (row[5] == "-") == (needed in beyond)


def test_sides_of_a_run_are_sorted_by_image(source):
    run = {"key_a": "k0-0-5", "classes_a": "all", "fold": 0}
    record = source.read_predictions("k0-0-5")
    run["value_a"] = float(np.mean(record["label"] == record["predicted"]))
    shuffled = np.random.default_rng(0).permutation(len(record["ids"]))
    mixed = {name: of[shuffled] for name, of in record.items()}
    other = type(source)(**{**vars(source), "read_predictions": lambda key: mixed})
    for name, of in matched(run, "a", source).items():
        assert np.array_equal(of, matched(run, "a", other)[name])


def test_a_budget_that_a_run_lacks_is_left_out(source):
    """Images of unseen classes differ from fold to fold: curves are over the same runs, or none."""
    rows = source.rows
    budget, fold = rows["labels_per_class"], rows["fold"]
    last = (budget == 75) & (fold == 1)
    apart = last | (budget == 25) | ((budget == 5) & (fold == 0))  # 5 in one fold, 75 in the other
    for lacking, budgets in ((apart, None), (last, {"5", "25"})):
        table = saved_labels(type(source)(**{**vars(source), "rows": rows[~lacking]}))
        assert (table and {row[2] for row in table.rows}) == budgets


def test_one_budget_or_no_pixels_give_no_table(source):
    one = source.rows[source.rows["labels_per_class"] == 25]
    assert saved_labels(type(source)(**{**vars(source), "rows": one})) is None
    run = {**source.run, "comparisons": source.run["comparisons"][:1]}
    assert saved_labels(type(source)(**{**vars(source), "run": run})) is None
