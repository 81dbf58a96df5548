"""Where images come from: image folders and code (here), the Hub and its files (hub.py).

A source has `name`, `size`, `fit`; `identity()` is what its store's key is made of, cheap and
without network; `open()` returns the Catalogue. Nothing is decoded here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from benchmarks.folder import Listing, list_images, stamp
from benchmarks.procedural import draw
from benchmarks.species import species_names


@dataclass(frozen=True)
class Catalogue:
    """What a source offers. `read(start, stop)` gives encoded files, or images ready-made.

    `read` is called from several threads. `skipped` names what is no image, with the reason.
    """

    names: Sequence[str]
    labels: Int64[np.ndarray, " n"]
    is_test: Bool[np.ndarray, " n"]
    class_names: tuple[str, ...]
    read: Callable[[int, int], list[bytes] | UInt8[np.ndarray, "m size size 3"]]
    skipped: tuple[str, ...] = ()


class ImageFolderSource:
    """Images in `path/SPLIT/CLASS/` or, divided here by a seeded stratified draw, `path/CLASS/`."""

    def __init__(
        self, path: str, *, size: int, fit: str = "crop", test_fraction: float = 0.2, seed: int = 0
    ) -> None:
        self.path, self.name = Path(path), Path(path).resolve().name
        self.size, self.fit = size, fit
        self.test_fraction, self.seed = test_fraction, seed
        self._stamped: Listing | None = None

    def identity(self) -> dict[str, Any]:
        """A stamp of the files, which the next `open` gives, and the rule of division."""
        listing = self._stamped = self._list()
        stamps = stamp(self.path, listing.files)
        return {"files": stamps, "test_fraction": self.test_fraction, "seed": self.seed}

    def open(self) -> Catalogue:
        """The files, sorted by the bytes of their names, with what was skipped and why."""
        listing, self._stamped = self._stamped or self._list(), None
        return Catalogue(
            names=listing.names,
            labels=listing.labels,
            is_test=listing.is_test,
            class_names=listing.class_names,
            read=lambda a, b: [_bytes(file) for file in listing.files[a:b]],
            skipped=listing.skipped,
        )

    def _list(self) -> Listing:
        return list_images(self.path, test_fraction=self.test_fraction, seed=self.seed)


class ProceduralSource:
    """The embedded data set (benchmarks/procedural.py): nothing is read, all is drawn."""

    def __init__(
        self,
        *,
        color: str = "lawful",
        n_classes: int = 24,
        train_per_class: int = 120,
        test_per_class: int = 40,
        size: int = 32,
        seed: int = 0,
    ) -> None:
        self.color, self.n_classes, self.seed = color, n_classes, seed
        self.counts = (train_per_class, test_per_class)
        self.name, self.size, self.fit = f"procedural-{color}", size, "crop"

    def identity(self) -> dict[str, Any]:
        """Everything the pictures are made of; "drawing" counts changes of the drawing code."""
        facts = {"color": self.color, "n_classes": self.n_classes, "seed": self.seed}
        return {"drawing": 1, "counts": self.counts, **facts}

    def open(self) -> Catalogue:
        """Classes one after another, training images before test images."""
        per_split = [np.repeat(np.arange(self.n_classes), count) for count in self.counts]
        labels = np.concatenate(per_split)
        ids = np.arange(len(labels))
        return Catalogue(
            names=[str(i) for i in ids],
            labels=labels,
            is_test=np.repeat([False, True], [len(part) for part in per_split]),
            class_names=species_names(self.n_classes),
            read=lambda a, b: draw(
                labels[a:b],
                ids[a:b],
                size=self.size,
                color=self.color,
                seed=self.seed,
                n_classes=self.n_classes,
            ),
        )


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""  # removed or forbidden since it was listed; refused as unreadable
