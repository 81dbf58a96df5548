"""MlpProbe: one hidden layer on flattened, standardised latents."""

from __future__ import annotations

from typing import cast

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor

from .inputs import Standardiser, count_classes, flat_latents, top1
from .network_classifier import draw_trials
from .stacked import StackedMlps
from .training import DivergenceError, Training, predict_network, train_network

_GRID = {
    "lr": (3e-4, 1e-3, 3e-3),
    "weight_decay": (0.0, 1e-4, 1e-2),
    "dropout": (0.0, 0.3, 0.5),
}
_DEFAULT = {"lr": 1e-3, "weight_decay": 1e-2, "dropout": 0.5}


class MlpProbe:
    """A hidden layer of `width` ReLU units with dropout, trained by AdamW to the last step.

    The first of the `n_trials` trials is the default, the most regularised of the middle rate;
    the others are drawn once from lr x weight_decay x dropout (Sariyildiz et al., 2021).
    """

    def __init__(
        self,
        *,
        width: int = 512,
        n_trials: int = 5,
        steps: int = 2000,
        max_epochs: int = 200,
        batch_size: int = 128,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.width, self.seed, self.device = width, seed, device
        self.trials: list[dict] = draw_trials(_DEFAULT, _GRID, n_trials)
        self.default = 0
        self.training = Training(
            steps=steps,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=_DEFAULT["lr"],  # each network has its trial's
            weight_decay=_DEFAULT["weight_decay"],
            seed=seed,
            device=device,
        )

    def validate(
        self,
        X: Float[np.ndarray, "n ..."],
        y: Int64[np.ndarray, " n"],
        X_val: Float[np.ndarray, "m ..."],
        y_val: Int64[np.ndarray, " m"],
    ) -> Float[np.ndarray, " t"]:
        """Return the top-1 in [0, 1] on (X_val, y_val) of every trial fitted on (X, y).

        All are trained at once; one that diverges scores 0.
        """
        latents = flat_latents(X)
        standardise = Standardiser(latents)
        try:
            networks = self._train(self.trials, standardise(latents), y)
        except DivergenceError:  # of every trial
            return np.zeros(len(self.trials))
        proba = self._proba(networks, standardise(flat_latents(X_val)))
        return np.array([top1(p, y_val) if np.isfinite(p).all() else 0.0 for p in proba])

    def fit(
        self, X: Float[np.ndarray, "n ..."], y: Int64[np.ndarray, " n"], trial: int
    ) -> MlpProbe:
        """Return self fitted at one trial; ValueError if the loss diverges."""
        latents = flat_latents(X)
        self.standardiser_ = Standardiser(latents)
        self.network_ = self._train([self.trials[trial]], self.standardiser_(latents), y)
        return self

    def predict_proba(self, X: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n c"]:
        """Return the probability of each class, rows summing to 1."""
        return self._proba(self.network_, self.standardiser_(flat_latents(X)))[0]

    def _train(
        self, trials: list[dict], X: Float[Tensor, "n d"], y: Int64[np.ndarray, " n"]
    ) -> StackedMlps:
        """Return a network trained at each of `trials`."""
        n_classes = count_classes(y)
        shape = {"n_inputs": X.shape[1], "width": self.width, "n_classes": n_classes}
        networks = train_network(lambda: StackedMlps(trials, **shape), X, y, self.training)
        return cast(StackedMlps, networks)

    def _proba(self, networks: StackedMlps, X: Float[Tensor, "n d"]) -> Float[np.ndarray, "t n c"]:
        """Return each network's probabilities."""
        proba = predict_network(networks, X, self.training)
        return proba.swapaxes(0, 1)
