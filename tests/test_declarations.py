"""Tests of benchmarks/claims/declarations.py, and of what configs/claims declares."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from benchmarks.claims.declarations import CORRELATION, Endpoint, declared
from benchmarks.errors import ConfigError
from benchmarks.report.quality import COLUMNS, REFERENCES
from benchmarks.settings import build, load_config, options

CLAIMS = declared()
PAIR = {"a": ("x", "linear"), "b": ("y", "linear"), "direction": "greater", "classes": "all"}


def test_there_are_the_26_questions_in_order():
    assert [claim.number for claim in CLAIMS] == list(range(1, 27))
    assert len({claim.declaration for claim in CLAIMS}) == 26
    assert all(claim.question.endswith("?") and claim.source for claim in CLAIMS)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_can_be_run_or_says_what_it_lacks(claim):
    assert claim.endpoints
    assert bool(claim.commands) != bool(claim.lacks)
    assert all(command.minutes > 0 for command in claim.commands)
    assert set(claim.experiments) <= set(options("exp"))
    for endpoint in claim.endpoints:
        assert endpoint.measure in ("top1", CORRELATION, *COLUMNS)


def taps(cfg, method):
    shape = {"in_channels": 1, "out_channels": 2}
    half = "half" in cfg.methods[method].model
    return build(cfg.methods[method].model, **({} if half else shape)).taps


def enters(cfg, method, classifier):
    """Whether a command's run has this row of top-1."""
    if classifier == "pixels":
        return method in cfg.baselines
    probe, _, _ = classifier.partition("@")
    handle = cfg.probes.get(probe)
    return method in cfg.methods and handle and method in handle.get("methods", [method])


def holds(cfg, endpoint):
    """Whether a command's run measures an endpoint."""
    if endpoint.labels_per_class is not None and endpoint.labels_per_class not in cfg.budgets:
        return False
    if endpoint.measure == CORRELATION:
        probes = [name for kind, name in (endpoint.a, endpoint.b) if kind == "top1"]
        return cfg.quality is not None and set(probes) <= set(cfg.probes)
    if endpoint.measure == "top1":
        return enters(cfg, *endpoint.a) and enters(cfg, *endpoint.b)
    shown = {*cfg.methods, *REFERENCES}
    return bool(cfg.quality) and {endpoint.a[0], endpoint.b[0]} <= shown


@pytest.mark.parametrize("claim", [c for c in CLAIMS if c.commands], ids=lambda claim: claim.name)
def test_the_commands_enter_both_sides_of_every_endpoint(claim):
    configs = [load_config(list(command.overrides)) for command in claim.commands]
    assert all(cfg.preset_name == "cpu" and cfg.primary.labels_per_class in cfg.budgets
               for cfg in configs)  # fmt: skip
    for endpoint in claim.endpoints:
        assert any(holds(cfg, endpoint) for cfg in configs), endpoint


def test_an_endpoint_without_its_entrant_would_be_found():
    cfg = load_config(["exp=food101_holdout", "preset=cpu"])
    there = {"a": ("seed004", "conv_head"), "b": ("small_cnn", "pixels")}
    assert holds(cfg, Endpoint(**{**PAIR, **there}, labels_per_class=75, smallest=0.01))
    for pair in (("seed005", "linear"), ("splitbrain_cl", "conv_head"), ("small_cnn", "linear")):
        endpoint = Endpoint(**{**PAIR, "a": pair}, labels_per_class=75, smallest=0.01)
        assert not holds(cfg, endpoint)


def test_the_layers_that_are_compared_exist():
    cfg = load_config(["exp=food101_holdout", "preset=cpu"])
    assert {"mid", "bottleneck"} <= set(taps(cfg, "seed004"))
    assert {"conv1", "conv3", "conv5"} <= set(taps(cfg, "splitbrain_cl"))


def test_a_command_line_quotes_lists():
    line = CLAIMS[7].commands[0].line
    assert line.startswith("python benchmarks/run.py exp=food101_holdout preset=cpu data.path=DIR ")
    assert "'methods=[splitbrain_cl,seed004]'" in line


@pytest.mark.parametrize(
    "wrong",
    [{"direction": "more"}, {"classes": "some"}, {"smallest": 0.0}, {"labels_per_class": None},
     {"measure": "psnr"}],
)  # fmt: skip
def test_an_endpoint_that_is_not_whole_is_refused(wrong):
    whole = {**PAIR, "labels_per_class": 25, "smallest": 0.01}
    Endpoint(**whole)
    with pytest.raises(ConfigError):
        Endpoint(**{**whole, **wrong})


def test_what_is_claimed_has_a_hash_and_what_is_known_of_runs_has_none(tmp_path):
    source = Path("configs/claims/09_few_labels_and_heads.yaml")
    said = OmegaConf.load(Path(__file__).resolve().parents[1] / source)

    def hash_with(**changes):
        OmegaConf.save(OmegaConf.merge(said, changes), tmp_path / source.name)
        return declared(tmp_path)[0].declaration

    first = hash_with()
    assert first == CLAIMS[8].declaration
    known = [{"exp": "food101_holdout", "split": "cafe", "fold": 1, "seed": 0}]
    assert hash_with(known_runs=known, notes="Another remark.") == first
    endpoints = OmegaConf.to_container(said.endpoints)
    endpoints[0]["smallest"] = 0.02
    assert hash_with(endpoints=endpoints) != first


def test_a_key_that_is_missing_or_unknown_is_told(tmp_path):
    for text in (
        "question: Why?\n",
        "question: Why?\nsource: x\ncommands: []\nendpoints: []\nx: 1\n",
    ):
        (tmp_path / "01_x.yaml").write_text(text)
        with pytest.raises(ConfigError, match=r"01_x\.yaml"):
            declared(tmp_path)
