"""Frozen encoder -> latents of every tap, pooled to a stated size, in one pass, on disk."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int64, UInt8
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from benchmarks.batches import in_order
from benchmarks.errors import IntegrityError
from benchmarks.precision import PLAIN, Arithmetic, blur, choose_reading
from benchmarks.progress import Meter
from models.color import Images
from models.encoder import FrozenEncoder, weights_hash

BATCH = 128
FOR_TIMING = 32  # images on which arithmetics are compared
# Largest error of a tap kept in two bytes a number, relative to how much it varies over images.
ROUNDS = 0.003


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
    way: Arithmetic = PLAIN,
    label: str = "latents",
) -> None:
    """Write `ids.npy` and one `TAP.npy` of shape (m, c, g, g) a tap into `folder`.

    Every image passes the encoder once, whatever the number of taps, in the arithmetic `way`. A tap
    is kept as float16 where the first batch shows that this loses nothing (ROUNDS), else as
    float32. Raises IntegrityError if a weight has moved, which would mean that frozen was not
    frozen, or if a later batch does not fit into float16.
    """
    before = weights_hash(encoder)
    files: dict[str, np.memmap] = {}
    done = 0
    with Meter(label, len(ids)) as meter:
        for batch in in_order(images, ids, size=BATCH, device=device):
            for tap, latents in read(encoder, batch, way, max_features=max_features).items():
                if tap not in files:
                    shape = (len(ids), *latents.shape[1:])
                    files[tap] = np.lib.format.open_memmap(
                        folder / f"{tap}.npy", mode="w+", dtype=_kept_as(latents), shape=shape
                    )
                files[tap][done : done + len(batch)] = _fitted(latents, files[tap].dtype, tap)
            done += len(batch)
            meter.advance(len(batch))
    np.save(folder / "ids.npy", ids)
    (folder / "taps.json").write_text(json.dumps({tap: f.shape[1:] for tap, f in files.items()}))
    (folder / "arithmetic.json").write_text(json.dumps(asdict(way)))
    for file in files.values():
        file.flush()
    if weights_hash(encoder) != before:
        raise IntegrityError("the frozen encoder's weights changed", "report this as a bug")


def choose_arithmetic(
    encoder: FrozenEncoder,
    images: UInt8[np.ndarray, "n h w 3"],
    ids: Int64[np.ndarray, " m"],
    *,
    max_features: int,
    device: str,
) -> Arithmetic:
    """The fastest arithmetic for `extract_latents` that agrees with fp32 on the first images."""
    batch = next(in_order(images, ids[:FOR_TIMING], size=FOR_TIMING, device=device))
    return choose_reading(lambda way: read(encoder, batch, way, max_features=max_features))


def read(
    encoder: FrozenEncoder,
    images: Images,
    way: Arithmetic,
    *,
    max_features: int,
) -> dict[str, Float[Tensor, "n _c _g _g"]]:
    """Pooled float32 latents of every tap, on the CPU."""
    encoder.to(images.device).to(memory_format=way.layout)
    with way.autocast(images.device.type):
        maps = encoder(images.contiguous(memory_format=way.layout))
    return {tap: pool(of.float(), max_features).cpu() for tap, of in maps.items()}


def _kept_as(latents: Float[Tensor, "n c g g"]) -> type[np.floating]:
    return np.float16 if blur(latents, latents.half()) < ROUNDS else np.float32


def _fitted(latents: Float[Tensor, "n c g g"], dtype: np.dtype, tap: str) -> np.ndarray:
    with np.errstate(over="ignore"):  # told below
        kept = latents.numpy().astype(dtype)
    if not np.isfinite(kept).all() and latents.isfinite().all():
        raise IntegrityError(
            f"tap {tap} has values up to {latents.abs().max():.3g}, too large for float16",
            "choose another tap, or look at the encoder's pretraining loss",
        )
    return kept


class Latents:
    """Finished latents of one encoder, read by tap and image id."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ids = np.load(folder / "ids.npy")
        self.taps = tuple(json.loads((folder / "taps.json").read_text()))

    def take(self, tap: str, ids: Int64[np.ndarray, " m"]) -> Float[np.ndarray, "m c g g"]:
        """Latents of the images `ids` at `tap` as float32; KeyError if one was not extracted."""
        rows = np.searchsorted(self.ids, ids)
        if (rows >= len(self.ids)).any() or (self.ids[rows] != ids).any():
            raise KeyError(f"some of the {len(ids)} images asked for have no latents")
        return np.load(self.folder / f"{tap}.npy", mmap_mode="r")[rows].astype(np.float32)
