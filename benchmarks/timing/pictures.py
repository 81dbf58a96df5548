"""Files to read: the embedded data set as PNG for the table, and as larger JPEG for decoding."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.procedural import draw
from benchmarks.sources import Catalogue, ProceduralSource

CHUNK = 256
QUALITY = 90  # of JPEG


def write_data_set(source: ProceduralSource, folder: Path) -> None:
    """Write every picture of `source` to folder/{train,test}/CLASS/NUMBER.png, pixel for pixel."""
    catalogue = source.open()
    for start in range(0, len(catalogue.labels), CHUNK):
        stop = min(start + CHUNK, len(catalogue.labels))
        for row, pixels in enumerate(catalogue.read(start, stop), start):
            file = _place(folder, catalogue, row)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.asarray(pixels)).save(file)


def write_photos(folder: Path, *, count: int, side: int, seed: int = 1) -> None:
    """Write `count` JPEG of `side` px, of two classes in turn, to folder/CLASS/NUMBER.jpg."""
    ids = np.arange(count)
    for start in range(0, count, CHUNK):
        rows = ids[start : start + CHUNK]
        pictures = draw(rows % 2, rows, size=side, color="lawful", seed=seed)
        for row, pixels in zip(rows, pictures, strict=True):
            file = folder / f"class{row % 2}" / f"{row:06d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(file, quality=QUALITY)


def _place(folder: Path, catalogue: Catalogue, row: int) -> Path:
    split = "test" if catalogue.is_test[row] else "train"
    return folder / split / catalogue.class_names[catalogue.labels[row]] / f"{row:06d}.png"
