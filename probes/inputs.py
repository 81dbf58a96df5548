"""What every probe asks of its inputs: labels 0..c-1, finite latents, training statistics."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn.functional import normalize

NORMALISATIONS = ("none", "standardise", "l2", "standardise+l2")


def count_classes(y: Int64[np.ndarray, " n"]) -> int:
    """Return the number of classes c; ValueError unless the labels are exactly 0..c-1, c >= 2."""
    present = np.unique(y)
    if len(present) < 2 or not np.array_equal(present, np.arange(len(present))):
        shown = ", ".join(str(label) for label in present[:8])
        raise ValueError(
            f"labels must be 0..c-1 with every class present and c >= 2, got {len(present)} "
            f"distinct ones ({shown}, ...): renumber the labels of the task first"
        )
    return len(present)


def flat_latents(X: Float[np.ndarray, "n ..."]) -> Float[Tensor, "n d"]:
    """Return latents as float32 (n, d); ValueError if any value is not finite."""
    flat = torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32)).flatten(1)
    check_finite(flat)
    return flat


def check_finite(latents: Float[Tensor, "n ..."]) -> None:
    """Raise ValueError if a latent is NaN or infinite: a probe on such latents means nothing."""
    bad = int((~torch.isfinite(latents)).flatten(1).any(1).sum())
    if bad:
        raise ValueError(
            f"degenerate latents: {bad} of {len(latents)} images have NaN or infinite values, "
            "expected finite ones: look at the encoder's pretraining loss"
        )


def top1(proba: Float[np.ndarray, "n c"], y: Int64[np.ndarray, " n"]) -> float:
    """Return the share in [0, 1] of rows whose largest probability is at the label."""
    return float((proba.argmax(axis=1) == y).mean())


class Standardiser:
    """Shift and scale of each feature, taken from the training latents alone.

    A feature that does not vary in training becomes 0 everywhere. With `scale=False` features are
    only centred, which changes nothing for a classifier with a free bias.
    """

    def __init__(self, X: Float[Tensor, "n d"], *, scale: bool = True) -> None:
        std, mean = torch.std_mean(X.double(), dim=0, correction=0)
        # Rounding leaves a constant feature of size m with a deviation of about 1e-16 m.
        varies = std > 1e-7 * mean.abs() + 1e-30
        factor = 1 / std.clamp_min(1e-30) if scale else torch.ones_like(std)
        self.mean_ = mean.float()
        self.factor_ = torch.where(varies, factor, torch.zeros_like(factor)).float()

    def __call__(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return latents in units of the training set's standard deviation."""
        return (X - self.mean_) * self.factor_


class Normaliser:
    """One of NORMALISATIONS, with the statistics of the training latents.

    "none" only centres; "l2" divides each image's latents by their length, as they are or
    standardised before, and then centres. ValueError for a name that is not known.
    """

    def __init__(self, X: Float[Tensor, "n d"], name: str) -> None:
        if name not in NORMALISATIONS:
            raise ValueError(f"unknown normalisation {name!r}: use one of {NORMALISATIONS}")
        self.unit = name.endswith("l2")
        self.first = Standardiser(X, scale=True) if name.startswith("standardise") else None
        self.last = None if name == "standardise" else Standardiser(self._measured(X), scale=False)

    def __call__(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """Return normalised latents."""
        measured = self._measured(X)
        return self.last(measured) if self.last else measured

    def _measured(self, X: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        scaled = self.first(X) if self.first else X
        return normalize(scaled, dim=1) if self.unit else scaled
