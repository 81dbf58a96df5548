"""Chance: the baseline that has seen nothing."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int64, Shaped

from .inputs import count_classes, top1


class Chance:
    """A uniformly random ranking of the classes for each image, from a seed and nothing else.

    Probabilities are all within 0.1 % of 1/c, so that the likelihood too is that of chance.
    """

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed
        self.trials: list[dict] = [{}]
        self.default = 0

    def validate(
        self,
        X: Shaped[np.ndarray, "n ..."],
        y: Int64[np.ndarray, " n"],
        X_val: Shaped[np.ndarray, "m ..."],
        y_val: Int64[np.ndarray, " m"],
    ) -> Shaped[np.ndarray, " t"]:
        """Return the top-1 in [0, 1] of random classes on (X_val, y_val)."""
        proba = self.fit(X, y, 0).predict_proba(X_val)
        return np.array([top1(proba, y_val)])

    def fit(self, X: Shaped[np.ndarray, "n ..."], y: Int64[np.ndarray, " n"], trial: int) -> Chance:
        """Return self, knowing the number of classes only."""
        self.n_classes_ = count_classes(y)
        return self

    def predict_proba(self, X: Shaped[np.ndarray, "n ..."]) -> Shaped[np.ndarray, "n c"]:
        """Return nearly equal probabilities in random order, rows summing to 1."""
        rng = np.random.default_rng(self.seed)
        weights = 1 + 1e-3 * rng.random((len(X), self.n_classes_))
        return weights / weights.sum(axis=1, keepdims=True)
