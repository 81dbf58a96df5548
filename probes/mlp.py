"""MlpProbe: one hidden layer on flattened, standardised latents."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int64
from torch import Tensor, nn

from .inputs import Standardiser, count_classes, flat_latents
from .network_classifier import NetworkClassifier, draw_trials
from .training import Training

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
        training = Training(
            steps=steps,
            max_epochs=max_epochs,
            batch_size=batch_size,
            lr=_DEFAULT["lr"],
            weight_decay=_DEFAULT["weight_decay"],
            seed=seed,
            device=device,
        )
        self.classifier_ = NetworkClassifier(self._network, self.trials, training)

    def validate(
        self,
        X: Float[np.ndarray, "n ..."],
        y: Int64[np.ndarray, " n"],
        X_val: Float[np.ndarray, "m ..."],
        y_val: Int64[np.ndarray, " m"],
    ) -> Float[np.ndarray, " t"]:
        """Return the top-1 in [0, 1] on (X_val, y_val) of every trial fitted on (X, y)."""
        count_classes(y)
        latents = flat_latents(X)
        standardise = Standardiser(latents)
        X_val_flat = standardise(flat_latents(X_val))
        return self.classifier_.validate(standardise(latents), y, X_val_flat, y_val)

    def fit(
        self, X: Float[np.ndarray, "n ..."], y: Int64[np.ndarray, " n"], trial: int
    ) -> MlpProbe:
        """Return self fitted at one trial; ValueError if the loss diverges."""
        count_classes(y)
        latents = flat_latents(X)
        self.standardiser_ = Standardiser(latents)
        self.classifier_.fit(self.standardiser_(latents), y, trial)
        return self

    def predict_proba(self, X: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n c"]:
        """Return the probability of each class, rows summing to 1."""
        return self.classifier_.predict_proba(self.standardiser_(flat_latents(X)))

    def _network(self, trial: dict, n_classes: int, X: Tensor) -> nn.Module:
        """Return the untrained network of one trial."""
        return nn.Sequential(
            nn.Linear(X.shape[1], self.width),
            nn.ReLU(),
            nn.Dropout(trial["dropout"]),
            nn.Linear(self.width, n_classes),
        )
