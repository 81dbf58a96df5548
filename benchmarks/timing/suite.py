"""Ours: the suite's own functions, timed as run.py calls them; records and checks included."""

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from benchmarks.batches import Batches, in_order
from benchmarks.contest import Contest, Round
from benchmarks.data import load_images
from benchmarks.entrants import baseline_entrants, entrants, probe_entrants
from benchmarks.precision import Arithmetic
from benchmarks.pretrain import Recipe, Training, pretrain
from benchmarks.scoring import score
from benchmarks.selection import Selection
from benchmarks.settings import build
from benchmarks.sources import ImageFolderSource
from benchmarks.store import Store
from benchmarks.timing.cells import labelled_of
from benchmarks.timing.feed import feed_seconds
from benchmarks.timing.material import Material
from models.color import rgb_to_lab
from models.quantize import AbBins

FED = Recipe.batch_size  # images a batch


class Suite:
    """The suite as it is; `chosen` tells in which arithmetic each method was trained."""

    name = "ours"

    def __init__(self, material: Material) -> None:
        self.material, self.sample, self.device = material, material.sample, material.device
        self.chosen: dict[str, str] = {}
        self.bins = AbBins().to(self.device)

    def decode(self, folder: Path, side: int) -> UInt8[np.ndarray, "n s s 3"]:
        """A folder of files as a finished record: hashed, checked, memory-mapped."""
        with self.elsewhere() as store:
            source = ImageFolderSource(str(folder), size=side)
            return np.array(load_images(source, store=store, progress=False).images)

    def colors(self, images: UInt8[np.ndarray, "n h w 3"]) -> Iterator[Float[Tensor, "_b 3 h w"]]:
        """Lab of pictures, in the batches in which training is fed them."""
        batches = in_order(images, np.arange(len(images)), size=FED, device=self.device)
        return map(rgb_to_lab, batches)

    def soft(self, ab: Float[Tensor, "n 2 h w"]) -> tuple[Tensor, Tensor]:
        """Soft targets of a batch: indices and weights."""
        return self.bins.soft(ab.to(self.device))

    def batches(
        self, pretext: Any, images: UInt8[np.ndarray, "n h w 3"], ids: np.ndarray,
        *, recipe: Recipe, pixels: int | None,
    ) -> Batches:  # fmt: skip
        """What a training is fed."""
        return Batches(
            images, ids, size=recipe.batch_size, seed=self.material.at.seed,
            n_draws=pretext.n_draws, flip=recipe.flip, device=self.device, pixels=pixels,
        )  # fmt: skip

    def train(
        self, model: Any, pretext: Any, batches: Batches, *, recipe: Recipe
    ) -> tuple[float, float, Training]:
        """Seconds to start (arithmetic chosen, statistics), seconds a step, and the record."""
        begun = time.perf_counter()
        with self.elsewhere() as store:
            training = pretrain(model, pretext, batches, recipe=recipe, folder=store.root)
        whole = time.perf_counter() - begun
        return whole - training.seconds, training.seconds / training.step, training

    def train_method(self, name: str, steps: int) -> tuple[float, float, Training]:
        """The same for a method of the table, over `steps` updates."""
        material = self.material
        recipe = dataclasses.replace(
            material.recipes[name], epochs=steps / material.per_epoch(name)
        )
        model, pretext = material.fresh(name)
        batches = self._batches_of(name, pretext)
        start, step, training = self.train(model, pretext, batches, recipe=recipe)
        self.chosen[name] = training.precision
        return start, step, training

    def feed_method(self, name: str, training: Training, steps: int) -> tuple[float, float]:
        """Seconds a step of the batch, and of colours and targets, in the arithmetic chosen."""
        model, pretext = self.material.fresh(name)
        return feed_seconds(
            model, pretext, self._batches_of(name, pretext), recipe=self.material.recipes[name],
            way=Arithmetic(training.precision, training.channels_last), steps=steps,
        )  # fmt: skip

    def time_latents(self, name: str) -> float:
        """Seconds an image: latents of pool and test at every tap, on record."""
        encoder = self.material.encoder(name, steps=self.sample.learned)
        key = encoder.latents_key  # of the trained weights
        shutil.rmtree(self.material.store.root / "latents" / key, ignore_errors=True)
        begun = time.perf_counter()
        found = encoder.latents
        return (time.perf_counter() - begun) / len(found.ids)

    def time_heads(self, reader: str, budget: int) -> float:
        """Seconds a fit: every head on a reader's features, scored and on record."""
        material, fits = self.material, 0
        if reader in material.baselines:
            field = [
                e for e in baseline_entrants(material.images, material.cfg.baselines)
                if e.method == reader
            ]  # fmt: skip
        else:
            encoder = material.encoder(reader, steps=self.sample.learned)
            encoder.latents.ids.sum()  # extracted, unless they are
            field = list(probe_entrants(encoder, material.cfg.probes))
        fits = sum(
            cell.fits for cell in material.cells
            if (cell.reader, cell.labels_per_class) == (reader, budget)
        )  # fmt: skip
        with self.elsewhere() as store:
            contest = self._contest(store)
            begun = time.perf_counter()
            for entrant in field:
                self._score(entrant, contest, budget)
            return (time.perf_counter() - begun) / fits

    def time_scratch(self, name: str, steps: int) -> tuple[float, float]:
        """Seconds a step of a network trained on labels, and seconds an image predicted."""
        material = self.material
        node = material.cfg.baselines[name].baseline
        baseline = build(node, seed=material.at.seed, _partial_=False, steps=steps)
        ids, y = labelled_of(material.contest, max(material.cfg.budgets))
        images, shown = material.images.images, material.contest.test[: self.sample.images]
        begun = time.perf_counter()
        baseline.fit(images[ids], y, 0)
        trained = time.perf_counter()
        baseline.predict_proba(images[shown])
        return (trained - begun) / steps, (time.perf_counter() - trained) / len(shown)

    def table(self) -> dict[tuple[str, str, int], float]:
        """Top-1 of every row, from files to scores, as run.py makes them."""
        cfg, material = self.material.cfg, self.material
        with self.elsewhere() as store:
            images = load_images(material.source(), store=store, progress=False)
            at = dataclasses.replace(material.at, store=store, images=images)
            methods = [material.encoder(name, at=at) for name in cfg.methods]
            contest = self._contest(store)
            return {
                (entrant.method, entrant.classifier, budget): self._score(entrant, contest, budget)
                for entrant in entrants(methods, cfg.probes, cfg.baselines, images)
                for budget in cfg.budgets
            }

    @contextmanager
    def elsewhere(self) -> Iterator[Store]:
        """A store that nobody has written to, for as long as it is timed."""
        with tempfile.TemporaryDirectory(dir=self.material.root) as folder:
            yield Store(Path(folder))

    def _batches_of(self, name: str, pretext: Any) -> Batches:
        material = self.material
        pixels = material.cfg.methods[name].get("pixels")
        return self.batches(
            pretext, material.images.images, material.at.split.pretrain,
            recipe=material.recipes[name], pixels=pixels,
        )  # fmt: skip

    def _contest(self, store: Store) -> Contest:
        at: Round = dataclasses.replace(self.material.at, store=store)
        return Contest(at, self.material.contest.task)

    def _score(self, entrant: Any, contest: Contest, budget: int) -> float:
        selection = Selection(**self.material.cfg.selection)
        rows = score(entrant, contest, labels_per_class=budget, draw=0, selection=selection)
        return next(r["value"] for r in rows if r["metric"] == "top1" and r["classes"] == "all")
