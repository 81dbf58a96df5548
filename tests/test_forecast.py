"""Costs are those of finished records of the same kind, and sizes those of the files."""

import shutil

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from benchmarks import forecast, planned
from benchmarks.encoders import MethodEncoder
from benchmarks.planned import Job, ReadingStore
from benchmarks.provenance import device_name
from benchmarks.run_files import RunFiles


@pytest.fixture
def cfg(finished):
    return OmegaConf.load(finished / "config.yaml")


def test_disk_is_that_of_the_records(finished, cfg):
    (at, _), known = planned.rounds(cfg, ReadingStore(finished.parent.parent / "cache"))
    assert known
    how = {"recipe": cfg.pretrain, "max_features": cfg.max_features}
    method = MethodEncoder("block_regression", cfg.methods.block_regression, at, **how)
    expected = forecast.footprint(method, at)
    taps = [path for path in method.latents.folder.glob("*.npy") if path.name != "ids.npy"]
    header = 128  # of a .npy file
    numbers = sum(np.load(path).size for path in taps)
    assert expected["latents"] == 2 * numbers
    assert expected["latents"] <= sum(path.stat().st_size - header for path in taps) <= 4 * numbers
    weights = (method.folder / "encoder.safetensors").stat().st_size
    assert expected["encoders"] == pytest.approx(weights, rel=0.3)
    assert forecast.images_seen(method, at) == 36


def test_seconds_are_those_on_record(finished, cfg):
    run = RunFiles(finished)
    known = forecast.seconds_by_kind([run])
    rows = run.rows[(run.rows["method"] == "small_cnn") & (run.rows["labels_per_class"] == 2)]
    job = Job("rows", "small_cnn", 0, 3, False, "pixels", 2, "all")
    device = device_name("cpu")
    expected = rows.drop_duplicates("key")["seconds"].median()
    assert forecast.hours([job], cfg, known, {}) == (pytest.approx(expected / 3600), [])
    costs = [line for line in run.table("cost.csv") if line["method"] == "block_regression"]
    each = sorted(float(line["seconds"]) / 36 for line in costs)
    encoder = Job("encoders", "block_regression", 0, 3, False)
    found = forecast.hours([encoder], cfg, known, {"block_regression": 72})[0]
    assert found == pytest.approx(72 * sum(each) / 2 / 3600)
    assert forecast.kind(encoder, cfg, device) in known
    assert forecast.kind(encoder, cfg, "another device") not in known


@pytest.mark.parametrize(
    "change",
    ["data.size=20", "max_features=32", "selection.folds=3", "data.n_classes=9",
     "baselines.small_cnn.baseline.steps=9"],
)  # fmt: skip
def test_another_kind_has_no_known_cost(finished, cfg, change):
    key, _, value = change.partition("=")
    OmegaConf.update(cfg, key, int(value))
    job = Job("rows", "small_cnn", 0, 0, False, "pixels", 2, "all")
    known = forecast.seconds_by_kind([RunFiles(finished)])
    assert forecast.hours([job], cfg, known, {}) == (0.0, [job])


def test_a_damaged_run_is_no_source(copied):
    out = copied.parent.parent
    assert len(forecast.earlier_runs(out)) == 1
    (copied / "config.yaml").write_text("{")
    assert forecast.earlier_runs(out) == []


def test_an_earlier_run_that_cannot_be_read_is_left_out(finished, tmp_path):
    for name, text in (("torn", "exp,meth"), ("old", None)):
        shutil.copytree(finished, tmp_path / "runs" / name)
        rows = pd.read_csv(finished / "rows.csv").drop(columns="seconds")
        text = rows.to_csv(index=False) if text is None else text
        (tmp_path / "runs" / name / "rows.csv").write_text(text)
    assert forecast.earlier_runs(tmp_path) == []
