"""Training batches: slices of the uint8 store, flipped on the device, keyed by sample."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from benchmarks.draws import order, uniforms
from models.color import Images, as_floats
from models.encoder import resized

SHARE = 0.5  # of a GPU's free memory, that the images may take
AT_ONCE = 8192  # images copied there together


class Batches:
    """Batch `step` of a run: a pure function of the seed, the step and the images.

    `size` is in images; `pixels` is the side to which they are area-averaged, None for as they are.
    `labels`, one for each of `ids`, are for pretexts that are not label-free; others never see any.
    """

    def __init__(
        self,
        images: UInt8[np.ndarray, "n h w 3"],
        ids: Int64[np.ndarray, " p"],
        *,
        size: int,
        seed: int,
        n_draws: int,
        flip: bool,
        device: str,
        pixels: int | None = None,
        labels: Int64[np.ndarray, " p"] | None = None,
    ) -> None:
        self.images, self.ids, self.size = images, ids, min(size, len(ids))
        self.pixels, self.labels = pixels, labels
        self.seed, self.n_draws, self.flip, self.device = seed, n_draws, flip, device
        self._resident = resident(images, device)
        self.per_epoch = len(ids) // self.size
        self._epoch = -1

    def at(
        self, step: int, layout: torch.memory_format = torch.contiguous_format
    ) -> tuple[Images, Float[Tensor, "n k"], *tuple[Int64[Tensor, " n"], ...]]:
        """Images of batch `step`, uniform numbers for distortions, and any labels.

        Images are uint8 as stored, or floats in [0, 1] where they are averaged.
        """
        epoch = step // self.per_epoch
        if epoch != self._epoch:
            self._begin(epoch)
        here = self._place(step)
        draws = self._on_device["draws"][here]
        if self._resident is None:
            images = stored(self.images, self.ids[self._order[here]], self.device)
        else:
            images = self._resident[self._on_device["ids"][here]].permute(0, 3, 1, 2)
        if self.flip:
            turned = draws[:, 0, None, None, None] < 0.5
            images = torch.where(turned, images.flip(-1), images)
        images = resized(images, self.pixels).contiguous(memory_format=layout)
        if self.labels is None:
            return images, draws[:, 1:]
        return images, draws[:, 1:], self._on_device["labels"][here]

    def samples(self, step: int) -> Int64[np.ndarray, " b"]:
        """Positions within `ids` that batch `step` of the current epoch holds."""
        return self._order[self._place(step)]

    def _place(self, step: int) -> slice:
        position = step % self.per_epoch
        return slice(position * self.size, (position + 1) * self.size)

    def _begin(self, epoch: int) -> None:
        """Copy what a pass needs beside pixels to the device at once, in the pass's order."""
        order_ = order(self.seed, epoch, len(self.ids))
        draws = uniforms(self.seed, epoch, len(self.ids), 1 + self.n_draws)
        parts = {"draws": draws[order_], "ids": self.ids[order_]}
        if self.labels is not None:
            parts["labels"] = self.labels[order_]
        self._epoch, self._order = epoch, order_
        self._on_device = {
            name: torch.from_numpy(part).to(self.device) for name, part in parts.items()
        }


def resident(images: UInt8[np.ndarray, "n h w 3"], device: str) -> UInt8[Tensor, "n h w 3"] | None:
    """The whole store on a GPU, if half of what is free there holds it; None if not, or on a CPU.

    Batches are then slices on the device, and no step waits for a copy.
    """
    room = torch.cuda.mem_get_info()[0] * SHARE if device == "cuda" else float("inf")
    if device == "cpu" or images.nbytes > room:
        return None
    store = torch.empty(images.shape, dtype=torch.uint8, device=device)
    for start in range(0, len(images), AT_ONCE):
        part = np.array(images[start : start + AT_ONCE])  # of a read-only map: torch wants its own
        store[start : start + AT_ONCE] = torch.from_numpy(part).to(device)
    return store


def stored(
    images: UInt8[np.ndarray, "n h w 3"], ids: Int64[np.ndarray, " b"], device: str
) -> UInt8[Tensor, "b 3 h w"]:
    """The images `ids` of the store on `device`, channels first (channels_last in memory)."""
    return torch.from_numpy(images[ids]).to(device).permute(0, 3, 1, 2)


def load(
    images: UInt8[np.ndarray, "n h w 3"], ids: Int64[np.ndarray, " b"], device: str
) -> Float[Tensor, "b 3 h w"]:
    """The images `ids` of the store as floats in [0, 1] on `device`."""
    return as_floats(stored(images, ids, device))


def in_order(
    images: UInt8[np.ndarray, "n h w 3"],
    ids: Int64[np.ndarray, " m"],
    *,
    size: int,
    device: str,
) -> Iterator[UInt8[Tensor, "b 3 h w"]]:
    """The images `ids` as they are stored, in batches of at most `size`."""
    for start in range(0, len(ids), size):
        yield stored(images, ids[start : start + size], device)
