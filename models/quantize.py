"""Colour as classes: the 313 ab bins and 50 L bins, encoding by table, rebalancing, decoding.

Zhang, Isola and Efros, Colorful Image Colorization, 2016, section 2, and Split-Brain, 2017.
"""

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

STEP = 10
GRID_REACH = 110
# For a = -90, -80, ..., 100: the first and the last b of the row.
B_RANGES = (
    *((50, 90), (20, 90), (0, 90), (-20, 90), (-30, 100), (-40, 100), (-50, 100)),
    *((-50, 100), (-60, 100), (-70, 100), (-80, 90), (-80, 90), (-90, 90), (-100, 90)),
    *((-100, 80), (-110, 80), (-110, 80), (-110, 70), (-110, 70), (-90, 0)),
)
LIGHTNESS_WIDTH = 2


def ab_bin_centers() -> Float[Tensor, "313 2"]:
    """Return the 313 ab bin centres, multiples of 10, ordered by a, then by b."""
    rows = zip(range(-90, 101, STEP), B_RANGES, strict=True)
    centers = [(a, b) for a, (first, last) in rows for b in range(first, last + 1, STEP)]
    return torch.tensor(centers, dtype=torch.float32)


def lightness_bin_centers() -> Float[Tensor, " 50"]:
    """Return the centres of the 50 L bins of width 2: 1, 3, ..., 99."""
    return torch.arange(1, 100, LIGHTNESS_WIDTH, dtype=torch.float32)


def lightness_bins(lightness: Float[Tensor, "n 1 h w"]) -> Int64[Tensor, "n h w"]:
    """Return the L bin of each pixel; L outside [0, 100] goes to the first or last bin."""
    return (lightness[:, 0] / LIGHTNESS_WIDTH).floor().clamp(0, 49).long()


class AbBins(nn.Module):
    """The 313 bins with their lookup tables, which move with the module and are never saved.

    `neighbours` nearest bins share a pixel in soft encoding: 5 in the paper, 10 in the released
    layer; `sigma` is the width of their Gaussian in ab units.
    """

    centers: Tensor
    cells: Tensor
    soft_indices: Tensor
    soft_weights: Tensor

    def __init__(self, *, neighbours: int = 5, sigma: float | int = 5.0) -> None:
        super().__init__()
        centers = ab_bin_centers()
        if not 1 <= neighbours <= len(centers) or sigma <= 0:
            raise ValueError(
                f"expected 1 to {len(centers)} neighbours and sigma > 0, "
                f"got neighbours={neighbours}, sigma={sigma}: use 5 or 10, and 5"
            )
        cells, _ = _nearest(centers, step=STEP, neighbours=1)
        indices, squared = _nearest(centers, step=1, neighbours=neighbours)
        # Measured from the nearest bin, or cells far outside the gamut would underflow to 0 / 0.
        weights = torch.exp((squared[:, :1] - squared) / (2 * sigma**2))
        self.register_buffer("centers", centers, persistent=False)
        self.register_buffer("cells", cells[:, 0], persistent=False)
        self.register_buffer("soft_indices", indices, persistent=False)
        self.register_buffer(
            "soft_weights", weights / weights.sum(dim=1, keepdim=True), persistent=False
        )

    def hard(self, ab: Float[Tensor, "n 2 h w"]) -> Int64[Tensor, "n h w"]:
        """Return the nearest bin of each pixel, the first of equally near ones.

        Exact wherever the nearest multiple of 10 is a bin, as for every sRGB colour; further out
        it is the bin nearest to that multiple of 10.
        """
        return self.cells[_cell(ab, STEP)]

    def soft(
        self, ab: Float[Tensor, "n 2 h w"]
    ) -> tuple[Int64[Tensor, "n k h w"], Float[Tensor, "n k h w"]]:
        """Return the nearest bins of each pixel, nearest first, and their weights, summing to 1.

        Distances are measured from ab rounded to integers.
        """
        cell = _cell(ab, 1)
        indices = self.soft_indices[cell].permute(0, 3, 1, 2)
        return indices, self.soft_weights[cell].permute(0, 3, 1, 2)

    def prior(self, ab: Float[Tensor, "n 2 h w"]) -> Int64[Tensor, " 313"]:
        """Return how many pixels fall into each bin; counts of several batches add up."""
        return torch.bincount(self.hard(ab).flatten(), minlength=len(self.centers))

    def rebalancing_weights(
        self, prior: Tensor, mix: float | int = 0.5, sigma: float | int = 5.0
    ) -> Float[Tensor, " 313"]:
        """Return w = ((1 - mix) p~ + mix / Q)^-1, scaled so that its mean under the prior is 1.

        `prior` holds counts or probabilities of the 313 bins; p~ is the prior smoothed by a
        Gaussian of `sigma` ab units that keeps its sum. ValueError unless 0 < mix <= 1.
        """
        if not 0 < mix <= 1:
            raise ValueError(f"expected 0 < mix <= 1, got {mix}: use 0.5, or 1 for equal weights")
        if prior.sum() <= 0:
            raise ValueError("expected a prior with counts, got none: give it images first")
        p = prior.double() / prior.sum()
        centers = self.centers.double()
        kernel = torch.exp(-(torch.cdist(centers, centers) ** 2) / (2 * sigma**2))
        smooth = (kernel / kernel.sum(dim=0, keepdim=True)) @ p
        weights = 1 / ((1 - mix) * smooth + mix / len(p))
        return (weights / (p * weights).sum()).float()

    def annealed_mean(
        self, logits: Float[Tensor, "n 313 h w"], temperature: float | int = 0.38
    ) -> Float[Tensor, "n 2 h w"]:
        """Return the mean ab of the distribution sharpened by `temperature`.

        1 gives the expectation; towards 0 it becomes the mode.
        """
        # In float32 with autocast off: bfloat16 probabilities would shift colours visibly.
        with torch.autocast(logits.device.type, enabled=False):
            probabilities = (logits.float() / temperature).softmax(dim=1)
            return torch.einsum("nqhw,qc->nchw", probabilities, self.centers)


def _cell(ab: Tensor, step: int) -> Tensor:
    """Return the row of each pixel in a table over the ab grid of spacing `step`."""
    reach = GRID_REACH // step
    # Halves are rounded down, so that the lower of two equally near centres is found.
    a, b = (ab / step - 0.5).ceil().clamp(-reach, reach).long().unbind(1)
    return (a + reach) * (2 * reach + 1) + b + reach


def _nearest(
    centers: Float[Tensor, "q 2"], *, step: int, neighbours: int
) -> tuple[Int64[Tensor, "cells k"], Float[Tensor, "cells k"]]:
    """Return the bins nearest to each grid point and their squared distances, nearest first."""
    axis = torch.arange(-GRID_REACH, GRID_REACH + 1, step, dtype=torch.int32)
    offsets = (axis[:, None, None] - centers.int()) ** 2
    squared = (offsets[:, None, :, 0] + offsets[None, :, :, 1]).flatten(0, 1)
    # Distance and index in one integer: ties go to the first bin on every device.
    keys = squared * 512 + torch.arange(len(centers), dtype=torch.int32)
    nearest = keys.topk(neighbours, dim=1, largest=False).values
    return (nearest % 512).long(), (nearest // 512).float()
