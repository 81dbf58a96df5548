"""ColorStatistics: logistic regression on pooled colour, the control against colour shortcuts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional

from .linear import WEIGHT_DECAYS, Fold, LinearProbe
from .pixels import to_images

_CHUNK = 512


class ColorStatistics:
    """LinearProbe on each channel's mean and deviation on a grid, and a joint RGB histogram."""

    def __init__(
        self,
        *,
        grid: int = 4,
        bins: int = 6,
        weight_decays: Sequence[float] = WEIGHT_DECAYS,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self.grid, self.bins, self.device, self.seed = grid, bins, device, seed
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
    ) -> ColorStatistics:
        """Return self fitted at one trial."""
        self.linear_.fit(self._features(X), y, trial)
        return self

    def predict_proba(self, X: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n c"]:
        """Return the probability of each class, rows summing to 1."""
        return self.linear_.predict_proba(self._features(X))

    def _features(self, X: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n d"]:
        """Return the pooled colour of each image."""
        parts = []
        for start in range(0, len(X), _CHUNK):
            pixels = torch.from_numpy(np.ascontiguousarray(X[start : start + _CHUNK]))
            histogram = color_histogram(pixels, bins=self.bins)
            parts.append(torch.cat([cell_moments(pixels, grid=self.grid), histogram], dim=1))
        return torch.cat(parts).numpy()


def cell_moments(pixels: UInt8[Tensor, "n h w 3"], *, grid: int) -> Float[Tensor, "n d"]:
    """Return each channel's mean and standard deviation in each of grid x grid cells, RGB [0, 1].

    d = 6 * grid^2: all means (channel, row, column), then all deviations.
    """
    images = to_images(pixels)
    mean = functional.adaptive_avg_pool2d(images, grid)
    square = functional.adaptive_avg_pool2d(images.square(), grid)
    std = (square - mean.square()).clamp_min(0).sqrt()
    return torch.cat([mean.flatten(1), std.flatten(1)], dim=1)


def color_histogram(pixels: UInt8[Tensor, "n h w 3"], *, bins: int) -> Float[Tensor, "n d"]:
    """Return the square roots of the shares of pixels in bins^3 boxes of RGB (Hellinger's map)."""
    n, height, width, _ = pixels.shape
    box = pixels.long() * bins // 256
    joint = ((box[..., 0] * bins + box[..., 1]) * bins + box[..., 2]).flatten(1)
    counts = torch.zeros(n, bins**3).scatter_add_(1, joint, torch.ones(joint.shape))
    return (counts / (height * width)).sqrt()
