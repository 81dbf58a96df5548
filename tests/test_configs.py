"""Every handle that lies in configs/ composes, says what it is, and builds what it names."""

import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from benchmarks.checks import check
from benchmarks.partition import manifest
from benchmarks.settings import build, load_config, plain, resolve
from benchmarks.splits import fold_split
from models.encoder import Encoder, EncoderClassifier

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
FILES = sorted(path.relative_to(CONFIGS).as_posix() for path in CONFIGS.rglob("*.yaml"))
SMALL = [
    "device=cpu", "data.size=16", "scale.lpips=random", "scale.steps=10", "scale.max_epochs=10",
    "scale.precision='32'", "scale.trials=1",
]  # fmt: skip


def names(group: str) -> list[str]:
    """What exists in a group, as the files say."""
    return sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))


def comment(file: str) -> str:
    """The comment on top of a file, in one line, without the mark of its package."""
    lines = []
    for line in (CONFIGS / file).read_text("utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(line for line in lines if not line.startswith("@package"))


def entered(cfg) -> set[tuple[str, str]]:
    """The rows of an experiment: (method, probe) and (baseline, pixels)."""
    on_latents = {
        (method, probe)
        for method, (probe, handle) in product(cfg.methods, cfg.probes.items())
        if method in handle.get("methods", [method])
    }
    return on_latents | {(name, "pixels") for name in cfg.baselines}


@pytest.mark.parametrize("file", FILES)
def test_a_comment_stands_on_top(file):
    assert len(comment(file)) > 15


@pytest.mark.parametrize("group", ["methods", "probes", "baselines"])
def test_a_handle_has_the_name_of_its_file(group):
    for name in names(group):
        keys = list(OmegaConf.load(CONFIGS / group / f"{name}.yaml"))
        assert [key for key in keys if key != "defaults"] == [name]


def test_presets_name_themselves_and_what_they_belong_to():
    for name in names("preset"):
        assert OmegaConf.load(CONFIGS / "preset" / f"{name}.yaml").preset_name == name
    for name in names("preset/exp"):
        exp, _, preset = name.rpartition("_")
        assert exp in names("exp") and preset in names("preset")


@pytest.mark.parametrize("exp", names("exp"))
def test_the_header_of_an_experiment(exp):
    text = comment(f"exp/{exp}.yaml")
    parts = re.split(r"(Question|Command|Hours|Expected):", text)
    assert parts[1::2] == ["Question", "Command", "Hours", "Expected"]
    assert all(len(part) > 10 for part in parts[2::2])
    chosen = "" if exp == "quickstart" else f" exp={exp}"
    assert f"python benchmarks/run.py{chosen} " in parts[4]
    assert re.search(r"\d", parts[6]) or "configs/preset/exp/" in parts[6]


@pytest.mark.parametrize(("exp", "preset"), list(product(names("exp"), names("preset"))))
def test_an_experiment_composes_with_every_preset(exp, preset):
    cfg = load_config([f"exp={exp}", f"preset={preset}"])
    check(cfg)
    OmegaConf.resolve(cfg)
    assert not OmegaConf.missing_keys(cfg)
    assert (cfg.name, cfg.preset_name) == (exp, preset)
    assert cfg.device == {"gpu": "cuda", "cpu": "cpu"}.get(preset, "auto")
    assert cfg.primary.labels_per_class in cfg.budgets
    assert cfg.primary.classes in ("all", "seen", "unseen")
    assert cfg.comparisons
    for side in (tuple(side) for pair in plain(cfg.comparisons) for side in pair):
        assert side in entered(cfg), f"{side} is compared but does not compete"
    for name, handle in cfg.probes.items():
        assert set(handle.get("methods", [])) <= set(cfg.methods), f"methods of {name}"


@pytest.mark.parametrize(("exp", "preset"), list(product(names("exp"), names("preset"))))
def test_every_classifier_of_an_experiment_can_be_made(exp, preset):
    """At its preset's own settings: the numbers of trials, steps and decays are accepted."""
    cfg = resolve(load_config([f"exp={exp}", f"preset={preset}", "device=cpu"]))
    made = [build(handle.baseline, seed=0, _partial_=False) for handle in cfg.baselines.values()]
    for handle in cfg.probes.values():
        network = {"network": EncoderClassifier} if handle.reads == "encoder" else {}
        made.append(build(handle.probe, **network, seed=0, _partial_=False))
    assert all(classifier.trials for classifier in made)


def test_a_comparison_without_its_entrant_would_be_found():
    cfg = load_config(["exp=food101_holdout", "preset=cpu"])
    assert ("splitbrain_cl", "linear") in entered(cfg)
    assert ("small_resnet", "pixels") in entered(cfg)
    assert ("small_resnet", "linear") not in entered(cfg)
    assert ("splitbrain_reg", "finetune") not in entered(cfg), "the preset leaves it out"


@pytest.mark.parametrize("name", names("methods"))
def test_an_untrained_twin_differs_by_its_training_alone(tiny, name):
    said = re.match(r"Control: (\w+) as initialised", comment(f"methods/{name}.yaml"))
    method = tiny(*SMALL, f"methods=[{name}]").methods[name]
    untrained = plain(method).get("pretrain", {}).get("epochs") == 0
    assert bool(said) == untrained == name.endswith("_untrained")
    if said:
        twin = tiny(*SMALL, f"methods=[{said[1]}]").methods[said[1]]
        assert {**plain(twin), "pretrain": {"epochs": 0}} == plain(method)


def problem(pixels: bool) -> tuple[np.ndarray, np.ndarray]:
    """36 inputs of three classes, of which one channel gives the class away."""
    rng, y = np.random.default_rng(0), np.arange(36) % 3
    if pixels:
        X = rng.integers(0, 120, (36, 16, 16, 3), dtype=np.uint8)
        X[np.arange(36), :, :, y] += 120
        return X, y
    X = rng.normal(size=(36, 4, 4, 4)).astype(np.float32)
    X[np.arange(36), y] += 3
    return X, y


def fits(node, arguments, *, pixels):
    """Whether what a handle makes keeps the contract of probes; its top-1 on what it learned."""
    X, y = problem(pixels)
    probe = build(node, **arguments, seed=0, _partial_=False)
    scores = probe.validate(X[:24], y[:24], X[24:], y[24:])
    assert scores.shape == (len(probe.trials),)
    proba = probe.fit(X, y, probe.default).predict_proba(X)
    assert proba.shape == (36, 3)
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)
    return (proba.argmax(1) == y).mean()


@pytest.mark.parametrize("name", names("probes"))
def test_a_probe_fits(tiny, name):
    cfg = tiny(*SMALL, f"probes=[{name}]")
    handle, arguments = cfg.probes[name], {}
    assert handle.reads in ("taps", "each_tap", "views", "tap", "bottleneck", "encoder")
    if handle.reads == "encoder":
        model = build(cfg.methods.block_regression.model, in_channels=1, out_channels=2)
        encoder = Encoder(model, "L/50-1")
        arguments["network"] = lambda n_classes: EncoderClassifier(
            encoder, tap="mid", n_classes=n_classes
        )
    right = fits(handle.probe, arguments, pixels=handle.reads == "encoder")
    assert right > 0.6 or handle.reads == "encoder", "the class is in one channel"


@pytest.mark.parametrize("name", names("baselines"))
def test_a_baseline_fits(tiny, name):
    handle = tiny(*SMALL, f"baselines=[{name}]").baselines[name]
    right = fits(handle.baseline, {}, pixels=True)
    if name in ("pixel_linear", "color_statistics"):
        assert right > 0.6, "the class is in one channel"


@pytest.mark.parametrize("name", names("data"))
def test_a_source_opens_nothing_before_it_is_asked(name):
    path = ["data.path=absent"] if name == "imagefolder" else []
    source = build(load_config([f"data={name}", *path]).data)
    assert source.size >= 32 and source.fit == "crop" and source.name


@pytest.mark.parametrize("name", names("split"))
def test_a_split_divides(pictures, tmp_path, name):
    labels, is_test, hashes, class_names = pictures.labelling
    written = tmp_path / "split-0.tsv"
    written.write_text(manifest(fold_split(*pictures.labelling, fold=0, n_folds=4), hashes))
    unseen, path = f"split.unseen=[{class_names[3]}]", f"split.path={written}"
    chosen = {"held_out": [unseen], "manifest": [path]}.get(name, [])
    split = build(load_config([f"split={name}", *chosen]).split)
    if name == "seed004":
        with pytest.raises(Exception, match="baby_back_ribs"):
            split(labels, is_test, hashes, class_names, fold=0)
        return
    made = split(labels, is_test, hashes, class_names, fold=0)
    assert len(made.unseen) == {"folds": 2, "thirds": 3, "held_out": 1, "manifest": 2}[name]
    assert len(made.seen) + len(made.unseen) == 8
