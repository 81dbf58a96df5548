"""Stages whose work grows: `make(size, folder)` prepares, and gives what is timed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from PIL import Image
from torch import Tensor, nn

from benchmarks.data import load_images
from benchmarks.latents import extract_latents
from benchmarks.procedural import draw
from benchmarks.sources import Catalogue
from benchmarks.store import Store
from models.alexnet import HalfAlexNet
from models.encoder import Encoder, FrozenEncoder
from probes.linear import LinearProbe

SIDE = 16  # px: small pictures, so that a hundred thousand of them are cheap
FILES = 32  # different pictures behind any number of images
FEATURES = 256  # kept of a tap, and read by the probes
IMAGES = 4096  # read at each number of taps
LABELS, CLASSES = 10, 20  # labels a class where classes grow, classes where labels grow

Work = Callable[[], Any]


@dataclass(frozen=True)
class Stage:
    """What grows, at which sizes, and whether its memory is told (where it reads from disk)."""

    grows: str
    make: Callable[[int, Path], Work]
    sizes: tuple[int, ...]
    memory: bool = False


class Cycled:
    """A source of `count` images: a few JPEG files of twice the size, over and over."""

    name, size, fit = "cycled", SIDE, "crop"

    def __init__(self, count: int) -> None:
        self.count, self.files = count, [_jpeg(picture) for picture in _pictures(2 * SIDE)]

    def identity(self) -> dict[str, Any]:
        """The number of images."""
        return {"count": self.count}

    def open(self) -> Catalogue:
        """Two classes in turn, every fourth pair for testing."""
        ids = np.arange(self.count)
        return Catalogue(
            names=[f"class{i % 2}/{i:08d}.jpg" for i in ids],
            labels=ids % 2,
            is_test=ids // 2 % 4 == 3,
            class_names=("class0", "class1"),
            read=lambda start, stop: [self.files[i % FILES] for i in range(start, stop)],
        )


class Few(nn.Module):
    """The first `count` taps of a network."""

    def __init__(self, model: HalfAlexNet, count: int) -> None:
        super().__init__()
        self.model, self.taps, self.bottleneck = model, model.taps[:count], model.taps[count - 1]
        self.channels = {tap: model.channels[tap] for tap in self.taps}

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return those taps; all are computed."""
        maps = self.model.encode(x)
        return {tap: maps[tap] for tap in self.taps}


def store(count: int, folder: Path) -> Work:
    """Decode `count` files into a finished record."""
    return partial(load_images, Cycled(count), store=Store(folder), progress=False)


def latents(count: int, folder: Path, *, taps: int = 5) -> Work:
    """Read `count` images from disk into latents of the first `taps` taps on disk."""
    folder.mkdir()
    shape = (count, SIDE, SIDE, 3)
    images = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape)
    for start in range(0, count, FILES):
        images[start : start + FILES] = _pictures(SIDE)[: count - start]
    images.flush()
    torch.manual_seed(0)
    model = HalfAlexNet(1, 2, stride=1, fc_width=8, width=0.25)
    return partial(
        extract_latents,
        FrozenEncoder(Encoder(Few(model, taps), "L/50-1")),
        np.load(folder / "images.npy", mmap_mode="r"),
        np.arange(count),
        folder=folder,
        max_features=FEATURES,
        device="cpu",
    )


def probe(classes: int, labels: int) -> Work:
    """Choose the decay of a linear probe on two folds, fit it, and predict as many images."""
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(classes), labels)
    means = rng.normal(size=(classes, FEATURES))
    X = (means[y] + 3 * rng.normal(size=(len(y), FEATURES))).astype(np.float32)
    sides = [np.flatnonzero(np.arange(len(y)) % 2 == side) for side in (0, 1)]

    def work() -> Float[np.ndarray, "n c"]:
        head = LinearProbe()
        scores = head.validate_folds(X, y, [(sides[0], sides[1]), (sides[1], sides[0])])
        return head.fit(X, y, int(scores.mean(0).argmax())).predict_proba(X)

    return work


def _of_taps(count: int, folder: Path) -> Work:
    return latents(IMAGES, folder, taps=count)


def _of_classes(count: int, folder: Path) -> Work:
    return probe(count, LABELS)


def _of_labels(count: int, folder: Path) -> Work:
    return probe(CLASSES, count)


def _pictures(side: int) -> UInt8[np.ndarray, "n side side 3"]:
    ids: Int64[np.ndarray, " n"] = np.arange(FILES)
    return draw(ids % 2, ids, size=side, color="lawful", seed=0)


def _jpeg(picture: UInt8[np.ndarray, "h w 3"]) -> bytes:
    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=90)
    return file.getvalue()


IMAGE_COUNTS = (1_000, 3_000, 10_000, 30_000, 100_000)
STAGES = {
    "decode and store": Stage("images", store, IMAGE_COUNTS, memory=True),
    "latents": Stage("images", latents, IMAGE_COUNTS, memory=True),
    "latents of taps": Stage("taps", _of_taps, (1, 2, 3, 4, 5)),
    "linear probe of classes": Stage("classes", _of_classes, (8, 16, 32, 64, 128)),
    "linear probe of labels": Stage("labels a class", _of_labels, (2, 5, 10, 25, 75, 150)),
}
