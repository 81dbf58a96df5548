"""NetworkClassifier: the probe contract for whatever trains a torch network on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Literal

import numpy as np
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from .inputs import count_classes, top1
from .training import DivergenceError, Training, predict_network, train_network

SelectEpoch = Literal["last", "best_on_val"]


class NetworkClassifier:
    """Trains a fresh network at each trial; probes and baselines that build networks hold one.

    `build(trial, n_classes, X)` returns the network. A trial's lr and weight_decay replace those
    of `training`. The last epoch counts, unless `select_epoch` is "best_on_val": that is seed 004's
    protocol, kept for its reproduction only, as a maximum over epochs flatters.
    """

    def __init__(
        self,
        build: Callable[[dict, int, Tensor], nn.Module],
        trials: list[dict],
        training: Training,
        *,
        select_epoch: SelectEpoch = "last",
    ) -> None:
        self.build, self.trials, self.training = build, trials, training
        self.select_epoch = select_epoch
        self.best_epochs_: dict[int, list[int]] = {}

    def validate(
        self,
        X: Shaped[Tensor, "n ..."],
        y: Int64[np.ndarray, " n"],
        X_val: Shaped[Tensor, "m ..."],
        y_val: Int64[np.ndarray, " m"],
    ) -> Float[np.ndarray, " t"]:
        """Return each trial's top-1 in [0, 1] on (X_val, y_val); 0 for one that diverges."""
        scores = [
            self._score(trial, X, y, X_val=X_val, y_val=y_val) for trial in range(len(self.trials))
        ]
        return np.array(scores)

    def fit(
        self, X: Shaped[Tensor, "n ..."], y: Int64[np.ndarray, " n"], trial: int
    ) -> NetworkClassifier:
        """Return self with `network_` trained at one trial; ValueError if the loss diverges.

        With "best_on_val" training stops at the median of the epochs that `validate` found best
        (and at the last if this object never validated).
        """
        found = self.best_epochs_.get(trial)
        stop_epoch = int(np.median(found)) if found else None
        self.network_ = self._train(trial, X, y, stop_epoch=stop_epoch)
        return self

    def predict_proba(self, X: Shaped[Tensor, "n ..."]) -> Float[np.ndarray, "n c"]:
        """Return the probability of each class, rows summing to 1."""
        return predict_network(self.network_, X, self.training)

    def _train(
        self,
        trial: int,
        X: Tensor,
        y: np.ndarray,
        *,
        stop_epoch: int | None = None,
        after_epoch: Callable[[nn.Module], None] | None = None,
    ) -> nn.Module:
        """Return a fresh network trained at one trial."""
        settings, n_classes = self.trials[trial], count_classes(y)
        rates = {key: settings[key] for key in ("lr", "weight_decay") if key in settings}
        return train_network(
            lambda: self.build(settings, n_classes, X),
            X,
            y,
            replace(self.training, **rates),
            stop_epoch=stop_epoch,
            after_epoch=after_epoch,
        )

    def _score(
        self, trial: int, X: Tensor, y: np.ndarray, *, X_val: Tensor, y_val: np.ndarray
    ) -> float:
        """Return one trial's top-1: after the last epoch, or at the best epoch."""
        scores: list[float] = []

        def measure(network: nn.Module) -> None:
            scores.append(top1(predict_network(network, X_val, self.training), y_val))

        try:
            if self.select_epoch == "best_on_val":
                self._train(trial, X, y, after_epoch=measure)
            else:
                measure(self._train(trial, X, y))
        except DivergenceError:
            return 0.0
        best = int(np.argmax(scores))
        if self.select_epoch == "best_on_val":
            self.best_epochs_.setdefault(trial, []).append(best + 1)
        return scores[best]


def draw_trials(
    default: dict[str, float], grid: Mapping[str, tuple[float, ...]], n_trials: int
) -> list[dict]:
    """Return `default`, then `n_trials - 1` others: points of the grid in an order drawn once.

    Beyond the grid's own points each value is drawn between the ends of its range, log-uniformly
    where all of them are above zero, else uniformly. The draws have their own fixed seeds, so that
    every probe seed meets the same trials, and fewer trials are the first of more.
    """
    points = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    others = [point for point in points if point != default]
    if n_trials < 1:
        raise ValueError(f"n_trials must be at least 1, got {n_trials}")
    order = np.random.default_rng(0).permutation(len(others))[: n_trials - 1]
    rng = np.random.default_rng(1)
    drawn = [
        {name: _between(values, rng) for name, values in grid.items()}
        for _ in range(n_trials - 1 - len(order))
    ]
    return [default, *(others[index] for index in order), *drawn]


def _between(values: Sequence[float], rng: np.random.Generator) -> float:
    lowest, highest = min(values), max(values)
    if lowest > 0:
        return float(np.exp(rng.uniform(np.log(lowest), np.log(highest))))
    return float(rng.uniform(lowest, highest))
