"""Rows are stale where code, configuration or data have changed, and only those rows."""

import json

import pytest
from omegaconf import OmegaConf

from benchmarks.run_files import RunFiles
from benchmarks.stale import stale


def edit_facts(folder, change):
    facts = json.loads((folder / "run.json").read_text())
    change(facts)
    (folder / "run.json").write_text(json.dumps(facts))


def edit_config(folder, key, value):
    config = OmegaConf.load(folder / "config.yaml")
    OmegaConf.update(config, key, value)
    (folder / "config.yaml").write_text(OmegaConf.to_yaml(config))


def test_a_fresh_run_is_what_the_code_makes(finished):
    assert stale(RunFiles(finished)).status == "ok"


@pytest.mark.parametrize(
    ("stage", "records"), [("encoders", 16), ("latents", 16), ("probes", 16), ("baselines", 12)]
)
def test_changed_code_makes_stale_what_it_made(copied, stage, records):
    edit_facts(copied, lambda facts: facts["code"].update({stage: "0123"}))
    found = stale(RunFiles(copied))
    assert found.status == "stale" and f"{records} of 28 records" in found.text
    assert f"code of {stage} ({records})" in found.text


@pytest.mark.parametrize(
    ("key", "value", "reason", "records"),
    [
        ("methods.block_regression.tap", "down1", "methods.block_regression", 8),
        ("baselines.small_cnn.baseline.steps", 9, "baselines.small_cnn", 4),
        ("probes.linear.reads", "tap", "probes.linear", 8),
        ("max_features", 9, "max_features", 16),
        ("selection.folds", 4, "selection", 28),
        ("split.n_folds", 3, "split", 28),
    ],
)
def test_changed_configuration_makes_stale_what_reads_it(copied, key, value, reason, records):
    edit_config(copied, key, value)
    found = stale(RunFiles(copied))
    assert found.status == "stale" and f"{records} of 28 records" in found.text
    assert f"{reason} ({records})" in found.text


def test_changed_data_makes_all_stale(copied):
    edit_facts(copied, lambda facts: facts.update(fingerprint="0" * 32))
    assert "data (28)" in stale(RunFiles(copied)).text


def test_what_an_old_run_does_not_tell_is_not_known(copied):
    edit_facts(copied, lambda facts: facts.pop("code"))
    found = stale(RunFiles(copied))
    assert found.status == "not checked" and "has no hashes" in found.text
    edit_facts(copied, lambda facts: facts.update(command="python benchmarks/run.py methods=[x]"))
    assert "no longer composes" in stale(RunFiles(copied)).text
