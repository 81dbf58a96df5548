"""What a configuration may say: its values are checked before anything heavy is imported."""

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf

from benchmarks.choices import check_choice
from benchmarks.controls import lacking
from benchmarks.declared_checks import check_declared
from benchmarks.errors import ConfigError
from benchmarks.source_checks import check_data, check_split

SECTIONS = ("pretrain", "selection", "way_matched", "scale")
LISTS = {  # the key of each list, and whether it may be empty
    "budgets": False, "folds": False, "seeds": False, "tasks": False, "exposure": True,
    "way_matched.classifiers": True,
}  # fmt: skip
TEXTS = ("name", "title", "question", "preset_name")
TRUTHS = ("plan", "exploratory", "selection.on_test")
MOST = 2**32 - 1  # the largest seed that all libraries take
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
RATES = {  # numbers of a recipe: the least, and what they stay below
    "epochs": (0, math.inf), "batch_size": (1, math.inf), "lr": (0, math.inf),
    "weight_decay": (0, math.inf), "beta1": (0, 1), "beta2": (0, 1),
}  # fmt: skip


def check_shapes(config: DictConfig) -> None:
    """Raise ConfigError for a section that is none, or a list that is none or repeats itself."""
    for key in SECTIONS:
        if not OmegaConf.is_dict(config[key]):
            raise ConfigError(
                f"{key}={config[key]} is no section", f"give {key}.KEY=VALUE for one of its keys"
            )
    for key, may_be_empty in LISTS.items():
        found = OmegaConf.select(config, key)
        if not OmegaConf.is_list(found) or not (found or may_be_empty):
            raise ConfigError(f"{key}={found} lists nothing", f"give {key}=[a] or {key}=[a,b]")
        check_once(key, list(found))


def check_once(key: str, values: Sequence[Any]) -> None:
    """Raise ConfigError for a list that has a value twice."""
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise ConfigError(f"{key}={[*values]} has {twice[0]} twice", "name it once")


def check_images(config: DictConfig) -> None:
    """Raise ConfigError for a value of `data` or `out` that no command can use."""
    if not (isinstance(config.out, str) and config.out.strip()):
        raise ConfigError(
            f"out={config.out} is no folder", "give a folder as text, such as out=results"
        )
    _check_whole(config, "data.size", WHOLE["data.size"])
    check_data(config)


def check(config: DictConfig) -> None:
    """Raise ConfigError for the first value that no run can have."""
    check_shapes(config)
    check_images(config)
    _check_scalars(config)
    for key, least in WHOLE.items():
        _check_whole(config, key, least)
    for key, known in CHOICES.items():
        for value in _values(config, key):
            check_choice(key, value, known)
    if not config.baselines and not (config.methods and config.probes):
        raise ConfigError("nothing competes", "give methods=[a] and probes=[b], or baselines=[c]")
    _check_sides(config)
    for owner in (config, *config.methods.values()):
        _check_recipe(owner.get("pretrain") or {})
    _check_controls(config)
    check_split(config)
    check_declared(config)


def _check_scalars(config: DictConfig) -> None:
    """Truths, names, and keys of `selection`, which nothing else would refuse before the end."""
    for key in TRUTHS:
        value = OmegaConf.select(config, key)
        if not isinstance(value, bool):
            raise ConfigError(
                f"{key}={value} is neither true nor false", f"give {key}=true or {key}=false"
            )
    for key in TEXTS:
        if not (isinstance(config[key], str) and config[key]):
            raise ConfigError(f"{key}={config[key]} is no text", f"give {key}='TEXT'")
    for key in config.selection:
        check_choice("selection key", key, ("folds", "validation_images", "on_test"))
    if config.selection.get("validation_images") is not None:
        _check_whole(config, "selection.validation_images", 1)


def _check_whole(config: DictConfig, key: str, least: int) -> None:
    for value in _values(config, key):
        if type(value) is not int or value < least:
            raise ConfigError(f"{key}={value} cannot be", f"give a whole number >= {least}")
        if value > MOST:
            raise ConfigError(f"{key}={value} is too large", f"give at most {MOST}")


def _check_sides(config: DictConfig) -> None:
    """Networks on pixels read images that are not larger than those of the data."""
    sides = {name: handle.get("pixels") for name, handle in config.methods.items()}
    sides |= {name: handle.baseline.get("size") for name, handle in config.baselines.items()}
    for name, side in sides.items():
        if side is not None and not (type(side) is int and 1 <= side <= config.data.size):
            raise ConfigError(
                f"{name} reads images of {side} px, they have {config.data.size}",
                "lower scale.block_pixels or scale.pixel_size, or raise data.size",
            )


def _check_controls(config: DictConfig) -> None:
    """Mandatory controls, and whether what the others are made for competes."""
    missing = ", ".join(lacking(config))
    if missing and not config.exploratory:
        raise ConfigError(
            f"controls are missing: {missing}",
            "add them to methods, probes or baselines, or give exploratory=true: the page says it",
        )
    for name in config.exposure:
        check_choice("exposure", name, list(config.methods))
    if "way_matched" not in config.tasks:
        return
    if "unseen" not in config.tasks:
        raise ConfigError(
            "tasks has way_matched and nothing to match", "add unseen to tasks, or leave both out"
        )
    for name in config.way_matched.classifiers:
        check_choice("way_matched.classifiers", name, [*config.probes, "pixels"])


def _values(config: DictConfig, key: str) -> list[Any]:
    value = OmegaConf.select(config, key)
    return list(value) if OmegaConf.is_list(value) else [value]


def _check_recipe(given: Any) -> None:
    """Keys and values of a `pretrain:` section, by the types of benchmarks/pretrain.py."""
    from benchmarks.pretrain import Recipe

    types = get_type_hints(Recipe)
    for key, value in given.items():
        check_choice("pretrain key", key, types)
        if get_origin(types[key]) is Literal:
            check_choice(f"pretrain.{key}", value, get_args(types[key]))
            continue
        kind = float if float in get_args(types[key]) else types[key]
        fits = isinstance(value, (int, float) if kind is float else kind)
        if not fits or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(f"pretrain.{key}={value} cannot be", f"give {kind.__name__}")
        least, below = RATES.get(key, (None, math.inf))
        if least is not None and not least <= value < below:
            limits = f">= {least}" if below == math.inf else f">= {least} and below {below}"
            raise ConfigError(f"pretrain.{key}={value} cannot be", f"give a number {limits}")
        if key == "clip" and not value > 0:
            raise ConfigError(f"pretrain.clip={value} cannot be", "give a number > 0, or .inf")
