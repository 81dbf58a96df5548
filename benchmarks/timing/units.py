"""One turn of a pipeline: every unit of work, measured on a small part of it."""

import statistics
from collections import deque
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from benchmarks.timing.cells import Cell, labelled_of
from benchmarks.timing.clock import seconds_of
from benchmarks.timing.counts import Unit
from benchmarks.timing.fair import Fair
from benchmarks.timing.heads import Heads, heads_of
from benchmarks.timing.material import Material
from benchmarks.timing.naive import AHEAD, Clock
from benchmarks.timing.notebook import Notebook
from benchmarks.timing.suite import Suite
from models.color import as_images, rgb_to_lab

PASSES = 10  # over the pictures whose colours are converted, of which the median counts
PHOTOS = {"photos": "photos", "large photos": "large"}  # units of decoding and their folders
Job = tuple[str, Callable[[], dict[Unit, float]]]


class Bench:
    """What the turns of all pipelines are given; made before any clock runs."""

    def __init__(self, material: Material) -> None:
        self.material, self.sample = material, material.sample
        self.pipelines = (Notebook(material), Fair(material), Suite(material))
        self.readers = [*dict.fromkeys(material.families.values())]
        self.readers += sorted(set(material.baselines) - set(material.networks))
        self.side = self.sample.photo_side // 2

    @cached_property
    def pictures(self) -> UInt8[np.ndarray, "n h w 3"]:
        """The photographs, decoded: what colours and the roofline's step are timed on."""
        return self.suite.decode(self.material.root / "photos", self.side)

    @cached_property
    def ab(self) -> Float[np.ndarray, "n h w 2"]:
        """Whole ab of pictures at the data set's size, so that all pipelines encode the same."""
        images = torch.from_numpy(self.material.images.images[: self.sample.bins].copy())
        return (rgb_to_lab(as_images(images))[:, 1:] - 0.5).ceil().permute(0, 2, 3, 1).numpy()

    @cached_property
    def heads(self) -> Heads | None:
        """Those that are solved together and one by one; None without an encoder, or folds."""
        return heads_of(self.material, next(iter(self.encoders.values()), None))

    @property
    def suite(self) -> Suite:
        """Ours."""
        return self.pipelines[2]

    def cell(self, reader: str, budget: int) -> Cell:
        """The widest head on a reader's features."""
        found = [
            cell for cell in self.material.cells
            if (cell.reader, cell.labels_per_class) == (reader, budget)
        ]  # fmt: skip
        return max(found, key=lambda cell: cell.fits)

    @cached_property
    def encoders(self) -> dict[str, Any]:
        """The suite's encoders on whose latents probes are timed, trained for a few steps."""
        networks = [reader for reader in self.readers if reader in self.material.families]
        return {r: self.material.encoder(r, steps=self.sample.learned) for r in networks}

    def prepare(self) -> None:
        """Do what belongs to no turn: pictures, and the encoders behind the probes."""
        self.pictures.shape, self.ab.shape, self.material.cells.__len__(), self.heads
        for encoder in self.encoders.values():
            encoder.latents.ids.sum()

    def jobs(self, pipeline: Any) -> Iterator[Job]:
        """Every measurement of a turn, by name."""
        yield "decode", partial(self._decode, pipeline)
        yield "colours", partial(self._colors, pipeline)
        yield "bins", partial(self._bins, pipeline)
        for name in self.material.trained:
            yield f"step {name}", partial(self._step, pipeline, name)
        for reader in self.readers:
            yield f"pass {reader}", partial(self._pass, pipeline, reader)
            for budget in self.material.cfg.budgets:
                yield f"heads {reader}", partial(self._heads, pipeline, reader, budget)
        for name in self.material.networks:
            yield f"scratch {name}", partial(self._scratch, pipeline, name)
        if isinstance(pipeline, Suite) and self.heads:
            yield "heads together and one by one", self.heads.seconds

    def _decode(self, pipeline: Any) -> dict[Unit, float]:
        found = {}
        for unit, name in PHOTOS.items():
            folder = self.material.root / name
            files = sorted(folder.rglob("*.jpg"))
            read = folder if isinstance(pipeline, Suite) else files
            seconds = self._seconds(partial(pipeline.decode, read, self.side))
            found["decode", unit] = seconds / len(files)
        if isinstance(pipeline, Suite):
            table, size = self.material.root / "images", self.material.cfg.data.size
            seconds = self._seconds(lambda: pipeline.decode(table, size))
            found["decode", "table"] = seconds / len(self.material.files)
        return found

    def _colors(self, pipeline: Any) -> dict[Unit, float]:
        pictures = self.pictures[: self.sample.colors]

        def convert(pictures: Any) -> None:
            """As in training, which lets go of a batch before it converts the next."""
            deque(pipeline.colors(pictures), maxlen=0)

        convert(pictures)  # a run converts for minutes: its first milliseconds do not count
        passes = [self._each(convert, pictures) for _ in range(PASSES)]
        return {("colour", "Lab"): statistics.median(passes)}

    def _bins(self, pipeline: Any) -> dict[Unit, float]:
        if isinstance(pipeline, Suite):
            ab = torch.from_numpy(self.ab.transpose(0, 3, 1, 2).copy())
            return {("soft", "313 bins"): self._seconds(lambda: pipeline.soft(ab)) / len(ab)}
        return {("soft", "313 bins"): self._each(pipeline.soft, self.ab)}

    def _step(self, pipeline: Any, name: str) -> dict[Unit, float]:
        warm, steps = self.sample.warm, self.sample.steps
        if isinstance(pipeline, Suite):
            start, step, training = pipeline.train_method(name, steps)
            batch, colours = pipeline.feed_method(name, training, steps)
            fed = {("batch", name): batch, ("colours", name): colours}
            return {("start", name): start, ("step", name): step, **fed}
        clock = Clock()
        pipeline.train(name, warm + steps, ahead=AHEAD, clock=clock)
        start, step = clock.split(warm)
        return {("start", name): start, ("step", name): step}

    def _pass(self, pipeline: Any, reader: str) -> dict[Unit, float]:
        if reader not in self.encoders:
            if isinstance(pipeline, Suite):
                return {}  # features of pixels are made within its fits
            model, taps = None, ("pixels",)
        elif isinstance(pipeline, Suite):
            return {("pass", reader): pipeline.time_latents(reader)}
        else:
            model, taps = self._model(reader, pipeline), self.encoders[reader].taps
        ids = self.material.contest.test[: self.sample.images]
        encode = partial(pipeline.encode, reader, model, ids, taps)
        return {("pass", reader): self._seconds(encode) / len(ids)}

    def _heads(self, pipeline: Any, reader: str, budget: int) -> dict[Unit, float]:
        unit = f"{reader}@{budget}"
        if isinstance(pipeline, Suite):
            return {("fit", unit): pipeline.time_heads(reader, budget)}
        cell = self.cell(reader, budget)
        encoded = reader in self.encoders
        model = self._model(reader, pipeline) if encoded else None
        if isinstance(pipeline, Notebook):
            return {("visit", unit): pipeline.time_heads(cell, model)}
        tap = cell.default[0]
        if encoded:
            latents = self.encoders[reader].latents.take(tap, cell.labelled[0])
            X = {tap: latents.reshape(len(latents), -1)}
        else:
            X = pipeline.encode(reader, None, cell.labelled[0], (tap,))
        return {("fit", unit): pipeline.time_heads(cell, X)}

    def _scratch(self, pipeline: Any, name: str) -> dict[Unit, float]:
        steps, material = self.sample.scratch, self.material
        if isinstance(pipeline, Suite):
            step, image = pipeline.time_scratch(name, steps)
            return {("label step", name): step, ("predict", name): image}
        labelled = labelled_of(material.contest, max(material.cfg.budgets))
        clock, warm = Clock(), self.sample.warm
        network = pipeline.train_on_labels(
            name, labelled, steps=warm + steps, ahead=AHEAD, clock=clock
        )
        start, step = clock.split(warm)
        shown = material.contest.test[: self.sample.images]
        image = self._seconds(lambda: pipeline.predict(name, network, shown)) / len(shown)
        return {
            ("label start", name): start, ("label step", name): step, ("predict", name): image,
        }  # fmt: skip

    def _model(self, reader: str, pipeline: Any) -> Any:
        return self.encoders[reader].encoder().model.to(pipeline.device)

    def _seconds(self, work: Callable[[], Any]) -> float:
        return seconds_of(work, self.material.device)

    def _each(self, work: Callable[[Any], Any], items: Any) -> float:
        """Seconds an item of `work(items)`."""
        return self._seconds(lambda: work(items)) / len(items)
