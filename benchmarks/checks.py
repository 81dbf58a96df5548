"""What a configuration may say: its values are checked before anything heavy is imported."""

import difflib
import math
from collections.abc import Collection
from typing import Any, Literal, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf

from benchmarks.controls import lacking
from benchmarks.errors import ConfigError

LISTS = ("budgets", "folds", "seeds", "tasks")
WHOLE = {  # whole numbers, or lists of them, and the least that they may be
    "budgets": 1, "folds": 0, "seeds": 0, "draws": 1, "max_features": 1, "data.size": 8,
    "selection.folds": 1, "scale.steps": 1, "scale.max_epochs": 1, "scale.trials": 1,
    "pretrain.batch_size": 1, "way_matched.draws": 1,
}  # fmt: skip
CHOICES = {
    "device": ("auto", "cpu", "cuda"),
    "tasks": ("all", "seen", "unseen", "way_matched"),
    "scale.precision": ("32", "bf16"),
}


def check(config: DictConfig) -> None:
    """Raise ConfigError for the first value that no run can have."""
    for key in LISTS:
        if not (OmegaConf.is_list(config[key]) and config[key]):
            raise ConfigError(
                f"{key}={config[key]} lists nothing", f"give {key}=[a] or {key}=[a,b]"
            )
    for key, least in WHOLE.items():
        for value in _values(config, key):
            if type(value) is not int or value < least:
                raise ConfigError(f"{key}={value} cannot be", f"give a whole number >= {least}")
    for key, known in CHOICES.items():
        for value in _values(config, key):
            _check_choice(key, value, known)
    if not config.baselines and not (config.methods and config.probes):
        raise ConfigError("nothing competes", "give methods=[a] and probes=[b], or baselines=[c]")
    sides = {name: handle.get("pixels") for name, handle in config.methods.items()}
    sides |= {name: handle.baseline.get("size") for name, handle in config.baselines.items()}
    for name, side in sides.items():
        if side is not None and not (type(side) is int and 1 <= side <= config.data.size):
            raise ConfigError(
                f"{name} reads images of {side} px, they have {config.data.size}",
                "lower scale.block_pixels or scale.pixel_size, or raise data.size",
            )
    for owner in (config, *config.methods.values()):
        _check_recipe(owner.get("pretrain") or {})
    _check_controls(config)


def _check_controls(config: DictConfig) -> None:
    """Mandatory controls, and whether what the others are made for competes."""
    missing = ", ".join(lacking(config))
    if missing and not config.exploratory:
        raise ConfigError(
            f"controls are missing: {missing}",
            "add them to methods, probes or baselines, or give exploratory=true: the page says it",
        )
    for name in config.exposure:
        _check_choice("exposure", name, list(config.methods))
    if "way_matched" not in config.tasks:
        return
    if "unseen" not in config.tasks:
        raise ConfigError(
            "tasks has way_matched and nothing to match", "add unseen to tasks, or leave both out"
        )
    for name in config.way_matched.classifiers:
        _check_choice("way_matched.classifiers", name, [*config.probes, "pixels"])


def _values(config: DictConfig, key: str) -> list[Any]:
    value = OmegaConf.select(config, key)
    return list(value) if OmegaConf.is_list(value) else [value]


def _check_choice(key: str, value: Any, known: Collection[str]) -> None:
    if str(value) not in known:
        near = difflib.get_close_matches(str(value), known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(f"{key}={value} does not exist", f"{hint}known: {', '.join(known)}")


def _check_recipe(given: Any) -> None:
    """Keys and values of a `pretrain:` section, by the types of benchmarks/pretrain.py."""
    from benchmarks.pretrain import Recipe

    types = get_type_hints(Recipe)
    for key, value in given.items():
        _check_choice("pretrain key", key, types)
        if get_origin(types[key]) is Literal:
            _check_choice(f"pretrain.{key}", value, get_args(types[key]))
            continue
        kind = float if float in get_args(types[key]) else types[key]
        if not isinstance(value, (int, float) if kind is float else kind):
            raise ConfigError(f"pretrain.{key}={value} cannot be", f"give {kind.__name__}")
        if key == "epochs" and not 0 <= value < math.inf:
            raise ConfigError(f"pretrain.epochs={value} cannot be", "give a number >= 0")
