"""PixelLinear: logistic regression on small pictures, the baseline that learns no features."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64, UInt8

from .linear import WEIGHT_DECAYS, Fold, LinearProbe
from .pixels import downsample


class PixelLinear:
    """LinearProbe on RGB pixels in [0, 1], area-downsampled to `size` x `size`."""

    def __init__(
        self,
        *,
        size: int = 16,
        weight_decays: Sequence[float] = WEIGHT_DECAYS,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self.size, self.device, self.seed = size, device, seed
        self.linear_ = LinearProbe(weight_decays=weight_decays, device=device, seed=seed)
        self.trials: list[dict] = self.linear_.trials
        self.default = self.linear_.default

    def validate(
        self,
        X: UInt8[np.ndarray, "n h w 3"],
        y: Int64[np.ndarray, " n"],
        X_val: UInt8[np.ndarray, "m h w 3"],
        y_val: Int64[np.ndarray, " m"],
    ) -> Float[np.ndarray, " t"]:
        """Return the top-1 in [0, 1] on (X_val, y_val) of every trial fitted on (X, y)."""
        return self.linear_.validate(self._features(X), y, self._features(X_val), y_val)

    def validate_folds(
        self, X: UInt8[np.ndarray, "n h w 3"], y: Int64[np.ndarray, " n"], folds: Sequence[Fold]
    ) -> Float[np.ndarray, "f t"]:
        """Return `validate` of each fold (training positions, validation positions) of (X, y)."""
        return self.linear_.validate_folds(self._features(X), y, folds)

    def fit(
        self, X: UInt8[np.ndarray, "n h w 3"], y: Int64[np.ndarray, " n"], trial: int
    ) -> PixelLinear:
        """Return self fitted at one trial."""
        self.linear_.fit(self._features(X), y, trial)
        return self

    def predict_proba(self, X: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n c"]:
        """Return the probability of each class, rows summing to 1."""
        return self.linear_.predict_proba(self._features(X))

    def _features(self, X: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n d"]:
        """Return the small pictures as vectors in [0, 1]."""
        small = downsample(X, self.size).numpy()
        return small.reshape(len(small), -1).astype(np.float32) / 255
