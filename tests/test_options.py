"""Every option changes the keys of records, or for its reason the jobs or run.json, or is refused.

Options are found by listing configs/ and signatures: one that does nothing cannot join unseen.
Those of data and splits are in tests/test_option_sources.py, outputs in test_option_outputs.py.
"""

import contextlib
import copy
import dataclasses
import inspect
import itertools
import json
import re
from functools import cache
from pathlib import Path

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from benchmarks import planned, run_folder
from benchmarks.checks import check
from benchmarks.contest import Round
from benchmarks.data import load_images
from benchmarks.errors import ConfigError, ResourceError
from benchmarks.pretrain import Recipe
from benchmarks.reconstruct import quality_rows
from benchmarks.settings import build
from benchmarks.store import Store

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
HANDLES = ("methods", "probes", "baselines")
GROUPS = (*HANDLES, "data", "split", "quality")
KNOWN = OmegaConf.to_container(OmegaConf.load(Path(__file__).with_name("option_values.yaml")))
SMALL, BESIDE, VALUES = KNOWN["small"], KNOWN["beside"], KNOWN["values"]


class Asked(Store):
    """Notes the key of every record asked for; where none is there, an empty one stands in."""

    def __init__(self, root):
        super().__init__(root)
        self.keys = set()

    def has(self, stage, key):
        self.keys.add((stage, key))
        return True

    def writing(self, stage, key):
        self.keys.add((stage, key))
        return contextlib.nullcontext()

    def path(self, stage, key):
        folder = self.root / stage / key
        if not folder.is_dir():
            folder.mkdir(parents=True)
            (folder / "encoder.safetensors").write_text(key)  # is hashed, and not read
            empty = dict.fromkeys(("tap", "trials", "seconds", "test_reads", "device", "commit"))
            for name in ("choice.json", "result.json"):
                (folder / name).write_text(json.dumps({**empty, "metrics": []}))
        return folder


def leaves(node, path, option):
    """(path, option) of every value below a node; an option is named after what it is given to."""
    if not isinstance(node, dict):
        yield path, option
        return
    if "_target_" in node:
        target = node["_target_"]
        option = target.rpartition(".")[2]
        if target.startswith("benchmarks."):  # their keys are not made of the handle as it stands
            parameters = inspect.signature(get_object(target)).parameters.values()
            given = {p.name: None for p in parameters if p.default is not p.empty}
            node = {name: of for name, of in given.items() if name != "fold"} | node
    for name, of in node.items():
        if name not in ("_target_", "_partial_", "defaults"):
            yield from leaves(of, f"{path}.{name}", f"{option}.{name}".lstrip("."))


def read(file):
    return OmegaConf.to_container(OmegaConf.load(CONFIGS / file)) or {}


@cache
def handles(group):
    return {file.stem: read(f"{group}/{file.name}") for file in sorted((CONFIGS / group).iterdir())
            if file.suffix == ".yaml"}  # fmt: skip


def below(group, tree):
    """`leaves` of a group's part of a file: a handle's name is no part of an option's."""
    if group not in HANDLES:
        return list(leaves(tree, group, group))
    return [of for name, node in tree.items() if name != "defaults"
            for of in leaves(node, f"{group}.{name}", group)]  # fmt: skip


def found():
    """option -> (group, name of the first handle that has it, path)."""
    options = {}
    for group in GROUPS:
        for name, tree in handles(group).items():
            for path, option in below(group, tree):
                options.setdefault(option, (group, name, path))
    options["probes.methods"] = ("probes", "linear", "probes.linear.methods")
    return options


FOUND = found()
SHARED = {key: value for key, value in read("config.yaml").items() if key not in HANDLES}
TOP = sorted({option for _, option in leaves(SHARED, "", "")}
             | {f"pretrain.{field.name}" for field in dataclasses.fields(Recipe)})  # fmt: skip


def another(option, value):
    """A value that is not `value`, and that the option may have."""
    words = option.split(".")
    for name in (option, ".".join(words[-2:]), words[-1]):
        if name in VALUES:
            return next(of for of in VALUES[name] if of != value)
    kinds = {bool: lambda: not value, int: lambda: value + 1, float: lambda: value / 2 or 0.5,
             str: lambda: f"{value}x", type(None): lambda: 1}  # fmt: skip
    return kinds[type(value)]() if type(value) in kinds else [1]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Say what a configuration asks for: keys of records, jobs, and the facts of its run.json."""
    root = tmp_path_factory.mktemp("asked")

    def ask(cfg, *, facts=False):
        store = Asked(root / "cache")
        images = load_images(build(cfg.data), store=Store(root / "images"), progress=False)
        rounds = [
            Round(images, build(cfg.split)(*images.labelling, fold=fold), fold, seed, store, "cpu")
            for fold, seed in itertools.product(cfg.folds, cfg.seeds)
        ]
        if not facts:
            for at in rounds:
                planned.jobs(cfg, at, known=True)
            return store.keys
        how = {"encoders": [], "rounds": rounds, "command": ""}
        run_folder.write_facts(root / "run", cfg, [], **how)
        return (root / "run" / "run.json").read_text()

    return ask


@cache
def readers(dial):
    """The overrides that choose the first handle which reads a dial of `scale`."""
    for group, name in ((g, f) for g in HANDLES for f in handles(g)):
        if re.search(rf"\b{dial}[,}}]", (CONFIGS / group / f"{name}.yaml").read_text()):
            return [f"{group}=[{name}]"]
    return []


def said(value):
    """A value as the command line takes it."""
    return json.dumps(value).replace('"', "'") if value != "" else "''"


@pytest.fixture(scope="module")
def before(tiny, asked):
    """The configuration of some overrides, and what it asks for, each once for all options."""
    made = cache(lambda *overrides: tiny(*SMALL, *overrides))
    known = cache(lambda overrides, facts: asked(made(*overrides), facts=facts))
    return lambda *overrides, facts=False: (made(*overrides), known(overrides, facts))


@pytest.mark.parametrize("option", sorted(set(TOP) - set(KNOWN["exempt"])))
def test_an_option_of_a_run(tiny, asked, before, option):
    beside, facts = (
        [*readers(option), *BESIDE.get(option.split(".")[0], [])],
        option in KNOWN["of_the_run"],
    )
    cfg, was = before(*beside, facts=facts)
    recipe = {f"pretrain.{field.name}": field.default for field in dataclasses.fields(Recipe)}
    old = OmegaConf.select(cfg, option, default=recipe.get(option))
    value = another(option, OmegaConf.to_object(old) if OmegaConf.is_config(old) else old)
    assert value != old
    try:
        assert was != asked(tiny(*SMALL, *beside, f"++{option}={said(value)}"), facts=facts)
    except ConfigError:
        return


@pytest.mark.parametrize("option", sorted(o for o, at in FOUND.items() if at[0] in HANDLES))
def test_an_option_of_a_handle(asked, before, option):
    group, name, path = FOUND[option]
    cfg, keys = before(f"{group}=[{name}]", *BESIDE.get(option, BESIDE.get(name, [])))
    changed = with_another(cfg, path, option)
    try:
        check(changed)
        assert keys != asked(changed)
    except ConfigError:
        return


def with_another(cfg, path, option):
    """A copy of the configuration with another value at `path`."""
    old, changed = OmegaConf.select(cfg, path), copy.deepcopy(cfg)
    value = another(option, OmegaConf.to_object(old) if OmegaConf.is_config(old) else old)
    assert value != old
    OmegaConf.update(changed, path, value, force_add=True)
    return changed


@pytest.fixture(scope="module")
def measured(make_round, make_encoders, tmp_path_factory):
    """A trained encoder that predicts classes of colour, in a store that notes what is asked."""
    at = make_round(tmp_path_factory.mktemp("measured"))
    choose = ["methods=[block_classes]"]
    assert make_encoders(at, *choose)[0].folder.is_dir()

    def keys(cfg):
        store = Asked(at.store.root)
        (method,) = make_encoders(dataclasses.replace(at, store=store), *choose)
        instruments = build(cfg.quality)
        quality_rows(method, instruments=instruments)
        return store.keys

    return keys


@pytest.mark.parametrize("option", sorted(o for o, at in FOUND.items() if at[0] == "quality"))
def test_an_option_of_quality(tiny, measured, option):
    slow = [] if "pips" in option else ["quality.lpips=null"]  # a trunk takes its time to hash
    cfg = tiny(*SMALL, "methods=[block_classes]", "quality=standard", *slow)
    changed = with_another(cfg, FOUND[option][2], option)
    try:
        assert measured(changed) != measured(cfg)
    except ConfigError:
        return


def test_the_device_changes_keys_or_is_not_there(tiny, asked):
    try:
        cfg = tiny(*SMALL, "device=cuda")
    except ResourceError:
        return
    assert asked(cfg) != asked(tiny(*SMALL))


@pytest.mark.parametrize("part", ["exp", "preset"])
def test_experiments_and_presets_have_no_options_of_their_own(part):
    """What they set of a handle is found where that handle is: only names and paths count here."""
    tested = set(TOP) | {".".join(path.split(".")[2:]) for _, _, path in FOUND.values()}
    tested |= {path.partition(".")[2] for group, _, path in FOUND.values() if group not in HANDLES}
    for file in CONFIGS.glob(f"{part}/**/*.yaml"):
        for group, node in read(file.relative_to(CONFIGS)).items():
            if group in HANDLES:
                assert set(node) <= set(handles(group)), file
                stated = {path for of in node.values() for path, _ in leaves(of, "", "")}
            elif group in GROUPS:
                stated = {path for path, _ in leaves(node, "", "")}
            else:
                stated = {option for _, option in leaves({group: node}, "", "")}
            assert {path.lstrip(".") for path in stated} - {""} <= tested | {"primary.task"}, file
