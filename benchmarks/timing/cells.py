"""What one row of the table asks for: which features, which labels, how many fits."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from benchmarks.contest import Contest
from benchmarks.draws import generator
from benchmarks.errors import ConfigError
from benchmarks.selection import Selection

Labelled = tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]]


@dataclass(frozen=True)
class Cell:
    """A head on the features of `reader` (a method, or a baseline that is linear in pixels).

    `labelled` holds ids and targets, `folds` the (train, validation) positions among them.
    """

    reader: str
    head: str
    taps: tuple[str, ...]
    decays: tuple[float, ...]
    default: tuple[str, float]
    labels_per_class: int
    labelled: Labelled
    folds: list[tuple[np.ndarray, np.ndarray]]

    @property
    def chooses(self) -> bool:
        """Whether there is a choice, and labels to make it by."""
        return len(self.taps) * len(self.decays) > 1 and bool(self.folds)

    @property
    def fits(self) -> int:
        """Fits of one tap at one decay: to choose, and the last one on all labels."""
        return 1 + len(self.taps) * len(self.decays) * len(self.folds) * self.chooses

    @property
    def fold_images(self) -> int:
        """Images in all parts of all folds: what a head that reads files visits an epoch."""
        return sum(len(train) + len(held) for train, held in self.folds) * self.chooses


def labelled_of(contest: Contest, budget: int, *, shuffle: bool = False) -> Labelled:
    """Ids and targets of a budget, as scoring.py draws them."""
    ids = contest.training(budget, draw=0)
    y = contest.targets(contest.labels[ids])
    if shuffle:
        y = generator(contest.round.seed, "shuffled labels", 0).permutation(y)
    return ids, y


def make_cell(
    probe: Any,
    labelled: Labelled,
    *,
    reader: str,
    head: str,
    taps: tuple[str, ...],
    default_tap: str,
    labels_per_class: int,
    selection: Selection,
    seed: int,
) -> Cell:
    """The cell of a linear probe; ConfigError for a probe that naive loops do not know."""
    decays = [trial.get("weight_decay") for trial in probe.trials]
    if None in decays or {trial.get("normalise") for trial in probe.trials} != {"standardise"}:
        raise ConfigError(
            f"{head} is no linear probe on standardised latents", "time such probes alone"
        )
    return Cell(
        reader=reader,
        head=head,
        taps=taps,
        decays=tuple(decays),
        default=(default_tap, decays[probe.default]),
        labels_per_class=labels_per_class,
        labelled=labelled,
        folds=selection.parts(labelled[1], seed=seed),
    )
