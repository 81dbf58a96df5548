"""why names every input of a number, and says when a name means several."""

import json

import pandas as pd
import pytest

from benchmarks.errors import ConfigError
from benchmarks.run_files import RunFiles
from benchmarks.why import chain, find, main


@pytest.fixture
def row(finished):
    rows = pd.read_csv(finished / "rows.csv", dtype={"key": str, "commit": str})
    asked = "method == 'block_regression' and classifier == 'linear' and labels_per_class == 3"
    return rows.query(f"{asked} and fold == 1 and metric == 'top1' and classes == 'unseen'").iloc[0]


def test_the_chain_of_a_probe(finished, row, capsys):
    assert main([str(finished), row["key"]]) == 0
    said = capsys.readouterr().out
    steps = {line.split(maxsplit=1)[0]: line.split(maxsplit=1)[1] for line in said.splitlines()}
    cache = finished.parent.parent / "cache"
    kinds = ("row", "values", "record", "choice", "probe", "latents", "encoder", "cost", "recipe",
             "method", "split", "data", "code", "device", "command")  # fmt: skip
    assert tuple(steps) == kinds
    assert f"top1 {row['value']:.4f} (unseen)" in steps["values"] and "nll" in steps["values"]
    assert steps["record"] == f"rows/{row['key']}"
    choice = json.loads((cache / "rows" / row["key"] / "choice.json").read_text())
    assert f"tap {choice['tap']}, trial {choice['trial']}" in steps["choice"]
    assert choice["rule"] in steps["choice"] and json.dumps(choice["settings"]) in steps["choice"]
    places = pd.read_csv(finished / "encoders.csv", dtype=str)
    place = places.query("method == 'block_regression' and fold == '1'").iloc[0]
    assert steps["encoder"] == f"encoders/{place['key']}"
    assert steps["latents"].startswith(f"latents/{place['latents']}, at most 64")
    for stage, name in (("encoders", "key"), ("latents", "latents")):
        assert (cache / stage / place[name]).is_dir()
    assert "36 images seen" in steps["cost"] and "models.block_autoencoder" in steps["method"]
    assert steps["split"] == f"{row['split']} (split-1.tsv)"
    facts = json.loads((finished / "run.json").read_text())
    assert facts["fingerprint"] in steps["data"] and '"n_classes": 8' in steps["data"]
    assert row["commit"] in steps["code"] and facts["code"]["probes"] in steps["code"]
    assert steps["command"] == facts["command"]


def test_the_chain_of_a_baseline_has_no_encoder(finished):
    run = RunFiles(finished)
    key = find(run, run.rows.query("method == 'small_cnn'")["key"].iloc[0])[0]["key"]
    said = chain(run, key)
    assert "probes.scratch.ScratchClassifier" in said and "\nencoder" not in said


def test_a_name_that_means_several_lists_them(finished, row):
    run = RunFiles(finished)
    with pytest.raises(ConfigError, match="8 records are called block_regression") as caught:
        find(run, "block_regression")
    assert row["key"] in caught.value.remedy
    with pytest.raises(ConfigError, match="2 records are called block_regression/linear/3/unseen"):
        find(run, "block_regression/linear/3/unseen")
    for name in ("nobody", "block_regression/knn", "block_regression/linear/3/unseen/0"):
        with pytest.raises(ConfigError, match=f"has no row {name}"):
            find(run, name)


def test_a_name_that_means_one_is_enough(copied, row):
    rows = pd.read_csv(copied / "rows.csv")
    rows[rows["fold"] == 1].to_csv(copied / "rows.csv", index=False)
    (only,) = {r["key"] for r in find(RunFiles(copied), "block_regression/linear/3")}
    assert only == row["key"]
    assert len(find(RunFiles(copied), "block_regression/linear/3/unseen")) == 3


def test_what_an_old_run_lacks_is_said(copied, row):
    for name in ("encoders.csv", "split-1.tsv", "selection.csv"):
        (copied / name).unlink()
    facts = json.loads((copied / "run.json").read_text())
    del facts["code"], facts["fingerprint"]
    (copied / "run.json").write_text(json.dumps(facts))
    said = chain(RunFiles(copied), row["key"])
    assert said.count("key not recorded") == 2 and "its file is not here" in said
    assert "fingerprint not recorded" in said and "hashes not recorded" in said


def test_what_a_record_would_no_longer_be_made_of_is_said(copied, row):
    assert "stale" not in chain(RunFiles(copied), row["key"])
    facts = json.loads((copied / "run.json").read_text())
    facts["code"]["probes"] = "0123"
    (copied / "run.json").write_text(json.dumps(facts))
    assert "stale     code of probes\n" in chain(RunFiles(copied), row["key"])


@pytest.mark.parametrize("name", ["encoders.csv", "selection.csv"])
def test_a_table_with_another_header_is_told(copied, row, capsys, name):
    (copied / name).write_text("other,header\n1,2\n")
    assert main([str(copied), row["key"]]) == 3
    assert f"{name} is damaged: it lacks" in capsys.readouterr().err
