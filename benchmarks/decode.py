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

Pillow reads every header, and the pixels of all but plain JPEG: those torchvision decodes to the
same bytes in less time, without Python's lock. torch resizes in whole numbers, on every processor
alike and within a level of Pillow (two where noise is enlarged).
"""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import ExifTags, Image, ImageOps
from torch import Tensor
from torch.nn import functional
from torchvision.io import decode_jpeg

from benchmarks.errors import ConfigError, DataError

RULES = 2  # in every store's key: raise it when a rule changes
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
MAX_PIXELS = 64 * 2**20
REMEDY = "mend the file or take it out"


def decode_image(data: bytes, size: int, fit: str = "crop") -> UInt8[np.ndarray, "size size 3"]:
    """The image by the rules above; DataError with the reason if it is refused."""
    return decoding(data, size, fit)()


def decoding(data: bytes, size: int, fit: str = "crop") -> Callable[[], UInt8[np.ndarray, "s s 3"]]:
    """Read and accept the header alone; what comes back decodes. Both raise DataError.

    Headers are read under Python's lock, pixels without it: of small pictures two threads that read
    many headers and then decode take two thirds of the time of threads that do both in turn, whose
    every wait for the lock puts a core to sleep.
    """
    if fit not in ("crop", "squash"):
        raise ConfigError(f"fit is {fit!r}", "give crop or squash")
    if not data:
        raise DataError("empty or unreadable file", REMEDY)
    with refusals():
        return partial(_decode, _opened(data, size), size, fit)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Whatever a decoder raises within is a DataError with the reason."""
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


def _opened(data: bytes, size: int) -> Callable[[], UInt8[Tensor, "3 h w"]]:
    """What gives the upright picture in RGB, at its own size or, of a large JPEG, reduced."""
    file = Image.open(io.BytesIO(data), formats=FORMATS)
    width, height = file.size
    if width * height > MAX_PIXELS:
        raise DataError(f"{width} x {height} pixels are more than 64 Mpx", REMEDY)
    form = str(file.format)
    if form in ("JPEG", "MPO"):
        check_end(data)
        file.draft(None, (2 * size, 2 * size))
        whole = file.size == (width, height)
        upright = file.getexif().get(ExifTags.Base.Orientation, 1) == 1
        if form == "JPEG" and file.mode == "RGB" and whole and upright:
            return partial(_plain_jpeg, data)
    return partial(_by_pillow, file, form)


def _plain_jpeg(data: bytes) -> UInt8[Tensor, "3 h w"]:
    try:
        return decode_jpeg(torch.frombuffer(bytearray(data), dtype=torch.uint8))
    except RuntimeError as error:
        reason = str(error).split(", ", 2)[-1]  # after torchvision's own function, file and line
        raise DataError(f"JPEG: {reason}", REMEDY) from error


def _by_pillow(file: Image.Image, form: str) -> UInt8[Tensor, "3 h w"]:
    with file:
        ImageOps.exif_transpose(file, in_place=True)
        return torch.from_numpy(np.array(to_rgb(file, form))).permute(2, 0, 1)


def _decode(
    pixels: Callable[[], UInt8[Tensor, "3 h w"]], size: int, fit: str
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    with refusals():
        square = _square(pixels(), size, fit)
    return np.ascontiguousarray(square.permute(1, 2, 0).numpy())


def _square(
    pixels: UInt8[Tensor, "3 h w"], size: int, fit: str
) -> UInt8[Tensor, "3 {size} {size}"]:
    height, width = pixels.shape[1:]
    if fit == "crop":
        side = min(width, height)
        top, left = (height - side) // 2, (width - side) // 2
        pixels = pixels[:, top : top + side, left : left + side]
    if pixels.shape[1:] == (size, size):
        return pixels
    batch = pixels.unsqueeze(0)
    return functional.interpolate(batch, (size, size), mode="bicubic", antialias=True)[0]


def check_end(data: bytes) -> None:
    """Raise DataError for a JPEG without its end: Pillow accepts it, others refuse or fill it."""
    if data.find(b"\xff\xda", data.rfind(b"\xff\xd9") + 1) >= 0:
        raise DataError("truncated JPEG: no end marker after the last scan", REMEDY)


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
