"""What both naive pipelines do alike: PyTorch loops over files that are read at every visit."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from benchmarks.errors import ConfigError
from benchmarks.latents import grid
from benchmarks.timing.material import Material
from benchmarks.timing.objectives import loss_of, seen
from benchmarks.timing.visits import FeatureVisits, LabVisits, PixelVisits
from probes.color_statistics import ColorStatistics, cell_moments, color_histogram
from probes.pixel_linear import PixelLinear
from probes.pixels import downsample
from probes.training import learning_rate_factor

AHEAD = 8  # batches beyond the timed ones, so that no loader runs dry while it is timed


@dataclass
class Clock:
    """When each step was done, from the moment the work was asked for."""

    begun: float = field(default_factory=time.perf_counter)
    done: list[float] = field(default_factory=list)

    def tick(self) -> None:
        """Note that one more step is done."""
        self.done.append(time.perf_counter() - self.begun)

    def split(self, warm: int) -> tuple[float, float]:
        """Seconds to start, and seconds a step, of the steps after the first `warm` ones."""
        step = (self.done[-1] - self.done[warm - 1]) / (len(self.done) - warm)
        return max(0.0, self.done[warm - 1] - warm * step), step


class Naive:
    """Loops that the two naive pipelines share; they differ in `loader`, `copies` and `note`."""

    workers = 0
    copies = 1  # how often an item is transformed

    def __init__(self, material: Material) -> None:
        self.material, self.sample, self.device = material, material.sample, material.device

    def note(self, step: int, loss: Tensor) -> None:
        """Log a step's loss."""
        raise NotImplementedError

    def loader(self, visits: Dataset, size: int) -> DataLoader:
        """Batches in order, by this pipeline's number of workers."""
        how: dict[str, Any] = {"multiprocessing_context": "fork"} if self.workers else {}
        return DataLoader(visits, size, num_workers=self.workers, **how)

    def train(
        self, name: str, steps: int, *, ahead: int = 0, clock: Clock | None = None
    ) -> tuple[nn.Module, list[float]]:
        """A method after `steps` updates, and the loss of each; flips and order are the suite's."""
        clock = clock or Clock()
        recipe, (model, pretext) = self.material.recipes[name], self.material.fresh(name)
        model.to(self.device).train()
        solver, total = recipe.solver(model), self.material.steps(name)
        ids, turned = self.material.visits(name, steps + ahead)
        side = self.material.cfg.methods[name].get("pixels")
        visits = LabVisits(self._paths(ids), turned, side=side, copies=self.copies)
        losses = []
        for step, batch in enumerate(self.loader(visits, min(recipe.batch_size, len(ids)))):
            if step == steps:
                break
            labs = [lab.to(self.device) for lab in batch]
            loss = loss_of(pretext, model(seen(pretext.inputs, labs[0])), labs[-1])
            for group in solver.param_groups:
                group["lr"] = recipe.rate(step, total)
            solver.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
            solver.step()
            self.note(step, loss)
            losses.append(loss.detach())
            clock.tick()
        return model, torch.stack(losses).tolist()

    def settle(self, name: str) -> nn.Module:
        """An untrained method whose normalisation has seen a pass over the pretrain split."""
        model, pretext = self.material.fresh(name)
        model.to(self.device).train()
        layers = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
        for layer in layers:
            layer.reset_running_stats()
            layer.momentum = None
        ids = self.material.visits(name, self.material.per_epoch(name))[0]
        with torch.no_grad():
            for lab in self.labs(name, ids[: self.material.settling(name)]):
                model.encode(seen(pretext.inputs, lab))
        return model

    def labs(self, name: str, ids: Int64[np.ndarray, " m"]) -> Iterator[Tensor]:
        """Lab batches of the images `ids` at the size of a method."""
        recipe, side = self.material.recipes[name], self.material.cfg.methods[name].get("pixels")
        visits = LabVisits(self._paths(ids), np.zeros(len(ids), bool), side=side)
        for (lab,) in self.loader(visits, recipe.batch_size):
            yield lab.to(self.device)

    def read(
        self, reader: str, model: nn.Module | None, ids: Int64[np.ndarray, " m"],
        taps: Sequence[str],
    ) -> Iterator[dict[str, Float[Tensor, "b d"]]]:  # fmt: skip
        """Batches of flat features of the images `ids`, by one pass of the encoder."""
        if model is None:
            visits = FeatureVisits(self._paths(ids), self._pixel_features(reader))
            for (features,) in self.loader(visits, 64):
                yield dict.fromkeys(taps, features.to(self.device))
            return
        inputs = self.material.fresh(reader)[1].inputs
        model.eval()
        for lab in self.labs(reader, ids):
            with torch.no_grad():
                maps = model.encode(seen(inputs, lab))  # type: ignore[operator]
            yield {tap: self._pooled(maps[tap]).flatten(1) for tap in taps}

    def encode(
        self, reader: str, model: nn.Module | None, ids: Int64[np.ndarray, " m"],
        taps: Sequence[str],
    ) -> dict[str, Float[np.ndarray, "m d"]]:  # fmt: skip
        """All features of the images `ids`."""
        batches = list(self.read(reader, model, ids, taps))
        return {tap: torch.cat([b[tap] for b in batches]).cpu().numpy() for tap in taps}

    def train_on_labels(
        self, name: str, labelled: tuple[np.ndarray, np.ndarray], *, steps: int | None = None,
        ahead: int = 0, clock: Clock | None = None,
    ) -> nn.Module:  # fmt: skip
        """A network baseline trained on its labels from scratch, for `steps` (None: all)."""
        clock = clock or Clock()
        (ids, y), asked = labelled, self.material.networks[name]
        torch.manual_seed(asked.seed)
        network = asked.network(n_classes=int(y.max()) + 1).to(self.device).train()
        total, size = scratch_steps(asked, len(ids))
        steps = total if steps is None else steps
        solver = torch.optim.AdamW(
            network.parameters(), lr=asked.lr, weight_decay=asked.weight_decay
        )
        visited = np.concatenate(
            [np.random.default_rng(e).permutation(len(ids)) for e in range(steps + ahead)]
        )[: (steps + ahead) * size]
        visits = PixelVisits(self._paths(ids[visited]), y[visited], side=asked.size, augment=True)
        for step, (pixels, target) in enumerate(self.loader(visits, size)):
            if step == steps:
                break
            for group in solver.param_groups:
                group["lr"] = asked.lr * learning_rate_factor(step, total, asked.schedule)
            loss = F.cross_entropy(network(pixels.to(self.device)), target.to(self.device))
            solver.zero_grad()
            loss.backward()
            solver.step()
            self.note(step, loss)
            clock.tick()
        return network

    @torch.no_grad()
    def predict(
        self, name: str, network: nn.Module, ids: Int64[np.ndarray, " m"]
    ) -> Int64[np.ndarray, " m"]:
        """Classes that a network baseline gives the images `ids`."""
        size = self.material.networks[name].size
        visits = PixelVisits(self._paths(ids), np.zeros(len(ids), int), side=size, augment=False)
        found = [network.eval()(p.to(self.device)).argmax(1) for p, _ in self.loader(visits, 64)]
        return torch.cat(found).cpu().numpy()

    def _paths(self, ids: Int64[np.ndarray, " m"]) -> list[Path]:
        return [self.material.files[i] for i in ids]

    def _pooled(self, maps: Tensor) -> Tensor:
        side = grid(maps.shape[1], maps.shape[-1], self.material.cfg.max_features)
        return F.adaptive_avg_pool2d(maps, side)

    def _pixel_features(self, name: str) -> Any:
        baseline = self.material.baselines[name]
        if isinstance(baseline, PixelLinear):
            return lambda pixels: downsample(pixels, baseline.size)[0].flatten() / 255
        if isinstance(baseline, ColorStatistics):
            return lambda pixels: _statistics(torch.from_numpy(pixels), baseline)
        raise ConfigError(f"the naive pipelines do not know {name}", "time other baselines")


def scratch_steps(baseline: Any, n: int) -> tuple[int, int]:
    """Updates of a network baseline on `n` images, and the size of its batches."""
    batches = -(-n // baseline.batch_size)
    return min(baseline.steps, baseline.max_epochs * batches), -(-n // batches)


def _statistics(pixels: Tensor, baseline: ColorStatistics) -> Tensor:
    moments = cell_moments(pixels, grid=baseline.grid)
    return torch.cat([moments, color_histogram(pixels, bins=baseline.bins)], dim=1)[0]
