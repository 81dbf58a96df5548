"""Inputs, losses and colour classes as one would write them without the suite."""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from benchmarks.errors import ConfigError
from models.outputs import ColorBins, LightnessBins, Regression
from models.pretext.autoencoding import LIGHTNESS, Autoencoding
from models.pretext.colorization import Colorization
from models.pretext.cross_channel import CrossChannel
from models.pretext.lightness import Lightness
from models.quantize import ab_bin_centers

NEIGHBOURS, SIGMA = 5, 5.0
KNOWN = "L/50-1", "ab/110", "L/50-1,ab/110"


def seen(inputs: str, lab: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n c h w"]:
    """What the network is shown of Lab; ConfigError for ranges that no row here uses."""
    if inputs not in KNOWN:
        raise ConfigError(f"the naive pipelines do not know inputs {inputs}", "time other methods")
    parts = {"L/50-1": lab[:, :1] / 50 - 1, "ab/110": lab[:, 1:] / 110}
    return torch.cat([parts[name] for name in inputs.split(",")], dim=1)


def loss_of(pretext: Any, raw: Any, lab: Float[Tensor, "n 3 h w"]) -> Float[Tensor, ""]:
    """The pretext's loss on a raw output, Lab being the target; ConfigError for other pretexts."""
    if isinstance(pretext, CrossChannel):
        halves = zip((pretext.colorization, pretext.lightness), raw, strict=True)
        return torch.stack([loss_of(half, output, lab) for half, output in halves]).sum()
    kind = type(pretext), type(pretext.output)
    if kind == (Colorization, ColorBins) and _hard(pretext):
        return F.cross_entropy(raw, nearest_bins(_like(lab[:, 1:], raw)))
    if kind == (Colorization, Regression) and pretext.terms == {"smooth_l1": 1.0}:
        return F.smooth_l1_loss(torch.tanh(raw), _like(lab[:, 1:], raw) / 110)
    if kind == (Lightness, LightnessBins):
        bins = (_like(lab[:, :1], raw)[:, 0] / 2).long().clamp(0, 49)
        return F.cross_entropy(raw, bins)
    if kind == (Autoencoding, Regression) and _copies_lightness(pretext):
        return F.smooth_l1_loss(torch.tanh(raw), _like(seen(LIGHTNESS, lab), raw))
    raise ConfigError(
        f"the naive pipelines do not know this {type(pretext).__name__}", "time other methods"
    )


def nearest_bins(ab: Float[Tensor, "n 2 h w"]) -> Tensor:
    """The nearest of the 313 bins of each pixel, int64 (n, h, w), by all distances."""
    pixels = ab.permute(0, 2, 3, 1).reshape(-1, 2)
    exact = "donot_use_mm_for_euclid_dist"
    distances = torch.cdist(pixels, ab_bin_centers().to(ab.device), compute_mode=exact)
    return distances.argmin(1).view(len(ab), *ab.shape[-2:])


def soft_by_distances(ab: Float[np.ndarray, "h w 2"]) -> Float[np.ndarray, "h w 313"]:
    """Dense soft targets of one image by the distances to all bins."""
    centers, pixels = ab_bin_centers().numpy(), ab.reshape(-1, 2)
    squared = ((pixels[:, None] - centers[None]) ** 2).sum(2)
    nearest = np.argsort(squared, axis=1, kind="stable")[:, :NEIGHBOURS]
    return _dense(nearest, np.take_along_axis(squared, nearest, 1)).reshape(*ab.shape[:2], -1)


def soft_by_tree(ab: Float[np.ndarray, "h w 2"], tree: Any) -> Float[np.ndarray, "h w 313"]:
    """Dense soft targets of one image by scikit-learn's neighbours, as the released code does."""
    distances, nearest = tree.kneighbors(ab.reshape(-1, 2), NEIGHBOURS)
    return _dense(nearest, distances**2).reshape(*ab.shape[:2], -1)


def bin_tree() -> Any:
    """scikit-learn's search tree over the 313 bins."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=NEIGHBOURS).fit(ab_bin_centers().numpy())


def _dense(nearest: np.ndarray, squared: np.ndarray) -> np.ndarray:
    weights = np.exp(-squared / (2 * SIGMA**2))
    dense = np.zeros((len(nearest), 313), np.float32)
    np.put_along_axis(dense, nearest, weights / weights.sum(1, keepdims=True), axis=1)
    return dense


def _hard(pretext: Colorization) -> bool:
    """Whether one-hot classes, unweighted, are the only term."""
    output: Any = pretext.output
    alone = pretext.terms == {"cross_entropy": 1.0}
    return alone and not output.soft and output.rebalance is None


def _copies_lightness(pretext: Autoencoding) -> bool:
    return (pretext.inputs, pretext.drop, pretext.loss) == (LIGHTNESS, 0, "smooth_l1")


def _like(target: Tensor, raw: Tensor) -> Tensor:
    if target.shape[-2:] == raw.shape[-2:]:
        return target
    return F.interpolate(target, size=raw.shape[-2:], mode="area")
