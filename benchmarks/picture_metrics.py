"""Colour, picture by picture: how near a prediction is to the truth, and how colourful it is.

Pictures are RGB in [0, 1], clipped by the caller, once; ab is that of the clipped RGB in ab units,
whatever space and range a method was trained in. Every measure gives one number a picture, so that
a mean is weighted by picture and the batches do not matter.
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Float, Int64, Num
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

from models.color import Images, rgb_to_lab, split_lab
from models.quantize import AbBins

Pictures = Float[Tensor, "n 3 h w"]
Values = Float[Tensor, " n"]

AUC_REACH = 150.0  # ab units; Zhang et al. 2016, section 3.1
PRIOR_SIGMA = 5.0  # ab units; the same, section 2.2
HALF_STEP = 0.5 / 255  # of 8 bits: what rounding makes of it is invisible
ROUNDING_ERROR = 1 / (12 * 255**2)  # mean square of rounding to 8 bits
SSIM_WINDOW = 11
NO_EDGE = 0.05  # ab units a pixel; the ab of a gray picture varies by 0.003 at most


class PictureMetrics:
    """All measures that need no network, of a batch of pairs of pictures.

    `prior` counts the pixels of the pretrain split in each of the 313 ab bins.
    """

    def __init__(self, prior: Num[Tensor, " 313"], device: str) -> None:
        self.bins = AbBins(neighbours=1).to(device)
        self.weights = class_weights(prior, self.bins.centers.cpu()).to(device)

    def __call__(self, predicted: Pictures, truth: Pictures) -> dict[str, Values]:
        """Values by name, float64; those with a dot in it are for `pooled` to combine."""
        lightness, true_ab = split_lab(rgb_to_lab(truth))
        ab = split_lab(rgb_to_lab(predicted))[1]
        difference = (ab - true_ab).double()
        area = auc_area(difference.norm(dim=1))
        weights = self.weights[self.bins.hard(true_ab)]
        mean_a, mean_b = ab.double().mean((2, 3)).unbind(1)
        found = {
            "ab_mae": difference.abs().mean((1, 2, 3)),
            "ab_mse": (difference**2).mean((1, 2, 3)),
            "psnr": psnr(predicted, truth),
            "ssim": ssim(predicted, truth),
            "auc": area.mean((1, 2)),
            "auc_rebalanced.area": (weights * area).mean((1, 2)),
            "auc_rebalanced.weight": weights.mean((1, 2)),
            "colourfulness": colourfulness(predicted),
            "ab_width.a": mean_a,
            "ab_width.b": mean_b,
            "ab_width.square": (ab.double() ** 2).sum(1).mean((1, 2)),
            "edge_agreement": edge_agreement(ab, lightness),
            "gamut_edge": gamut_edge(predicted),
        }
        return {name: values.double() for name, values in found.items()}


def pooled(values: Mapping[str, Float[np.ndarray, " n"]]) -> dict[str, float]:
    """The measures of a set of pictures of one size, from the values of each.

    All are means over pictures but two. `auc_rebalanced` is a weighted mean over all pixels of the
    set. `ab_width` is the standard deviation of ab over all pixels of the set, in ab units, the
    root of the summed variances of a and b: the width of the histograms in Isola et al. 2017,
    "Image-to-Image Translation with Conditional Adversarial Networks", figure 7.
    """
    means = {name: float(np.mean(of, dtype=np.float64)) for name, of in values.items()}
    found = {name: mean for name, mean in means.items() if "." not in name}
    found["auc_rebalanced"] = means["auc_rebalanced.area"] / means["auc_rebalanced.weight"]
    variance = means["ab_width.square"] - means["ab_width.a"] ** 2 - means["ab_width.b"] ** 2
    found["ab_width"] = math.sqrt(max(variance, 0.0))
    return found


def class_weights(
    prior: Num[Tensor, " 313"], centers: Float[Tensor, "313 2"]
) -> Float[Tensor, " 313"]:
    """Weight of a pixel by the ab bin of its true colour, 1 / p~, with mean 1 under the prior.

    Equation 4 of Zhang et al. 2016 with lambda = 0: p~ is the prior smoothed by a Gaussian of 5 ab
    units. Without lambda nothing bounds the weight of a bin far from all colours of the prior, so
    a bin that counts no pixel has at most the largest weight of those that do. ValueError for a
    prior without counts.
    """
    if prior.sum() <= 0:
        raise ValueError("expected a prior with counts, got none: count the pretrain split first")
    p, centers = prior.double() / prior.sum(), centers.double()
    kernel = torch.exp(-(torch.cdist(centers, centers) ** 2) / (2 * PRIOR_SIGMA**2))
    smooth = (kernel / kernel.sum(dim=0, keepdim=True)) @ p
    weights = 1 / smooth.clamp(min=float(smooth[p > 0].min()))
    return weights / (p * weights).sum()


def auc_area(distance: Float[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Each pixel's part of the AuC of Zhang et al. 2016: 100 at distance 0, 0 from 150 ab units on.

    The AuC is the area under the share of pixels whose ab error is below a threshold, over
    thresholds 0 to 150, as a percentage. A pixel of error e is below all thresholds from e to 150,
    so that the mean of max(0, 1 - e / 150) is that area exactly, without steps.
    """
    return 100 * (1 - distance / AUC_REACH).clamp(min=0)


def psnr(predicted: Pictures, truth: Pictures) -> Values:
    """Peak signal-to-noise ratio in dB over RGB, of a peak of 1.

    At most 58.92 dB, which equal pictures get: the truth is rounded to 8 bits, and no picture is
    nearer to what was photographed than that rounding.
    """
    error = ((predicted - truth).double() ** 2).mean((1, 2, 3))
    return -10 * error.clamp(min=ROUNDING_ERROR).log10()


def ssim(predicted: Pictures, truth: Pictures) -> Values:
    """Structural similarity, the mean over RGB and all 11 x 11 Gaussian windows (sigma 1.5).

    Wang et al. 2004. Windows that reach over the border are left out, as there and in
    scikit-image, but not in torchmetrics' own mean. ValueError for pictures under 11 px.
    """
    if min(truth.shape[-2:]) < SSIM_WINDOW:
        height, width = truth.shape[-2:]
        raise ValueError(
            f"expected pictures of at least {SSIM_WINDOW} px for SSIM, got {height} x {width}: "
            "use larger ones"
        )
    # It subtracts squares, and an accelerator's convolutions may round to 10 bits: float64 there.
    # A processor's do not; their float32 is 20 times faster and within 2e-5 on smooth pictures.
    dtype = torch.float64 if predicted.is_cuda else torch.float32
    _, windows = structural_similarity_index_measure(
        predicted.to(dtype), truth.to(dtype), data_range=1.0, reduction="none",
        return_full_image=True,
    )  # fmt: skip
    inside = slice(SSIM_WINDOW // 2, -(SSIM_WINDOW // 2))
    return windows[..., inside, inside].double().mean((1, 2, 3))


def colourfulness(pictures: Pictures) -> Values:
    """M of Hasler and Suesstrunk 2003, "Measuring colourfulness in natural images", section 5.

    0 is gray, 15 slightly, 33 moderately, 59 quite, 109 extremely colourful (their table 2).
    """
    red, green, blue = (255 * pictures.double()).unbind(1)
    opponents = torch.stack((red - green, (red + green) / 2 - blue), dim=1).flatten(2)
    deviation, mean = torch.std_mean(opponents, dim=2, correction=0)
    return deviation.norm(dim=1) + 0.3 * mean.norm(dim=1)


def edge_agreement(ab: Float[Tensor, "n 2 h w"], lightness: Float[Tensor, "n 1 h w"]) -> Values:
    """Correlation over pixels of the gradient magnitudes of the predicted ab and the true L.

    1 where ab is a linear function of L, about 0 for the colours of another picture; it falls as
    colour edges blur or leave those of lightness. The magnitude is the root of the summed squares
    of the forward differences. 0 for a picture without edges in ab or in L. Own definition, for
    systems that promise sharp colour edges. Not a cosine, which is 0.59 for the colours of another
    picture and 0.73 for its own (Food-101). Compare with the value of the true pictures.
    """
    color, light = _edges(ab), _edges(lightness)
    there = (color.amax(1) > NO_EDGE) & (light.amax(1) > NO_EDGE)
    color, light = (x - x.mean(1, keepdim=True) for x in (color, light))
    product = (color * light).sum(1) / (color.norm(dim=1) * light.norm(dim=1)).clamp(min=1e-9)
    return product.where(there, 0.0)


def out_of_gamut(unclipped: Pictures) -> Values:
    """Share of pixels of which clipping moves a channel by more than half a step of 8 bits."""
    outside = (unclipped < -HALF_STEP) | (unclipped > 1 + HALF_STEP)
    return outside.any(1).double().mean((1, 2))


def gamut_edge(clipped: Pictures) -> Values:
    """Share of pixels with a channel at 0 or 1, to half a step of 8 bits.

    All that clipping can have moved is among them, so it bounds `out_of_gamut` from above where
    only clipped pictures are known; true pictures have such pixels too.
    """
    touching = (clipped <= HALF_STEP) | (clipped >= 1 - HALF_STEP)
    return touching.any(1).double().mean((1, 2))


def ab_counts(images: Images, bins: AbBins) -> Int64[Tensor, " 313"]:
    """How many pixels fall into each ab bin; counts of several batches add up to the prior."""
    return bins.prior(split_lab(rgb_to_lab(images))[1])


def _edges(x: Tensor) -> Tensor:
    """Gradient magnitude of each pixel but those of the last row and column, flat."""
    x = x.double()
    across, down = x[..., :-1, 1:] - x[..., :-1, :-1], x[..., 1:, :-1] - x[..., :-1, :-1]
    return (across**2 + down**2).sum(1).sqrt().flatten(1)
