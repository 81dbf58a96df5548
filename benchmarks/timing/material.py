"""The work itself: files, split, methods, cells and initial weights that all pipelines share."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int64
from omegaconf import DictConfig

from benchmarks import splits
from benchmarks.contest import Contest, Round
from benchmarks.data import load_images
from benchmarks.draws import order, uniforms
from benchmarks.encoders import MethodEncoder
from benchmarks.errors import ConfigError
from benchmarks.pretrain import Recipe
from benchmarks.selection import Selection
from benchmarks.settings import build, plain
from benchmarks.settle import BATCHES
from benchmarks.sources import ImageFolderSource
from benchmarks.store import Store
from benchmarks.timing.cells import Cell, labelled_of, make_cell
from benchmarks.timing.pictures import write_data_set, write_photos
from probes.chance import Chance
from probes.scratch import ScratchClassifier


@dataclass(frozen=True)
class Sample:
    """How much of the work one turn measures; what is not measured is projected from it."""

    photos: int = 1536  # JPEG files decoded and stored: starts and syncs are a small part then
    photo_side: int = 128  # px, stored at half of it
    large: int = 192  # JPEG files of Food-101's size, stored as small as the photos
    large_side: int = 512  # px
    colors: int = 192  # pictures at `photo_side` / 2 converted to Lab
    bins: int = 48  # pictures at the data set's size encoded softly
    warm: int = 2  # steps before the clock of a naive training starts
    steps: int = 6  # steps timed of each training
    scratch: int = 4  # steps timed of each network trained on labels
    images: int = 384  # passed through the encoder by the naive pipelines
    learned: int = 24  # steps behind the latents on which probes are timed


@dataclass
class Material:
    """What a table needs, in `root`, a folder that is thrown away; `cfg` is resolved.

    The first fold, seed and task are taken. Raises ConfigError for what naive loops do not know.
    """

    cfg: DictConfig
    root: Path
    sample: Sample

    def __post_init__(self) -> None:
        write_data_set(build(self.cfg.data), self.root / "images")
        write_photos(self.root / "photos", count=self.sample.photos, side=self.sample.photo_side)
        write_photos(self.root / "large", count=self.sample.large, side=self.sample.large_side)
        self.images = load_images(self.source(), store=self.store, progress=False)
        split = build(self.cfg.split)(*self.images.labelling, fold=self.cfg.folds[0])
        splits.audit(split, self.images.labels, self.images.hashes)
        self.at = Round(
            self.images, split, self.cfg.folds[0], self.cfg.seeds[0], self.store, self.device
        )
        self.contest = Contest(self.at, self.cfg.tasks[0], largest_budget=max(self.cfg.budgets))
        self.files = [self.root / "images" / name for name in self.images.names]

    @property
    def device(self) -> str:
        """Where networks run."""
        return str(self.cfg.device)

    @property
    def store(self) -> Store:
        """Records that no timing writes."""
        return Store(self.root / "cache")

    def source(self) -> ImageFolderSource:
        """The PNG files of the table."""
        return ImageFolderSource(str(self.root / "images"), size=self.cfg.data.size)

    @cached_property
    def baselines(self) -> dict[str, Any]:
        """The baselines from pixels, built; chance, which computes nothing, is left out."""
        made = {
            str(name): build(handle.baseline, seed=self.at.seed, _partial_=False)
            for name, handle in self.cfg.baselines.items()
        }
        return {name: made[name] for name in made if not isinstance(made[name], Chance)}

    @cached_property
    def networks(self) -> dict[str, ScratchClassifier]:
        """Baselines that train a network; one setting, so that nothing is chosen."""
        found = {n: b for n, b in self.baselines.items() if isinstance(b, ScratchClassifier)}
        for name, baseline in found.items():
            if len(baseline.trials) > 1:
                raise ConfigError(f"{name} chooses a setting", "give scale.trials=1")
        return found

    @cached_property
    def recipes(self) -> dict[str, Recipe]:
        """How each method is trained."""
        shared = plain(self.cfg.pretrain)
        return {
            str(name): Recipe(**{**shared, **plain(method.get("pretrain", {}))})
            for name, method in self.cfg.methods.items()
        }

    @cached_property
    def trained(self) -> list[str]:
        """Methods that take steps; the others are untrained controls."""
        return [name for name, recipe in self.recipes.items() if recipe.epochs]

    @cached_property
    def families(self) -> dict[str, str]:
        """Of each method the first one with the same network at the same size."""
        first: dict[str, str] = {}
        asked = {n: str((plain(m.model), m.get("pixels"))) for n, m in self.cfg.methods.items()}
        return {str(name): first.setdefault(key, str(name)) for name, key in asked.items()}

    def per_epoch(self, name: str) -> int:
        """Steps of one pass over the pretrain split."""
        n = len(self.at.split.pretrain)
        return n // min(self.recipes[name].batch_size, n)

    def steps(self, name: str) -> int:
        """Updates of a method in the whole table."""
        return self.recipes[name].steps(self.per_epoch(name))

    def settling(self, name: str) -> int:
        """Images that give an untrained method its batch statistics."""
        batches = min(BATCHES, self.per_epoch(name))
        return batches * min(self.recipes[name].batch_size, len(self.at.split.pretrain))

    def fresh(self, name: str) -> tuple[Any, Any]:
        """Model and pretext with the seed's initial weights, as encoders.py makes them."""
        method = self.cfg.methods[name]
        with torch.random.fork_rng():
            torch.manual_seed(self.at.seed)
            pretext = build(method.pretext)
            torch.manual_seed(self.at.seed)
            channels = {"in_channels": pretext.in_channels, "out_channels": pretext.out_channels}
            model = build(method.model, **channels)
        return model, pretext

    def visits(
        self, name: str, steps: int
    ) -> tuple[Int64[np.ndarray, " v"], Bool[np.ndarray, " v"]]:
        """Ids of the images of the first `steps` batches, in order, and which are mirrored."""
        recipe, ids = self.recipes[name], self.at.split.pretrain
        size = min(recipe.batch_size, len(ids))
        chosen, turned = [], []
        for epoch in range(-(-steps // self.per_epoch(name))):
            positions = order(self.at.seed, epoch, len(ids))[: self.per_epoch(name) * size]
            draws = uniforms(self.at.seed, epoch, len(ids), 1)[:, 0]
            chosen.append(ids[positions])
            turned.append((draws[positions] < 0.5) & recipe.flip)
        return np.concatenate(chosen)[: steps * size], np.concatenate(turned)[: steps * size]

    def encoder(self, name: str, *, steps: int | None = None, at: Round | None = None) -> Any:
        """The suite's encoder of a method, trained for `steps` updates (None: all of them)."""
        method = dict(self.cfg.methods[name])
        if steps is not None and self.recipes[name].epochs:
            short = dataclasses.asdict(self.recipes[name])
            method["pretrain"] = short | {"epochs": steps / self.per_epoch(name)}
        return MethodEncoder(
            name,
            DictConfig(method),
            at or self.at,
            recipe=self.cfg.pretrain,
            max_features=self.cfg.max_features,
        )

    @cached_property
    def cells(self) -> list[Cell]:
        """Every linear head of the table: of methods, then of baselines on pixels."""
        return [cell for budget in self.cfg.budgets for cell in self._cells(budget)]

    def _cells(self, budget: int) -> Iterator[Cell]:
        how: dict[str, Any] = {"labels_per_class": budget, "seed": self.at.seed}
        how["selection"] = Selection(**self.cfg.selection)
        labelled = labelled_of(self.contest, budget)
        for name, (head, handle) in product(self.cfg.methods, self.cfg.probes.items()):
            if handle.reads not in ("taps", "tap"):
                raise ConfigError(f"{head} reads {handle.reads}", "time taps or tap")
            encoder = self.encoder(name)
            taps = encoder.taps if handle.reads == "taps" else (encoder.tap,)
            probe = build(handle.probe, seed=self.at.seed, _partial_=False)
            shuffle = bool(handle.get("shuffle_labels", False))
            shown = labelled_of(self.contest, budget, shuffle=shuffle)
            row = {"reader": name, "head": head, "taps": taps, "default_tap": encoder.tap}
            yield make_cell(probe, shown, **row, **how)
        for name, probe in self.baselines.items():
            if name not in self.networks:
                row = {"reader": name, "head": "pixels", "default_tap": "pixels"}
                yield make_cell(probe, labelled, taps=("pixels",), **row, **how)
