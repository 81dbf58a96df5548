"""Tests of benchmarks/report/source.py: what a run's folder must hold, and how it is read."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import DataError, IntegrityError
from benchmarks.report.source import read

LABELS = np.repeat(np.arange(6), 20)


def written(folder, *, seeds=(0,), method="0012", value=0.5, key="rec"):
    """Write a run of one row whose records get every second image right."""
    (folder / "predictions").mkdir(parents=True)
    right = np.arange(len(LABELS)) % 2 == 0
    rows = []
    for seed in seeds:
        np.savez(folder / "predictions" / f"rec{seed}.npz", ids=np.arange(len(LABELS)),
                 label=LABELS, predicted=np.where(right, LABELS, -1))  # fmt: skip
        rows += [
            {"method": method, "classifier": "linear", "task": "all", "classes": classes,
             "label_free": False, "labels_per_class": 5, "fold": 0, "seed": seed, "draw": 0,
             "metric": metric, "value": value, "n_test": 120, "key": f"{key}{seed}", "split": "1e5"}
            for classes in ("all", "unseen") for metric in ("top1", "nll")
        ]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "rows.csv", index=False)
    (folder / "run.json").write_text(json.dumps({"unseen_classes": {"0": [4, 5]}}))
    return folder


def test_names_stay_text_and_flags_stay_flags(tmp_path):
    source = read(written(tmp_path / "run"))
    assert source.rows["method"].iloc[0] == "0012" and source.rows["split"].iloc[0] == "1e5"
    assert not source.rows["label_free"].any() and source.rows["label_free"].dtype == bool
    assert source.unseen == {0: [4, 5]}


def test_a_method_named_like_a_missing_value_keeps_its_name(tmp_path):
    assert read(written(tmp_path / "run", method="NA")).rows["method"].eq("NA").all()


def test_single_runs_have_a_half_width_and_repeated_ones_do_not(tmp_path):
    single = read(written(tmp_path / "one")).rows
    assert single.loc[single["metric"] == "top1", "half_width"].between(0.03, 0.3).all()
    assert single.loc[single["metric"] == "nll", "half_width"].isna().all()
    assert read(written(tmp_path / "two", seeds=(0, 1))).rows["half_width"].isna().all()


def test_draws_of_a_single_run_have_half_widths_and_folds_do_not(tmp_path):
    for name, of_draws in (("draw", True), ("fold", False)):
        folder = written(tmp_path / name, seeds=(0, 1))
        rows = pd.read_csv(folder / "rows.csv")
        rows[[name, "seed"]] = np.stack([rows["seed"], 0 * rows["seed"]], axis=1)
        rows.to_csv(folder / "rows.csv", index=False)
        (folder / "run.json").write_text(json.dumps({"unseen_classes": {"0": [4, 5], "1": [4]}}))
        found = read(folder).rows
        top1 = found[found["metric"] == "top1"]
        assert top1["half_width"].notna().all() == of_draws
        assert top1["half_width"].isna().all() != of_draws


def test_optional_files_are_empty_when_missing_or_empty(tmp_path):
    folder = written(tmp_path / "run")
    (folder / "selection.csv").write_text("\n")
    source = read(folder)
    assert source.history.empty and source.selection.empty and not source.examples
    assert source.config == ""


@pytest.mark.parametrize("name", ["rows.csv", "run.json"])
def test_a_folder_without_its_rows_is_refused(tmp_path, name):
    folder = written(tmp_path / "run")
    (folder / name).unlink()
    with pytest.raises(DataError, match=f"no {name}"):
        read(folder)


@pytest.mark.parametrize("key", ["../rec", "/rec", ".rec", "a/../rec", "missing"])
def test_a_key_is_a_name_in_the_folder(tmp_path, key):
    with pytest.raises(IntegrityError, match="without predictions"):
        read(written(tmp_path / "run", key=key))


def test_a_value_that_the_record_contradicts_is_refused(tmp_path):
    with pytest.raises(IntegrityError, match="do not give"):
        read(written(tmp_path / "run", value=0.51))


def test_pickled_arrays_are_not_opened(tmp_path):
    folder = written(tmp_path / "run")
    np.savez(folder / "examples.npz", label=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        read(folder)


def test_the_probe_shown_is_the_one_compared_or_one_that_has_rows(tmp_path):
    source = read(written(tmp_path / "run"))
    pair = [["0012", "mlp"], ["raw", "pixels"]]
    assert source.probe == "linear"
    source.run["comparisons"] = [pair]
    assert source.probe == "linear", "the compared one was not run"
    known = source.rows.assign(classifier=["mlp", "linear"] * (len(source.rows) // 2))
    assert replace(source, rows=known).probe == "mlp"
    taps = source.rows.assign(classifier=["knn@conv1", "shuffled"] * (len(source.rows) // 2))
    assert replace(source, rows=taps).probe == "linear", "taps have a table of their own"


def test_a_class_named_like_a_missing_value_keeps_its_name(tmp_path):
    folder = written(tmp_path / "run")
    (folder / "duplicates.csv").write_text("fold,class_a,similarity\n0,None,\n0,NA,0.5\n")
    found = read(folder).duplicates
    assert found["class_a"].tolist() == ["None", "NA"]
    assert found["similarity"].isna().tolist() == [True, False]
