"""The trained methods of a run, from its folder: which there are, and each with its weights.

A run's folder says in encoders.csv (method, fold, seed, key) which records hold its weights; they
are in the cache beside the runs, OUT/runs/NAME and OUT/cache. Folders come from other people too:
only networks and pretexts of this project are built, and weights are safetensors.
"""

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from yaml import YAMLError

from benchmarks import settings
from benchmarks.errors import ConfigError, DataError, IntegrityError, ResourceError
from benchmarks.settings import plain
from benchmarks.store import Store

ENCODERS = "encoders.csv"
BUILT = "models."  # what a run's methods are made of
# Trunks are not fetched: a network's is in the saved weights, and LPIPS compares nothing here.
WEIGHTS = {
    "models.losses.Lpips": "random",
    "models.class_branch.ClassBranch": "none",
    "models.resnet_unet.ResnetUnet": "none",
}


@dataclass(frozen=True)
class Trained:
    """A method's network with its weights, and its pretext; both in evaluation mode, on a CPU.

    `side` is that of the images it was trained on, in pixels.
    """

    name: str
    fold: int
    seed: int
    side: int
    model: nn.Module
    pretext: Any


class TrainedMethods:
    """What the folder of a run knows of its methods; ConfigError if it is no such folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        if not (self.folder / "run.json").is_file():
            near = [self.folder.parent, Path("results/runs")]
            runs = sorted({str(path.parent) for place in near for path in place.glob("*/run.json")})
            raise ConfigError(
                f"{folder} is not the folder of a run", f"known: {', '.join(runs[:10]) or 'none'}"
            )
        try:
            self.facts: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        except ValueError:
            raise DataError(f"{self.folder / 'run.json'} is damaged", "run it again") from None

    @cached_property
    def lines(self) -> dict[str, dict[str, str]]:
        """The line of encoders.csv of each method: of its first fold and seed."""
        path = self.folder / ENCODERS
        if not path.is_file():
            raise DataError(f"{self.folder} does not say where its weights are", self._again)
        try:
            with path.open(newline="", encoding="utf-8") as file:
                lines = list(csv.DictReader(file))
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path} is damaged: {error}", self._again) from None
        if any(not {"method", "fold", "seed", "key"}.issubset(line) for line in lines):
            raise DataError(f"{path} lacks a column", self._again)
        if any(None in line or None in line.values() for line in lines):
            raise DataError(f"{path} is damaged: a line is not whole", self._again)
        return {line["method"]: line for line in reversed(lines)}

    def epochs(self, name: str) -> float:
        """Passes over its images for which the method was trained; 0 is an untrained control."""
        recipe = {**plain(self._config.pretrain), **plain(self._method(name).get("pretrain", {}))}
        return float(recipe["epochs"])

    def pretext(self, name: str) -> Any:
        """What the method was trained to predict; ConfigError if the run has no such method."""
        return _built(self._method(name).pretext)

    def load(self, name: str) -> Trained:
        """The method with its weights.

        ConfigError if the run has none of that name, DataError if its weights are not here,
        IntegrityError if they are not what was written or fit another network.
        """
        method, line, pretext = self._method(name), self.lines[name], self.pretext(name)
        channels = {"in_channels": pretext.in_channels, "out_channels": pretext.out_channels}
        model = _built(method.model, **channels)
        try:
            model.load_state_dict(load_file(self._weights(line["key"]), device="cpu"))
        except (RuntimeError, SafetensorError) as error:
            said = " ".join(str(error).split())[:200]
            raise IntegrityError(f"the weights of {name} do not fit: {said}", self._again) from None
        return Trained(
            name=name,
            fold=int(line["fold"]),
            seed=int(line["seed"]),
            side=int(method.get("pixels") or self.facts["image_size"]),
            model=model.eval(),
            pretext=pretext.eval(),
        )

    @property
    def names(self) -> list[str]:
        """Methods that have weights, in the order of the run's configuration."""
        return [name for name in self._config.methods if name in self.lines]

    @cached_property
    def _config(self) -> DictConfig:
        path = self.folder / "config.yaml"
        try:
            config = OmegaConf.load(path)
        except (OSError, YAMLError, OmegaConfBaseException):
            raise DataError(f"{path} is missing or damaged", self._again) from None
        if not isinstance(config, DictConfig) or not {"methods", "pretrain"}.issubset(config):
            raise DataError(f"{path} is not the configuration of a run", self._again)
        return config

    def _method(self, name: str) -> DictConfig:
        if name not in self.names:
            known = ", ".join(self.names) or "none, it has baselines alone"
            raise ConfigError(f"the run trained no method {name}", f"known: {known}")
        return self._config.methods[name]

    def _weights(self, key: str) -> Path:
        """The file of a record, by a name that cannot lead out of the cache."""
        if not (key.isascii() and key.isalnum()):
            raise IntegrityError(f"{key!r} is no key of a record", self._again)
        cache = self.folder.parent.parent / "cache"
        try:
            return Store(cache).path("encoders", key) / "encoder.safetensors"
        except KeyError:
            raise DataError(f"no weights in {cache / 'encoders' / key}", self._again) from None

    @property
    def _again(self) -> str:
        return f"give the run's command again: {self.facts.get('command', 'see its report')}"


def pick_device(asked: str) -> str:
    """The device asked for, ResourceError if it is not there; "auto": cuda, else mps, else cpu."""
    found = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if asked == "auto":
        return next(name for name, there in found.items() if there)
    if asked not in found:
        raise ConfigError(f"device {asked} does not exist", f"known: auto, {', '.join(found)}")
    if not found[asked]:
        raise ResourceError(f"no {asked} device was found", "give --device cpu")
    return asked


def _built(node: DictConfig, **arguments: Any) -> Any:
    """The network or pretext of a node, which is checked in the form in which it is built."""
    try:
        node = OmegaConf.create(_offline(plain(node)))
        targets = list(settings._targets(node))
    except OmegaConfBaseException as error:
        said = str(error).splitlines()[0]
        raise ConfigError(f"a method cannot be read: {said}", "distrust this run") from None
    for target in targets:
        if not (target.startswith(BUILT) and settings._is_ours(target)):
            raise ConfigError(f"_target_ {target} is no model of this project", "distrust this run")
    with torch.random.fork_rng():  # the caller's random numbers are not ours to draw
        return settings.build(node, **arguments)


def _offline(node: Any) -> Any:
    """The node with nothing to download or to read from a file."""
    if isinstance(node, list):
        return [_offline(entry) for entry in node]
    if not isinstance(node, dict):
        return node
    own = WEIGHTS.get(str(node.get("_target_")))
    return {key: _offline(value) for key, value in node.items()} | ({"weights": own} if own else {})
