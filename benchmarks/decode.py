"""Bytes of an image file -> square uint8 RGB: one written rule for everything a file can be.

| what comes                      | rule                                                           |
|---------------------------------|----------------------------------------------------------------|
| format                          | JPEG, PNG, WebP, GIF, BMP, TIFF, PPM by content; no other      |
| more than 64 Mpx                | refused before any pixel is decoded                            |
| truncated, corrupt              | refused if a pixel is missing, or a JPEG's end marker          |
| a warning of the decoder        | refused (inside `strict_decoding`)                             |
| several frames or pages         | the first                                                      |
| EXIF orientation                | applied before anything else                                   |
| gray, black and white           | replicated to three channels                                   |
| 16-bit gray                     | scaled to 8 bits (value / 257, rounded), not clipped           |
| 16-bit RGB                      | scaled to 8 bits (the high byte)                               |
| 32-bit integer, float           | refused: their white is not defined (16-bit PNG and PPM are)   |
| palette                         | looked up                                                      |
| alpha, transparent colour       | composited on white                                            |
| CMYK, YCCK (Adobe inverted too) | converted by Pillow's formula, without ICC profiles            |
| ICC profiles, gamma             | ignored: values are taken as sRGB                              |
| fit="crop"                      | the largest centred square, then resized                       |
| fit="squash"                    | both sides resized, the aspect is lost                         |
| resize                          | bicubic with antialiasing, up or down; none if the size is met |
| JPEG at least 4 times too large | decoded at 1/2, 1/4 or 1/8, where still >= 2 times too large   |
"""

import contextlib
import io
import warnings
from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from benchmarks.errors import ConfigError, DataError

RULES = 1  # in every store's key: raise it when a rule changes
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
MAX_PIXELS = 64 * 2**20
REMEDY = "mend the file or take it out"


def decode_image(data: bytes, size: int, fit: str = "crop") -> UInt8[np.ndarray, "size size 3"]:
    """The image by the rules above; DataError with the reason if it is refused."""
    if fit not in ("crop", "squash"):
        raise ConfigError(f"fit is {fit!r}", "give crop or squash")
    if not data:
        raise DataError("empty or unreadable file", REMEDY)
    with refusals():
        return np.asarray(_decode(data, size, fit))


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Whatever Pillow raises within is a DataError with the reason."""
    try:
        yield
    except DataError:
        raise
    except Image.UnidentifiedImageError:
        raise DataError(f"not an image of a known format ({', '.join(FORMATS)})", REMEDY) from None
    # Pillow's plugins meet hostile bytes with nearly any exception; all mean the same here.
    except Exception as error:
        raise DataError(f"{type(error).__name__}: {error}", REMEDY) from error


@contextlib.contextmanager
def strict_decoding() -> Iterator[None]:
    """Make errors of Pillow's warnings, in all threads: enter it in the main one, around a pool."""
    with warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning):
            warnings.filterwarnings("error", category=category, module=r"PIL\.")
        yield


def _decode(data: bytes, size: int, fit: str) -> Image.Image:
    with Image.open(io.BytesIO(data), formats=FORMATS) as file:
        width, height = file.size
        if width * height > MAX_PIXELS:
            raise DataError(f"{width} x {height} pixels are more than 64 Mpx", REMEDY)
        if file.format in ("JPEG", "MPO"):
            check_end(data)
            file.draft(None, (2 * size, 2 * size))
        form = str(file.format)
        ImageOps.exif_transpose(file, in_place=True)
        image = to_rgb(file, form)
        return image.resize((size, size), Image.Resampling.BICUBIC, box=_box(*image.size, fit))


def check_end(data: bytes) -> None:
    """Raise DataError for a JPEG without its end: Pillow accepts it, others refuse or fill it."""
    if data.find(b"\xff\xda", data.rfind(b"\xff\xd9") + 1) >= 0:
        raise DataError("truncated JPEG: no end marker after the last scan", REMEDY)


def _box(width: int, height: int, fit: str) -> tuple[int, int, int, int]:
    if fit == "squash":
        return (0, 0, width, height)
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return (left, top, left + side, top + side)


def to_rgb(image: Image.Image, source: str) -> Image.Image:
    """The image in RGB by the rules above; `source` is the format of its file."""
    if image.mode.startswith("I;16") or (image.mode == "I" and source in ("PNG", "PPM")):
        # 0 to 65535 to 0 to 255: 65535 = 255 * 257
        gray = (np.asarray(image).astype(np.uint32) + 128) // 257
        return Image.fromarray(gray.astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise DataError(f"pixels of mode {image.mode} have no defined white", REMEDY)
    if image.has_transparency_data:
        above = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), above).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
