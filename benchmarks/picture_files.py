"""Picture files at their own size: which there are, their pixels, and where their results go.

What a file can be is read by the rules of benchmarks/decode.py, all but the resizing.
"""

import io
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from benchmarks.decode import FORMATS, MAX_PIXELS, REMEDY, check_end, refusals, to_rgb
from benchmarks.errors import ConfigError, DataError
from benchmarks.folder import IMAGE_NAME, MAX_BYTES, _unfit, _walk, printable

LONGEST_NAME = 200  # bytes, of the 255 that file systems allow: endings and temporary names follow
PANEL, GAP = 1024, 8  # pixels: longest side of a sheet's panel, and between two panels


@dataclass(frozen=True)
class Job:
    """A picture file, the name to print it by, and what is to be made of it."""

    file: Path
    name: str
    result: Path
    sheet: Path


def jobs(source: Path, out: Path) -> tuple[list[Job], list[str]]:
    """What to make below `out` of a picture, or of a folder and the folders below it.

    Folders keep their names; NAME.jpg becomes NAME.png, or NAME.jpg.png where several pictures
    would become the same. The second list names what looks like a picture and is not read, and
    says why: links out of the folder, pipes, files over 256 MiB. What lies in `out` is not looked
    at. DataError if there is no picture, ConfigError if one would be overwritten.
    """
    if not source.exists():
        raise DataError(f"{source} does not exist", "give a picture or a folder of pictures")
    root = source.resolve() if source.is_dir() else source.parent
    files, passed = _listed(root, out.resolve()) if source.is_dir() else ([source], [])
    if not files and not passed:
        raise DataError(f"no pictures in {source}", "give a picture or a folder of pictures")
    bases = _bases([file.relative_to(root) for file in files])
    found = [
        Job(file, printable(file, root), out / f"{base}.png", out / f"{base}.compare.png")
        for file, base in zip(files, bases, strict=True)
    ]
    _check_targets(found, out)
    return found, passed


def read_picture(file: Path) -> UInt8[np.ndarray, "h w 3"]:
    """The upright picture of a file in RGB at its own size; DataError if it is refused."""
    try:
        facts = file.stat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > MAX_BYTES:
            raise DataError("not a regular file of at most 256 MiB", REMEDY)
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", REMEDY) from None
    return decode_picture(data)


def decode_picture(data: bytes) -> UInt8[np.ndarray, "h w 3"]:
    """The upright picture in RGB at its own size; DataError with the reason if it is refused."""
    with refusals(), Image.open(io.BytesIO(data), formats=FORMATS) as file:
        width, height = file.size
        if width * height > MAX_PIXELS:
            raise DataError(f"{width} x {height} pixels are more than 64 Mpx", REMEDY)
        if file.format in ("JPEG", "MPO"):
            check_end(data)
        return np.array(to_rgb(ImageOps.exif_transpose(file), str(file.format)))


def as_pixels(image: Any) -> UInt8[np.ndarray, "h w 3"]:
    """RGB of a Pillow picture, by the same rules, or of a uint8 array h x w (gray) or h x w x 3.

    DataError for anything else.
    """
    if isinstance(image, Image.Image):
        return np.array(to_rgb(ImageOps.exif_transpose(image), str(image.format)))
    kind = f"{getattr(image, 'dtype', type(image).__name__)} {getattr(image, 'shape', '')}"
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or not image.size:
        raise DataError(f"no picture: {kind}", "give Pillow images or uint8 arrays")
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=-1)
    if image.ndim != 3 or image.shape[-1] != 3:
        raise DataError(f"no picture: {kind}", "give arrays h x w, or h x w x 3 in RGB")
    return np.ascontiguousarray(image)


def png(pixels: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """The picture as a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def side_by_side(panels: Sequence[UInt8[np.ndarray, "_h _w 3"]]) -> UInt8[np.ndarray, "h w 3"]:
    """Pictures of one size in a row, each shrunk to at most 1024 px, with white between them."""
    shown = [Image.fromarray(panel) for panel in panels]
    for image in shown:
        image.thumbnail((PANEL, PANEL), Image.Resampling.BICUBIC)
    gap = np.full((shown[0].height, GAP, 3), 255, np.uint8)
    parts = [part for image in shown for part in (np.asarray(image), gap)]
    return np.concatenate(parts[:-1], axis=1)


def _listed(root: Path, out: Path) -> tuple[list[Path], list[str]]:
    if out == root:
        raise ConfigError("--out is the folder of the pictures themselves", "choose another --out")
    files, passed = [], []
    for path in _walk(root):
        ours = out.is_relative_to(root) and path.is_relative_to(out)
        if ours or not IMAGE_NAME.fullmatch(path.name):
            continue
        if reason := _unfit(path, root):
            passed.append(f"{printable(path, root)}: {reason}")
        else:
            files.append(path)
    return files, passed


def _bases(names: Sequence[PurePath]) -> Iterator[PurePath]:
    """A path without its last ending for each picture; no two meet, whatever the file system."""
    stems = Counter(str(name.with_suffix("")).casefold() for name in names)
    taken: set[str] = set()
    for name in names:
        alone = stems[str(name.with_suffix("")).casefold()] == 1
        base = name.with_name(_short(name.stem if alone else name.name))
        again = (base.with_name(f"{base.name}-{i}") for i in count(2))
        while taken & (made := {f"{base}.png".casefold(), f"{base}.compare.png".casefold()}):
            base = next(again)
        taken |= made
        yield base


def _short(name: str) -> str:
    """A name that leaves room for endings."""
    encoded = os.fsencode(name)
    if len(encoded) <= LONGEST_NAME:
        return name
    return encoded[:LONGEST_NAME].decode("utf-8", "ignore")


def _check_targets(found: Sequence[Job], out: Path) -> None:
    """Raise ConfigError if something would be written outside `out`, or over a picture."""
    pictures = {(facts.st_dev, facts.st_ino) for facts in (job.file.stat() for job in found)}
    for job in found:
        if not job.result.parent.resolve().is_relative_to(out.resolve()):
            raise ConfigError(f"{job.result.parent} leads out of {out}", "choose another --out")
        for path in (job.result, job.sheet):
            if path.exists() and (path.stat().st_dev, path.stat().st_ino) in pictures:
                raise ConfigError(f"{job.name} would overwrite {path}", "choose another --out")
