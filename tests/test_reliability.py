"""Tests of benchmarks/report/reliability.py: calibration errors against loops and simulations."""

import math

import numpy as np
import pandas as pd
import pytest

from benchmarks.report.reliability import (
    binned,
    calibration_table,
    error_by_chance,
    reliability_figure,
)
from benchmarks.report.source import Source

LABEL = np.repeat(np.arange(4), 10)


def by_a_loop(confidence, right):
    """Expected calibration error as in Guo et al. (2017), equation 3, in exact bins."""
    total = 0.0
    for m in range(1, 16):
        inside = [i for i, c in enumerate(confidence) if (m - 1) / 15 < c <= m / 15]
        if inside:
            accuracy = sum(bool(right[i]) for i in inside) / len(inside)
            sure = sum(float(confidence[i]) for i in inside) / len(inside)
            total += len(inside) / len(confidence) * abs(accuracy - sure)
    return total


@pytest.mark.parametrize("seed", range(3))
def test_error_against_a_loop(seed):
    rng = np.random.default_rng(seed)
    confidence, right = rng.beta(2, 3, 500), rng.random(500) < 0.4
    assert binned(confidence, right).error == pytest.approx(by_a_loop(confidence, right), rel=1e-9)


def test_error_of_one_bin_is_the_difference():
    right = np.arange(10) < 6
    assert binned(np.full(10, 0.9), right).error == pytest.approx(0.3)
    assert binned(np.ones(10), np.ones(10, bool)).error == 0


def test_edges_belong_to_the_bin_below():
    bins = binned(np.array([0.001, 1 / 15, 0.0667, 14 / 15, 1.0]), np.ones(5, bool))
    assert np.flatnonzero(bins.images).tolist() == [0, 1, 13, 14]
    assert bins.images.sum() == 5 and bins.images[0] == 2


def test_calibrated_predictions_have_an_error_that_goes_to_zero():
    rng, found = np.random.default_rng(0), []
    for n in (200, 20_000, 2_000_000):
        confidence = rng.beta(1, 2, n)
        found.append(binned(confidence, rng.random(n) < confidence).error)
        assert error_by_chance(confidence, seed=1) == pytest.approx(found[-1], rel=0.6)
    assert found[0] > 0.02 and found[2] < 0.001
    assert found[0] / found[1] == pytest.approx(math.sqrt(100), rel=0.5)


def source(confidence, **changed):
    """Two rows at the primary endpoint in two runs; of 40 images, 20 are right."""
    rows = pd.DataFrame([
        {"method": method, "classifier": classifier, "label_free": True, "task": "all",
         "classes": "unseen", "labels_per_class": 5, "fold": 0, "seed": seed, "draw": 0,
         "metric": "top1", "value": 0.5, "key": f"{method}{seed}"}
        for method, classifier in (("net", "linear"), ("raw", "pixels")) for seed in (0, 1)
    ])  # fmt: skip
    predicted = np.where(np.arange(40) % 2 == 0, LABEL, -1)
    record = {"ids": np.arange(40), "label": LABEL, "predicted": predicted}
    records = {key: dict(record) for key in rows["key"]}
    for key, sure in confidence.items():
        records[key]["confidence"] = np.asarray(sure, np.float32)
    arguments = {
        "rows": rows, "config": "", "history": pd.DataFrame(), "cost": pd.DataFrame(),
        "selection": pd.DataFrame(), "quality": pd.DataFrame(), "examples": {},
        "read_quality": records.get, "read_predictions": records.__getitem__, "unseen": {0: [3]},
        "run": {"comparisons": [[["net", "linear"], ["raw", "pixels"]]],
                "primary": {"labels_per_class": 5, "classes": "unseen"}},
    }  # fmt: skip
    return Source(**{**arguments, **changed})


def test_the_table_has_the_endpoints_images_and_means_over_runs():
    unseen = np.where(LABEL == 3, 0.8, 0.01)
    table = calibration_table(source({"net0": unseen, "net1": unseen - 0.005}))
    assert "on unseen test classes" in table.title
    (row,) = table.rows  # of raw, no record tells a confidence
    assert row[:6] == ("net", "linear", "50.0", "79.8", "+29.8", "29.8")
    assert float(row[6]) == pytest.approx(10, abs=4)  # of ten images


def test_rows_stand_by_kind_and_then_by_error():
    some = dict.fromkeys(("net0", "net1"), np.full(40, 0.9))
    table = calibration_table(source({**some, "raw0": np.full(40, 0.5), "raw1": np.full(40, 0.5)}))
    assert [row[0] for row in table.rows] == ["net", "raw"] and table.rules == {1}
    assert [row[5] for row in table.rows] == ["40.0", "0.0"]


@pytest.mark.parametrize("sure", [None, np.full(40, np.nan)])
def test_records_without_confidence_have_no_section(sure):
    found = source({} if sure is None else dict.fromkeys(("net0", "net1", "raw0", "raw1"), sure))
    assert calibration_table(found) is None and reliability_figure(found) is None


def test_a_run_without_comparisons_has_a_table_and_no_figure():
    run = {"primary": {"labels_per_class": 5, "classes": "unseen"}}
    found = source({"net0": np.full(40, 0.9)}, run=run)
    assert calibration_table(found) is not None and reliability_figure(found) is None


def test_the_figure_tells_its_numbers():
    sure = np.where(np.arange(40) % 2 == 0, 0.9, 0.2)
    figure = reliability_figure(source({"net0": sure, "net1": sure, "raw0": np.full(40, 0.5)}))
    assert "net · linear, ECE 15.0 %: 20 sure 0 right, 90 sure 100 right" in figure.alt
    assert "raw · pixels, ECE 0.0 %: 50 sure 50 right" in figure.alt
