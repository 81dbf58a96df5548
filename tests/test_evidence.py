"""Tests of benchmarks/report/evidence.py: each table where it applies, and only there."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.paired_tests import corrected_t, mcnemar_p
from benchmarks.report.evidence import evidence_tables, other_tests, spread
from benchmarks.report.source import read
from benchmarks.report.standing import primary_rows


@pytest.fixture(scope="module")
def folds(tmp_path_factory, fake_run):
    return read(fake_run(tmp_path_factory.mktemp("two") / "demo"))


@pytest.fixture(scope="module")
def single(tmp_path_factory, fake_run):
    return read(fake_run(tmp_path_factory.mktemp("one") / "demo", folds=(0,)))


def with_rows(source, rows):
    return type(source)(**{**vars(source), "rows": rows})


def test_a_single_run_has_mcnemar_alone_and_says_why(single):
    table = other_tests(single)
    assert [row[0].split(",")[0] for row in table.rows] == ["exact McNemar"]
    assert "One run: folds and seeds cannot be tested." in table.caption
    assert spread(single) is None


def test_mcnemar_is_that_of_the_records(single):
    a, b = (single.read_predictions(key) for key in ("k0-0-25", "k6-0-25"))
    keep = np.isin(a["label"], single.unseen[0])
    right = [(x["label"] == x["predicted"])[keep] for x in (a, b)]
    p = mcnemar_p(*right)
    shown = other_tests(single).rows[0][3]
    assert shown == ("< 0.001" if p < 0.001 else f"{p:.3f}")


def test_folds_have_the_corrected_t_and_runs_a_probability(folds):
    rows = {row[0]: row for row in other_tests(folds).rows}
    part = primary_rows(folds).set_index(["method", "classifier", "fold"])["value"]
    differences = np.array([
        part["splitbrain_cl", "linear", f] - part["splitbrain_untrained", "linear", f]
        for f in (0, 1)
    ])  # fmt: skip
    known = corrected_t(differences, n_train=16, n_test=4)
    assert rows["corrected t, 2 folds"][3] == f"{known.p:.3f}"
    assert rows["corrected t, 2 folds"][2].startswith(f"{100 * differences.mean():+.1f} (")
    won = rows["probability that A is better, 2 runs"][2]
    assert won == "1.00 (0.16 to 1.00)"


def test_one_difference_in_every_fold_is_no_test_over_folds(folds):
    """Nothing of pixels depends on a fold: its records are the same, and Student's p would be 0."""
    first = folds.rows[folds.rows["fold"] == 0]
    same = with_rows(folds, pd.concat([first, first.assign(fold=1)], ignore_index=True))
    asked = {**same.run, "primary": {"labels_per_class": 25, "classes": "all"}}
    same = type(same)(**{**vars(same), "run": asked})
    assert not any("corrected t" in row[0] for row in other_tests(same).rows)


def test_spread_over_folds_is_their_sd(folds):
    table = spread(folds)
    assert table.header == ("method", "classifier", "IQM", "class fold (2)")
    values = primary_rows(folds).query("method == 'small_resnet'")["value"] * 100
    shown = next(row for row in table.rows if row[0] == "small_resnet")
    assert shown[2:] == ("-", f"{values.std():.1f}")
    assert "Friedman over 2 runs on these test images" in table.caption


def test_spread_by_level_where_every_fold_has_every_seed(folds):
    again = folds.rows.assign(seed=1, value=folds.rows["value"] + 0.01)
    rows = pd.concat([folds.rows, again], ignore_index=True)
    table = spread(with_rows(folds, rows))
    assert table.header[2:] == ("IQM", "class fold (2)", "seed (2)", "fold and seed (4)")
    # Two seeds 1 point apart in both folds: sd 0.7 of seeds, nothing left, whatever folds add.
    assert {row[4:] for row in table.rows} == {("0.7", "0.0")}
    assert all("to" in row[2] for row in table.rows)


def test_a_run_without_comparisons_or_primary_rows_has_no_evidence(folds):
    run = {**folds.run, "comparisons": [], "primary": None}
    assert evidence_tables(type(folds)(**{**vars(folds), "run": run})) == []
    assert evidence_tables(with_rows(folds, folds.rows.iloc[:0])) == []
