"""Data and split: what can be told of them before an image is there."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from omegaconf import DictConfig, OmegaConf

from benchmarks.errors import ConfigError

LEAST = {  # whole numbers, where data or split has them, and the least that they may be
    "data.n_classes": 2, "data.train_per_class": 2, "data.test_per_class": 1,
    "split.n_folds": 2, "split.seed": 0,
}  # fmt: skip
SHARES = ("split.pool_fraction", "data.test_fraction")
WORDS = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}


def check_data(config: DictConfig) -> None:
    """Raise ConfigError for a value that the source of images cannot take."""
    _check_arguments(config, "data")


def check_split(config: DictConfig) -> None:
    """Raise ConfigError for a split or a fold that no data can have; DataError for a torn file."""
    _check_arguments(config, "split")
    n_folds, path = (config.split.get(key) for key in ("n_folds", "path"))
    if path is not None:
        from benchmarks.split_file import manifest_of_fold

        for fold in config.folds:
            manifest_of_fold(Path(path), fold)
        return
    n_classes = config.data.get("n_classes")
    if n_folds is not None and n_classes is not None and n_folds > n_classes:
        raise ConfigError(
            f"split.n_folds={n_folds} of {n_classes} classes", f"give 2 to {n_classes}"
        )
    for fold in config.folds:
        if fold >= (n_folds or 1):
            which = f"0 to {n_folds - 1}" if n_folds else "0: this split has fixed classes"
            raise ConfigError(f"fold {fold} does not exist", f"give {which}")


def _check_arguments(config: DictConfig, part: str) -> None:
    """The values of a handle, by the signature of what it makes."""
    hints = _hints(config[part]._target_)
    for name, value in config[part].items():
        key, hint = f"{part}.{name}", hints.get(str(name))
        plain = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        if hint is not None and not _fits(plain, hint):
            kind = WORDS.get(hint, "a list of texts")
            raise ConfigError(f"{key}={value} cannot be", f"give {kind}")
        if key in LEAST and value < LEAST[key]:
            raise ConfigError(f"{key}={value} cannot be", f"give a whole number >= {LEAST[key]}")
        if key in SHARES and not 0 < value < 1:
            raise ConfigError(f"{key}={value} cannot be", "give a number between 0 and 1")


def _hints(target: str) -> dict[str, Any]:
    """The types of the arguments of a class or function of this project, by name."""
    from hydra.utils import get_object

    made = get_object(target)
    return get_type_hints(made.__init__ if inspect.isclass(made) else made)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of one of the plain types; what others take, they check themselves."""
    if get_origin(hint) is Sequence:
        (inner,) = get_args(hint)
        return isinstance(value, list) and all(_fits(one, inner) for one in value)
    if hint is float:
        return type(value) in (int, float)
    return type(value) is hint if hint in WORDS else True
