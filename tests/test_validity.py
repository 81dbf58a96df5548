"""Tests of benchmarks/report/validity.py: facts, flaws, and the smaller tables."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.report.source import Source
from benchmarks.report.validity import class_table, comparisons_table, cost_table, facts

LABELS = np.repeat(np.arange(4), 10)
RIGHT = {0: 9, 1: 2, 2: 5, 3: 7}  # of ten images of a class


def source(**run):
    """A run of two methods, in one fold in which class 3 is unseen."""
    rows = pd.DataFrame(
        [
            {"method": method, "classifier": classifier, "label_free": free, "task": "all",
             "classes": "all", "labels_per_class": 5, "fold": 0, "seed": seed, "draw": 0,
             "metric": "top1", "value": 0.575, "key": f"{method}{seed}", "split": "cafe"}
            for method, classifier, free in (("net", "linear", False), ("raw", "pixels", True))
            for seed in (0, 3)
        ]
    )  # fmt: skip
    predicted = np.where(np.arange(40) % 10 < [RIGHT[label] for label in LABELS], LABELS, -1)
    cost = pd.DataFrame({"method": "net", "seconds": [100.0, 200.0], "parameters": 1234,
                         "label_free": False, "precision": "bf16"})  # fmt: skip
    return Source(
        rows=rows, config="", history=pd.DataFrame(), cost=cost, selection=pd.DataFrame(),
        quality=pd.DataFrame(), read_quality=lambda key: {},
        examples={"class_names": np.array(["a", "b", "c"])}, unseen={0: [3]},
        read_predictions=lambda key: {"label": LABELS, "predicted": predicted},
        run={"comparisons": [[["net", "linear"], ["raw", "pixels"]]], "classes": {"all": 4},
             "primary": {"labels_per_class": 5, "classes": "all"}} | run,
    )  # fmt: skip


def told(**run):
    return dict(facts(source(**run)))


def test_facts_of_the_files():
    found = told(dropped=2, n_test=40, preset="cpu")
    assert found["Split"] == "cafe" and found["Images"] == "40 test"
    assert found["Repetitions"] == "fold 0; seed 0, 3; draw 0"
    assert found["Not label-free"] == "net" and found["Exact duplicates dropped"] == "2"
    assert found["Files that could not be read"] == "0"


def test_how_many_settings_each_side_tried_is_told():
    run = source()
    assert dict(facts(run))["Settings tried"] == "?", "older rows do not say"
    run.rows["trials"] = [40, 32, 1, 1]
    assert dict(facts(run))["Settings tried"] == "linear 32 to 40, raw 1"


def test_missing_controls_are_named():
    roles = {"trained from scratch": [["raw", "pixels"]], "untrained encoder": [["lost", "linear"]]}
    assert told(controls=roles)["Controls"] == (
        "trained from scratch; EXPLORATORY, MISSING: untrained encoder, shuffled labels, chance, "
        "pixels or colour alone; without plain autoencoder"
    )


def test_flaws_are_not_hidden():
    found = told(selection={"on_test": True}, defects=["a defect"], bad=["x.jpg"] * 7, notes=["n"])
    assert found["Test readings"].startswith("SELECTION USED THE TEST SET")
    assert found["Known defect"] == "a defect" and found["Note"] == "n"
    assert found["Files that could not be read"].startswith("7 x.jpg")


def test_seen_against_unseen_is_fair_only_when_every_class_was_unseen():
    assert "may be one of difficulty" in told()["Seen against unseen"]
    assert "the same classes" in told(classes={"all": 1})["Seen against unseen"]


def test_test_readings_are_counted_where_recorded():
    assert told()["Test readings"].endswith("not recorded; 4 records")
    assert told(test_reads=4)["Test readings"] == "4 readings; 4 records"


def test_classes_from_best_to_worst():
    table = class_table(source())
    assert table is not None
    assert [row[2] for row in table.rows] == ["90.0", "70.0", "50.0", "20.0"]
    assert [row[0] for row in table.rows] == ["a", "class 3", "c", "b"]
    assert [row[1] for row in table.rows] == ["seen", "unseen", "seen", "seen"]
    assert "2 run(s)" in table.caption and table.rules == {2}


@pytest.mark.parametrize("run", [{"comparisons": []}, {"primary": {"labels_per_class": 9}}])
def test_no_class_table_without_a_primary_row(run):
    assert class_table(source(**run)) is None


def test_costs_are_means_and_missing_ones_dashes():
    table = cost_table(source())
    assert table.rows == (("net †", "1,234", "-", "150", "-", "-", "-", "-", "bf16"),)


def test_every_precision_that_a_run_took_is_told():
    cost = source().cost
    both = pd.concat([cost, cost.assign(seed=7, precision="32-true")])
    (row,) = cost_table(type(source())(**{**vars(source()), "cost": both})).rows
    assert row[-1] == "bf16, 32-true"


def test_primary_comparison_comes_first_in_bold():
    row = {"a_method": "net", "a_classifier": "linear", "b_method": "raw", "task": "all",
           "b_classifier": "pixels", "classes": "all", "labels_per_class": 5, "runs": 2,
           "effect": 0.05, "low": -0.01, "high": 0.11, "p": 0.0001, "p_holm": 0.0002,
           "primary": False, "smallest_detectable": 0.08}  # fmt: skip
    rows = [row, row | {"primary": True, "classes": "unseen"}, row | {"b_method": "other"}]
    table = comparisons_table(pd.DataFrame(rows), {"comparisons": [[]] * 9})
    assert "count all 9 declared comparisons, of which this table has 2," in table.caption
    assert table.rows[0][2:] == (
        "unseen", "5", "+5.0", "\u22121.0 to +11.0", "< 0.001", "8.0", "2",
    )  # fmt: skip
    assert {i for i, _ in table.bold} == {0} and table.rules == {1, 2}
    assert all(len(line) == len(table.header) for line in table.rows)


def test_images_are_counted_over_all_folds():
    folds = {"0": {"n_pretrain": 53917, "n_test": 40, "dropped": 3},
             "1": {"n_pretrain": 53241, "n_test": 40, "dropped": 3}}  # fmt: skip
    found = told(images=folds, n_pretrain=53917)
    assert found["Images"] == "53,241 to 53,917 pretraining, 40 test"
    assert found["Exact duplicates dropped"] == "3"


def test_older_runs_tell_of_the_first_fold_and_say_so():
    found = told(n_pretrain=10, unseen_classes={"0": [3], "1": [2]})
    assert found["Images"] == "10 pretraining (first fold)"


def test_draws_of_labels_are_no_runs():
    run = source()
    rows = pd.concat([run.rows, run.rows.assign(draw=1)], ignore_index=True)
    table = class_table(replace(run, rows=rows))
    assert table is not None and "mean over 2 run(s)" in table.caption
