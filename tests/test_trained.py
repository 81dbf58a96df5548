"""Weights are found from a run's folder, only as safetensors, only into networks of ours."""

import csv
import shutil

import pytest
import torch
from omegaconf import OmegaConf

from benchmarks import run_folder
from benchmarks.errors import ConfigError, DataError, IntegrityError, ResourceError
from benchmarks.trained import TrainedMethods, pick_device

ASKED = ["methods=[block_untrained,block_regression,alexnet_cl]", "folds=[0,1]"]


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny, make_round, make_encoders):
    """The folder of a run as far as its encoders go, OUT/runs/demo, and these encoders."""
    out, cfg = tmp_path_factory.mktemp("out"), tiny(*ASKED)
    rounds = [make_round(out / "cache", fold=fold) for fold in cfg.folds]
    encoders = [encoder for at in rounds for encoder in make_encoders(at, *ASKED)]
    folder = out / "runs" / "demo"
    folder.mkdir(parents=True)
    run_folder.write_encoders(folder, encoders, rounds[0].images)
    run_folder.write_facts(folder, cfg, [], encoders, rounds=rounds, command="python run.py x=1")
    return folder, encoders


@pytest.fixture
def folder(made, tmp_path):
    """A copy of that folder and its cache to spoil."""
    shutil.copytree(made[0].parents[1], tmp_path / "out")
    return tmp_path / "out" / "runs" / "demo"


def linked(folder, lines):
    with (folder / "encoders.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("method", "fold", "seed", "key"), *lines])


def configured(folder, **changes):
    """Change config.yaml at the given keys."""
    config = OmegaConf.load(folder / "config.yaml")
    for key, value in changes.items():
        OmegaConf.update(config, key, value, force_add=True)
    OmegaConf.save(config, folder / "config.yaml")


def refused(folder, kind, said, name="block_regression"):
    with pytest.raises(kind, match=said) as caught:
        TrainedMethods(folder).load(name)
    assert caught.value.remedy
    return caught.value


def test_methods_stand_in_the_order_of_the_run(made):
    methods = TrainedMethods(made[0])
    assert methods.names == ["block_untrained", "block_regression", "alexnet_cl"]
    assert [methods.epochs(name) for name in methods.names] == [0, 1, 1]


def test_weights_are_those_of_the_first_fold(made):
    folder, encoders = made
    (first, second) = [e for e in encoders if e.name == "block_regression"]
    found = TrainedMethods(folder).load("block_regression")
    assert (found.fold, found.seed, found.side) == (0, 0, 16)
    weights, expected = found.model.state_dict(), first.encoder().model.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in weights)
    other = second.encoder().model.state_dict()
    assert any(not torch.equal(weights[name], other[name]) for name in weights)
    assert not found.model.training and not found.pretext.training


def test_loading_draws_no_random_number_of_the_caller(made):
    before = torch.get_rng_state()
    TrainedMethods(made[0]).load("alexnet_cl")
    assert torch.equal(before, torch.get_rng_state())


def test_the_training_side_is_the_methods_or_the_data_sets(folder):
    configured(folder, **{"methods.block_regression.pixels": 8, "methods.alexnet_cl.pixels": None})
    methods = TrainedMethods(folder)
    sides = [methods.load(name).side for name in ("block_regression", "alexnet_cl")]
    assert sides == [8, 16]


def test_a_link_to_the_folder_does(folder, tmp_path):
    (tmp_path / "latest").symlink_to(folder)
    assert TrainedMethods(tmp_path / "latest").load("alexnet_cl").name == "alexnet_cl"


def test_what_is_no_run_is_told_with_those_that_are(folder):
    with pytest.raises(ConfigError, match="is not the folder of a run") as caught:
        TrainedMethods(folder.parent / "dmeo")
    assert str(folder) in caught.value.remedy


def test_an_unknown_method_is_told_with_the_known_ones(folder):
    error = refused(folder, ConfigError, "trained no method block_regresion", "block_regresion")
    assert "block_untrained, block_regression, alexnet_cl" in error.remedy


def test_a_run_from_before_the_link_says_how_to_get_it(folder):
    (folder / "encoders.csv").unlink()
    error = refused(folder, DataError, "does not say where its weights are")
    assert "python run.py x=1" in error.remedy


@pytest.mark.parametrize("file", ["run.json", "config.yaml", "encoders.csv"])
@pytest.mark.parametrize("content", ["{", "a: [", "\t\n:"])
def test_a_damaged_file_is_no_traceback(folder, file, content):
    (folder / file).write_text(content)
    with pytest.raises((ConfigError, DataError)):
        TrainedMethods(folder).load("block_regression")


def test_weights_that_are_elsewhere_or_spoiled_are_told(folder):
    (key,) = {line["key"] for line in [TrainedMethods(folder).lines["block_regression"]]}
    record = folder.parents[1] / "cache" / "encoders" / key
    weights = record / "encoder.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    refused(folder, IntegrityError, "encoder.safetensors is not what was written")
    shutil.rmtree(record)
    assert "python run.py x=1" in refused(folder, DataError, "no weights in").remedy


def test_weights_of_another_network_are_told(folder):
    lines = TrainedMethods(folder).lines
    linked(folder, [("block_regression", 0, 0, lines["alexnet_cl"]["key"])])
    refused(folder, IntegrityError, "weights of block_regression do not fit")


@pytest.mark.parametrize("key", ["../../runs", "/etc", "", "a/b", "..", "a\\b"])
def test_a_key_leads_nowhere_else(folder, key):
    linked(folder, [("block_regression", 0, 0, key)])
    refused(folder, IntegrityError, "is no key")


@pytest.mark.parametrize("target", [
    "os.system", "pathlib.Path.touch", "benchmarks.store.atomic_write", "models.losses.load_file",
    "torch.load", "probes.linear.LinearProbe", "models.no_such.Model",
])  # fmt: skip
@pytest.mark.parametrize("place", ["model", "pretext", "pretext.output"])
def test_nothing_but_models_is_built(folder, tmp_path, target, place):
    spent = tmp_path / "spent"
    node = {"_target_": target, "_args_": [str(spent)]}
    configured(folder, **{f"methods.block_regression.{place}": node})
    refused(folder, ConfigError, "is no model of this project")
    assert not spent.exists()


@pytest.mark.parametrize("escaped", ["${bad}", "\\${bad}", "\\\\\\${bad}"])
def test_no_target_hides_in_an_interpolation(folder, tmp_path, escaped):
    spent = tmp_path / "spent"
    node = {"_target_": escaped, "_args_": [str(spent)]}
    configured(folder, bad="pathlib.Path.touch", **{"methods.block_regression.model": node})
    refused(folder, ConfigError, "is no model of this project|cannot be read")
    assert not spent.exists()


def test_nothing_is_downloaded_or_read_to_build_a_network(folder):
    lpips = {"_target_": "models.losses.Lpips", "weights": "torchvision"}
    changes = {"losses": {"smooth_l1": 1, "lpips": 1}, "lpips": lpips}
    configured(folder, **{f"methods.block_regression.pretext.{k}": v for k, v in changes.items()})
    assert TrainedMethods(folder).load("block_regression").pretext.lpips.label_free
    lpips["weights"] = "absent.safetensors"
    configured(folder, **{"methods.block_regression.pretext.lpips": lpips})
    assert TrainedMethods(folder).load("block_regression").pretext.lpips.label_free


def test_the_device_is_the_best_there_is_or_the_one_asked_for(monkeypatch):
    there = {"cuda": False, "mps": False}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there["cuda"])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there["mps"])
    assert pick_device("auto") == pick_device("cpu") == "cpu"
    for name in ("cuda", "mps"):
        with pytest.raises(ResourceError, match=f"no {name} device"):
            pick_device(name)
    there["mps"] = True
    assert pick_device("auto") == "mps"
    there["cuda"] = True
    assert (pick_device("auto"), pick_device("mps")) == ("cuda", "mps")
    with pytest.raises(ConfigError, match="device tpu does not exist"):
        pick_device("tpu")


def test_a_line_cut_short_is_no_traceback(folder):
    (folder / "encoders.csv").write_text("method,fold,seed,key\nblock_regression,0")
    refused(folder, DataError, "a line is not whole")
