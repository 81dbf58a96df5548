"""Configuration: Hydra composes it, this file checks it; the config stops at run.py.

Nothing outside this project's packages can be named by a `_target_`: the tree is walked and every
target checked before anything is imported.
"""

import inspect
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException
from omegaconf import DictConfig, ListConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from benchmarks.checks import check, check_images, check_once, check_shapes
from benchmarks.choices import ROOT, options, unknown
from benchmarks.controls import PARTS, add_exposed, lacking
from benchmarks.errors import ConfigError, ResourceError

ALLOWED = ("benchmarks.", "models.", "probes.")


def load_config(overrides: list[str]) -> DictConfig:
    """The configuration of a command line; ConfigError in one line if it has a mistake."""
    try:
        _check_chosen(overrides)
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            config = compose("config", overrides=overrides)
        check_shapes(config)
        _drop_unchosen(config)
        _drop_idle_notes(config)
        add_exposed(config, asked=any(o.startswith("exposure=") for o in overrides))
        said = any(o.lstrip("+").startswith("exploratory=") for o in overrides)
        if not said and any(o.startswith(PARTS) for o in overrides) and lacking(config):
            config.exploratory = True  # a part of an experiment, and the page says so
        targets = list(_targets(config))
    except MissingConfigException as error:
        raise _unknown_option(error) from None
    except (HydraException, OmegaConfBaseException, ValueError) as error:
        raise _bad_key(error) from None
    for target in targets:
        if not _is_ours(target):
            raise ConfigError(f"_target_ {target} is not of this project", "name one that is")
    return config


def _check_chosen(overrides: list[str]) -> None:
    """ConfigError where a list of handles names one twice: Hydra would take it once."""
    for override in OverridesParser.create().parse_overrides(overrides):
        names = override.value()
        if f"{override.key_or_group}=" in PARTS and isinstance(names, list):
            check_once(override.key_or_group, names)


def resolve(config: DictConfig) -> DictConfig:
    """The checked configuration with its device chosen and every `${...}` replaced."""
    try:
        check(config)
        config.device = available_device(config.device)
        OmegaConf.resolve(config)
    except OmegaConfBaseException as error:
        raise _bad_key(error) from None
    return config


def resolve_images(config: DictConfig) -> DictConfig:
    """The configuration for a command that reads images alone: data and `out` are checked."""
    try:
        check_images(config)
        OmegaConf.resolve(config.data)
    except OmegaConfBaseException as error:
        raise _bad_key(error) from None
    return config


def _drop_unchosen(config: DictConfig) -> None:
    """Remove what a preset says of handles that this run did not choose."""
    for group, part in (("methods", "model"), ("probes", "probe"), ("baselines", "baseline")):
        for name in list(config[group]):
            if OmegaConf.select(config[group][name], f"{part}._target_") is None:
                with open_dict(config):
                    del config[group][name]
    if OmegaConf.select(config, "quality._target_") is None:
        config.quality = {}  # quality=none, of an experiment that says how to measure


def _drop_idle_notes(config: DictConfig) -> None:
    """Leave the notes on what this run has: those of all, and `{of: NAMES, note: TEXT}` of some."""
    run, asked = {*config.methods, *config.probes, *config.baselines}, plain(config.notes)
    given = asked if isinstance(asked, list) else [asked]
    notes = [{"note": note, "of": run} if isinstance(note, str) else note for note in given]
    if not all(
        isinstance(note, dict) and {*note} == {"of", "note"} and isinstance(note["of"], list | set)
        for note in notes
    ):
        raise ConfigError(
            f"notes={asked} is no list of notes", "give texts, or {of: [NAMES], note: TEXT}"
        )
    config.notes = [str(note["note"]) for note in notes if not run.isdisjoint(note["of"])]


def build(node: Any, **arguments: Any) -> Any:
    """Instantiate a checked node; ConfigError names the target if its arguments do not fit."""
    from hydra.utils import instantiate

    try:
        made = instantiate(node, **arguments, _convert_="all")
        if isinstance(made, partial):
            inspect.signature(made.func).bind_partial(*made.args, **made.keywords)
        return made
    except Exception as error:
        cause = error.__cause__ or error
        text = " ".join(str(cause).split())
        raise ConfigError(
            f"{node.get('_target_')}: {text[:300]}", "mend the handle or the override"
        ) from error


def plain(node: Any) -> Any:
    """A config node as dictionaries, lists and scalars: what a record's key is made of."""
    return OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node


def available_device(asked: str) -> str:
    """The device for `auto`, or the one asked for; ResourceError if it is not there."""
    if asked == "cpu":
        return asked
    import torch

    found = torch.cuda.is_available()
    if asked == "cuda" and not found:
        raise ResourceError(
            "no CUDA device was found", "give device=cpu or preset=cpu (speed.py: --device cpu)"
        )
    return "cuda" if found else "cpu"


def _targets(node: Any) -> Iterator[str]:
    if isinstance(node, DictConfig):
        for key, value in node.items():
            if key == "_target_":
                yield str(value)
            else:
                yield from _targets(value)
    elif isinstance(node, ListConfig):
        for value in node:
            yield from _targets(value)


def _is_ours(target: str) -> bool:
    """Whether a file of this project defines it: what a file merely imports does not count."""
    module, _, name = target.rpartition(".")
    file = ROOT / f"{module.replace('.', '/')}.py"
    if not target.startswith(ALLOWED) or not file.is_file():
        return False
    return bool(re.search(rf"^(class|def) {re.escape(name)}\b", file.read_text(), re.MULTILINE))


def _unknown_option(error: MissingConfigException) -> ConfigError:
    group, _, name = str(error.missing_cfg_file or "").rpartition("/")
    return unknown(group, name, options(group))


def _bad_key(error: Exception) -> ConfigError:
    text = " ".join(str(error).split())
    cause = error.__cause__ or error
    key = re.search(r"Key '([^']+)' is not in struct|full_key: (\S+)", f"{text} {cause}")
    short = re.split(r" full_key:| Env variable| See https", text)[0]
    found = f" ({key.group(2) or key.group(1)})" if key else ""
    return ConfigError(
        f"{short[:240]}{found}", "see the keys with --cfg job; `key=value` changes one"
    )
