"""Frozen encoder -> latents of every tap, pooled to a stated size, in one pass, on disk."""

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from benchmarks.batches import in_order
from benchmarks.errors import IntegrityError
from benchmarks.progress import Meter
from models.encoder import FrozenEncoder, weights_hash

BATCH = 128


def grid(channels: int, side: int, max_features: int) -> int:
    """Side of the pooled map: the largest whose channels x side x side is within `max_features`."""
    return max(1, min(side, int((max_features / channels) ** 0.5)))


def pool(maps: Float[Tensor, "n c h w"], max_features: int) -> Float[Tensor, "n c g g"]:
    """Maps averaged to the grid of `max_features` (paper 2.2 uses about 9,000 a tap)."""
    return adaptive_avg_pool2d(maps, grid(maps.shape[1], maps.shape[-1], max_features))


def extract_latents(
    encoder: FrozenEncoder,
    images: UInt8[np.ndarray, "n h w 3"],
    ids: Int64[np.ndarray, " m"],
    *,
    folder: Path,
    max_features: int,
    device: str,
    label: str = "latents",
) -> None:
    """Write `ids.npy` and one float32 `TAP.npy` of shape (m, c, g, g) a tap into `folder`.

    Every image passes the encoder once, whatever the number of taps. Raises IntegrityError if a
    weight has moved, which would mean that frozen was not frozen.
    """
    before = weights_hash(encoder)
    encoder.to(device)
    files: dict[str, np.memmap] = {}
    done = 0
    with Meter(label, len(ids)) as meter:
        for batch in in_order(images, ids, size=BATCH, device=device):
            for tap, maps in encoder(batch).items():
                latents = pool(maps.float(), max_features).cpu().numpy()
                if tap not in files:
                    shape = (len(ids), *latents.shape[1:])
                    files[tap] = np.lib.format.open_memmap(
                        folder / f"{tap}.npy", mode="w+", dtype=np.float32, shape=shape
                    )
                files[tap][done : done + len(batch)] = latents
            done += len(batch)
            meter.advance(len(batch))
    np.save(folder / "ids.npy", ids)
    (folder / "taps.json").write_text(json.dumps({tap: f.shape[1:] for tap, f in files.items()}))
    for file in files.values():
        file.flush()
    if weights_hash(encoder) != before:
        raise IntegrityError("the frozen encoder's weights changed", "report this as a bug")


class Latents:
    """Finished latents of one encoder, read by tap and image id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ids = np.load(folder / "ids.npy")
        self.taps = tuple(json.loads((folder / "taps.json").read_text()))

    def take(self, tap: str, ids: Int64[np.ndarray, " m"]) -> Float[np.ndarray, "m c g g"]:
        """Latents of the images `ids` at `tap`; KeyError if one was not extracted."""
        rows = np.searchsorted(self.ids, ids)
        if (rows >= len(self.ids)).any() or (self.ids[rows] != ids).any():
            raise KeyError(f"some of the {len(ids)} images asked for have no latents")
        return np.load(self.folder / f"{tap}.npy", mmap_mode="r")[rows]
