"""What is done to uint8 pixels before a classifier sees them: area downsampling, augmentation.

Every draw belongs to (seed, epoch, sample index), never to a batch: batch size, device and
interruptions do not change what a sample looks like in an epoch.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn import functional
from torchvision.transforms import TrivialAugmentWide

Augment = Literal["none", "flip_crop", "trivial"]
_CHUNK = 512


def downsample(pixels: UInt8[np.ndarray, "n h w 3"], size: int | None) -> UInt8[Tensor, "n s t 3"]:
    """Return the images at `size` x `size` by area averages, or as they are if None.

    ValueError if an image is smaller than `size`: upsampling would hide it.
    """
    if size is None or pixels.shape[1:3] == (size, size):
        return torch.from_numpy(np.ascontiguousarray(pixels))
    if min(pixels.shape[1:3]) < size:
        raise ValueError(
            f"images are {pixels.shape[1]} x {pixels.shape[2]} px, smaller than size={size}: "
            "choose a smaller size, or None"
        )
    chunks = []
    for start in range(0, len(pixels), _CHUNK):
        part = torch.from_numpy(np.ascontiguousarray(pixels[start : start + _CHUNK]))
        small = functional.interpolate(
            part.permute(0, 3, 1, 2).float(), size=(size, size), mode="area"
        )
        chunks.append(small.round().to(torch.uint8).permute(0, 2, 3, 1))
    return torch.cat(chunks).contiguous()


def to_images(pixels: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """Return RGB in [0, 1], as a channels-last view."""
    return pixels.permute(0, 3, 1, 2).float() / 255


def keyed_generator(*key: int) -> torch.Generator:
    """Return a CPU generator that is a function of the key alone."""
    state = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state & (2**63 - 1))


class Augmenter:
    """Random views of samples, a function of (seed, epoch, sample index).

    "flip_crop": horizontal flip, and a shift of up to 1/8 of the side with edges repeated.
    "trivial": TrivialAugmentWide (Mueller & Hutter, 2021) and flip, as seed 004's pixel baseline.
    """

    def __init__(self, augment: Augment, *, seed: int, epoch: int, n_samples: int) -> None:
        self.augment = augment
        generator = keyed_generator(seed, epoch, 1)
        self.draws = torch.rand(n_samples, 3, generator=generator)
        self.seeds = torch.randint(2**62, (n_samples,), generator=generator)

    def __call__(
        self, pixels: UInt8[Tensor, "b h w 3"], index: Int64[Tensor, " b"]
    ) -> UInt8[Tensor, "b h w 3"]:
        """Return the views of the samples whose positions in the training set are `index`."""
        if self.augment == "none":
            return pixels
        index = index.cpu()
        if self.augment == "flip_crop":
            return _shift_and_flip(pixels, self.draws[index].to(pixels.device), reach=1 / 8)
        views = _trivial(pixels, self.seeds[index].tolist())
        return _shift_and_flip(views, self.draws[index].to(pixels.device), reach=0.0)


def _shift_and_flip(
    pixels: UInt8[Tensor, "b h w 3"], draws: Float[Tensor, "b 3"], *, reach: float
) -> UInt8[Tensor, "b h w 3"]:
    """Return images shifted by up to `reach` of a side, mirrored where the third draw is < 0.5."""
    _, height, width, _ = pixels.shape
    rows = _shifted(height, draws[:, 0], reach)
    columns = _shifted(width, draws[:, 1], reach)
    columns = torch.where(draws[:, 2:] < 0.5, columns.flip(1), columns)
    batch = torch.arange(len(pixels), device=pixels.device)
    return pixels[batch[:, None, None], rows[:, :, None], columns[:, None, :]]


def _shifted(side: int, draws: Float[Tensor, " b"], reach: float) -> Int64[Tensor, "b side"]:
    """Return the source position of each pixel along one axis."""
    largest = int(side * reach)
    shift = (draws * (2 * largest + 1)).long() - largest
    positions = torch.arange(side, device=draws.device) + shift[:, None]
    return positions.clamp(0, side - 1)


def _trivial(pixels: UInt8[Tensor, "b h w 3"], seeds: list[int]) -> UInt8[Tensor, "b h w 3"]:
    """Return one random operation of TrivialAugmentWide applied to each image."""
    transform = TrivialAugmentWide()
    views = []
    # torchvision draws from the global CPU generator: it is seeded a sample, then restored.
    with torch.random.fork_rng(devices=[]):
        for image, seed in zip(pixels, seeds, strict=True):
            torch.default_generator.manual_seed(seed)
            views.append(transform(image.permute(2, 0, 1)).permute(1, 2, 0))
    return torch.stack(views)
