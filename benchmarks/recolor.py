"""A picture keeps its own L at its own size; only ab is predicted, at a working size.

Everything at the picture's size happens in strips of rows, so that memory does not grow with it.
"""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor

from models.color import lab_to_rgb, rgb_to_lab, split_lab

STRIP = 2**18  # pixels that are in floating point at a time
LONGEST = 4  # times the working side: beyond it the picture shrinks, or a strip would fill memory


def working_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width, in pixels, of a picture whose shorter side becomes `side`, aspect kept.

    The longer one becomes at most 4 times `side`, for pictures that are longer than that.
    """
    scale = min(side / min(height, width), LONGEST * side / max(height, width))
    return max(1, round(scale * height)), max(1, round(scale * width))


def without_color(
    pixels: UInt8[np.ndarray, "_h _w 3"], height: int, width: int, device: str = "cpu"
) -> Float[Tensor, "1 3 {height} {width}"]:
    """The picture resized (bicubic with antialiasing, as training images) and gray: its L alone."""
    small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    lab = rgb_to_lab(torch.from_numpy(np.array(small)[None]).to(device).permute(0, 3, 1, 2))
    lab[:, 1:] = 0
    return lab_to_rgb(lab)


def reflected(
    images: Float[Tensor, "n c _h _w"], height: int, width: int
) -> Float[Tensor, "n c {height} {width}"]:
    """Images continued to the right and below by their mirror image, as often as it takes."""
    rows, columns = (
        torch.arange(to, device=images.device) % (2 * side)
        for to, side in ((height, images.shape[-2]), (width, images.shape[-1]))
    )
    rows = torch.minimum(rows, 2 * images.shape[-2] - 1 - rows)
    columns = torch.minimum(columns, 2 * images.shape[-1] - 1 - columns)
    return images[..., rows, :][..., columns]


def recolored(
    pixels: UInt8[np.ndarray, "h w 3"], ab: Float[Tensor, "1 2 _h _w"]
) -> UInt8[np.ndarray, "h w 3"]:
    """The L of the picture with `ab`, enlarged bilinearly and clipped to sRGB, once and here.

    Computed on the device of `ab`.
    """
    height, width = pixels.shape[:2]
    out = np.empty_like(pixels)
    step = max(1, STRIP // width)
    for top in range(0, height, step):
        rows = slice(top, min(top + step, height))
        strip = torch.from_numpy(pixels[rows][None]).to(ab.device).permute(0, 3, 1, 2)
        lightness = split_lab(rgb_to_lab(strip))[0]
        rgb = lab_to_rgb(torch.cat((lightness, _rows_of(ab, rows, height, width)), dim=1))
        out[rows] = (rgb[0] * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return out


def gray(pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
    """The picture without its colour, at equal L."""
    # One channel for all three: the white of Lab is not neutral to the last digit.
    return np.repeat(recolored(pixels, torch.zeros(1, 2, 1, 1))[..., 1:2], 3, axis=-1)


def _rows_of(ab: Tensor, rows: slice, height: int, width: int) -> Tensor:
    """These rows of `ab` at height x width: bilinear interpolation is first down, then across."""
    last = ab.shape[-2] - 1
    at = (torch.arange(rows.start, rows.stop, dtype=torch.float64) + 0.5) * ab.shape[-2] / height
    at = (at - 0.5).clamp(0, last)
    above = at.long()
    share = (at - above).to(ab)[:, None]
    above = above.to(ab.device)
    below = (above + 1).clamp(max=last)
    down = torch.lerp(ab[..., above, :], ab[..., below, :], share)
    size = (down.shape[-2], width)
    return F.interpolate(down, size=size, mode="bilinear", align_corners=False)
