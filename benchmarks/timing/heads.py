"""Heads solved together, as the suite chooses a weight decay, against the same heads one by one."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from benchmarks.splits import validation_folds
from benchmarks.timing.cells import labelled_of
from benchmarks.timing.clock import seconds_of
from benchmarks.timing.counts import Unit
from benchmarks.timing.material import Material
from benchmarks.timing.spread import ratios, spread
from benchmarks.timing.wording import grid_of, ratio, readable
from probes.linear import WEIGHT_DECAYS, Fold, LinearProbe

FOLDS = 8  # with the eight weight decays of a linear probe: 64 heads
TOGETHER, ALONE = ("heads", "together"), ("heads", "one by one")  # units of a turn
REPEATS = 7  # of what is done together: as long as one by one
AIM = 8  # times that one by one takes at least, it was hoped
LEGEND = """\
{heads} heads: a linear probe at {decays} weight decays on each of {folds} folds of {images}
labelled images, {features} latents each ({source}), {classes} classes. Together is how the suite
chooses a decay: folds in one batch, decays along one path, axes shared. One by one, the same solver
is given each fold and decay alone, to the same tolerance."""


@dataclass(frozen=True)
class Heads:
    """Labelled latents in (train, validation) folds, on each of which every decay is a head."""

    X: Float[np.ndarray, "n d"]
    y: Int64[np.ndarray, " n"]
    folds: Sequence[Fold]
    source: str
    device: str

    def together(self) -> Float[np.ndarray, "f w"]:
        """Top-1 of every fold and decay, solved together."""
        return LinearProbe(device=self.device).validate_folds(self.X, self.y, self.folds)

    def one_by_one(self) -> Float[np.ndarray, "f w"]:
        """The same, each head by a probe of its own."""
        return np.array([
            [self._alone(decay, *fold) for decay in sorted(WEIGHT_DECAYS, reverse=True)]
            for fold in self.folds
        ])  # fmt: skip

    def seconds(self) -> dict[Unit, float]:
        """How long both take: together the median of some, which last as long as one by one."""
        self.together()  # a table chooses hundreds of times: its first kernels do not count
        together = [seconds_of(self.together, self.device) for _ in range(REPEATS)]
        alone = seconds_of(self.one_by_one, self.device)
        return {TOGETHER: statistics.median(together), ALONE: alone}

    def section(self, turns: Sequence[Mapping[Unit, float]]) -> str:
        """The section of the page, from the seconds of every turn."""
        together, alone = ([turn[unit] for turn in turns] for unit in (TOGETHER, ALONE))
        heads, found = len(self.folds) * len(WEIGHT_DECAYS), ratios(alone, together)
        legend = LEGEND.format(
            heads=heads, decays=len(WEIGHT_DECAYS), folds=len(self.folds), images=len(self.y),
            features=self.X.shape[1], source=self.source, classes=len(np.unique(self.y)),
        )  # fmt: skip
        times = [readable(spread(seconds).median) for seconds in (together, alone)]
        line = [f"{heads} heads of a linear probe", *times, ratio(found)]
        grid = grid_of(["", "together", "one by one", "one by one / together"], [line])
        kept = "it is" if found.median >= AIM else "**it is not**"
        return f"{legend}\n\n{grid}\n\nAt least {AIM} times was aimed at: {kept}."

    def _alone(
        self, decay: float, train: Int64[np.ndarray, " t"], held: Int64[np.ndarray, " v"]
    ) -> float:
        probe = LinearProbe(weight_decays=[decay], device=self.device)
        X, y = self.X, self.y
        return float(probe.validate(X[train], y[train], X[held], y[held])[0])


def heads_of(material: Material, encoder: Any) -> Heads | None:
    """The labelled latents of an encoder's own tap at the largest budget, in up to FOLDS folds.

    None without an encoder, or where a class has a single label.
    """
    ids, y = labelled_of(material.contest, max(material.cfg.budgets))
    folds = validation_folds(y, n_folds=FOLDS, seed=material.at.seed)
    if encoder is None or not folds:
        return None
    X = encoder.latents.take(encoder.tap, ids).reshape(len(ids), -1)
    return Heads(X, y, folds, source=f"{encoder.name}, {encoder.tap}", device=material.device)
