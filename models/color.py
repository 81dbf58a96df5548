"""RGB and CIE Lab on batched tensors, and the ranges in which networks see them.

Neither autocast nor TF32 lowers the precision. Curves of two branches are sums of both, each of the
argument clamped to its side: on a CPU `torch.where` costs forty times a clamp, and `**` twice a
logarithm with an exponential.
"""

import math
import re
from collections.abc import Sequence
from types import MappingProxyType

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

RGB_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
XYZ_TO_RGB = (
    (3.240481343200527, -1.5371515162713185, -0.4985363261688878),
    (-0.9692549499965683, 1.8759900014898907, 0.041555926558292815),
    (0.05564663913517715, -0.20404133836651123, 1.0573110696453443),
)
WHITE_D65 = (0.95047, 1.0, 1.08883)
# Between linear RGB and XYZ relative to the white point.
RGB_TO_WHITE = tuple(
    tuple(value / white for value in row) for row, white in zip(RGB_TO_XYZ, WHITE_D65, strict=True)
)
WHITE_TO_RGB = tuple(
    tuple(value * white for value, white in zip(row, WHITE_D65, strict=True)) for row in XYZ_TO_RGB
)
GRAY_WEIGHTS = (0.2989, 0.587, 0.114)

LAB_KNEE = 6 / 29
LAB_SLOPE = 3 * LAB_KNEE**2
SRGB_KNEE = 0.04045
SRGB_OFFSET = 0.055
LINEAR_KNEE = SRGB_KNEE / 12.92
CHUNK = 2**16  # pixels converted at a time on a CPU: what is computed on stays in its cache

CHANNELS = MappingProxyType({"L": 1, "ab": 2, "gray": 1, "rgb": 3})
# name: (space, offset, scale); the network sees (x - offset) / scale.
NORMALISATIONS = MappingProxyType(
    {
        "L/100": ("L", 0.0, 100.0),
        "L/50-1": ("L", 50.0, 50.0),
        "(L-50)/100": ("L", 50.0, 100.0),
        "L-50": ("L", 50.0, 1.0),
        "ab/128": ("ab", 0.0, 128.0),
        "ab/110": ("ab", 0.0, 110.0),
        "gray[0,1]": ("gray", 0.0, 1.0),
        "gray[-1,1]": ("gray", 0.5, 0.5),
        "rgb[0,1]": ("rgb", 0.0, 1.0),
        "rgb[-1,1]": ("rgb", 0.5, 0.5),
    }
)


def as_images(pixels: UInt8[Tensor, "n h w 3"]) -> Float[Tensor, "n 3 h w"]:
    """Return stored pixels as float32 RGB in [0, 1], channels first (channels_last in memory)."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32).div_(255)


def rgb_to_lab(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Return CIE Lab (D65, 2 degrees) of sRGB in [0, 1]: L in [0, 100], ab about +-110.

    Within 0.001 of scikit-image in every channel. Images are data: torch refuses, by RuntimeError,
    to convert what a gradient is wanted of.
    """
    lab = torch.empty_like(images, memory_format=torch.contiguous_format)
    at_once = _at_once(images)
    scratch = torch.empty_like(lab[:at_once])
    with torch.autocast(images.device.type, enabled=False):
        for part, out in zip(images.split(at_once), lab.split(at_once), strict=True):
            _to_lab(part, out, scratch[: len(part)])
    return lab


def lab_to_rgb(lab: Float[Tensor, "n 3 h w"], clip: bool = True) -> Float[Tensor, "n 3 h w"]:
    """Return sRGB of CIE Lab, in [0, 1] if `clip`; gradients are finite everywhere.

    Colours outside the gamut are treated as in scikit-image: negative f(Z) counts as zero.
    """
    rgb = torch.cat([_to_rgb(part) for part in lab.split(_at_once(lab))])
    return rgb.clamp(0, 1) if clip else rgb


def split_lab(
    lab: Float[Tensor, "n 3 h w"],
) -> tuple[Float[Tensor, "n 1 h w"], Float[Tensor, "n 2 h w"]]:
    """Return L and ab, as views."""
    return lab[:, :1], lab[:, 1:]


def gray(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 1 h w"]:
    """Return luma of RGB, in the range of the images, with torchvision's ITU-R 601 weights."""
    red, green, blue = images.unbind(1)
    weight_red, weight_green, weight_blue = GRAY_WEIGHTS
    return (weight_red * red + weight_green * green + weight_blue * blue).unsqueeze(1)


def normalise(x: Float[Tensor, "n c h w"], name: str) -> Float[Tensor, "n c h w"]:
    """Return `x` (L, ab, gray or RGB in its own units) in the range called `name`."""
    _, offset, scale = _normalisation(name)
    return (x - offset) / scale


def denormalise(x: Float[Tensor, "n c h w"], name: str) -> Float[Tensor, "n c h w"]:
    """Return `x`, given in the range called `name`, in its own units: undoes `normalise`."""
    _, offset, scale = _normalisation(name)
    return x * scale + offset


def input_spaces(inputs: str) -> tuple[str, ...]:
    """Return what `inputs` shows of an image, in order, out of L, ab, gray and rgb."""
    return tuple(_normalisation(name)[0] for name in _names(inputs))


def input_channels(inputs: str) -> int:
    """Return how many channels `network_input` gives for `inputs`."""
    return sum(CHANNELS[space] for space in input_spaces(inputs))


def network_input(
    images: Float[Tensor, "n 3 h w"], inputs: str, *, lab: Float[Tensor, "n 3 h w"] | None = None
) -> Float[Tensor, "n c h w"]:
    """Return what a network sees of RGB in [0, 1]: the ranges named in `inputs`, concatenated.

    `inputs` is one name or several joined by a comma ("L/50-1,ab/110"). `lab` is the Lab of the
    same images where the caller has it. Unknown names raise ValueError.
    """
    spaces = input_spaces(inputs)
    if lab is None and not {"L", "ab"}.isdisjoint(spaces):
        lab = rgb_to_lab(images)
    parts = [
        normalise(_channels(images, lab, space), name)
        for name, space in zip(_names(inputs), spaces, strict=True)
    ]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _channels(images: Tensor, lab: Tensor | None, space: str) -> Tensor:
    if space == "rgb":
        return images
    if space == "gray" or lab is None:
        return gray(images)
    return split_lab(lab)[0 if space == "L" else 1]


def _names(inputs: str) -> list[str]:
    """Split at the commas that join names, not at those inside brackets ("rgb[0,1]")."""
    return [name.strip() for name in re.split(r",(?![^\[]*\])", inputs)]


def _normalisation(name: str) -> tuple[str, float, float]:
    if name not in NORMALISATIONS:
        known = ", ".join(NORMALISATIONS)
        raise ValueError(f"unknown input {name!r}: use one of {known}, or several joined by ','")
    return NORMALISATIONS[name]


def _at_once(images: Tensor) -> int:
    """How many images are converted together."""
    if images.device.type != "cpu":
        return max(1, len(images))
    return max(1, CHUNK // max(1, images.shape[-2] * images.shape[-1]))


def _to_rgb(lab: Tensor) -> Tensor:
    """Unclipped sRGB of a few images in Lab."""
    lightness, a, b = lab.unbind(1)
    fy = (lightness + 16) / 116
    curved = torch.stack((fy + a / 500, fy, (fy - b / 200).clamp(min=0)), dim=1)
    xyz = curved.clamp(min=LAB_KNEE) ** 3 + LAB_SLOPE * (curved.clamp(max=LAB_KNEE) - LAB_KNEE)
    linear = _mix(xyz, WHITE_TO_RGB)
    curve = (1 + SRGB_OFFSET) * linear.clamp(min=LINEAR_KNEE) ** (1 / 2.4) - SRGB_OFFSET
    return curve + 12.92 * (linear.clamp(max=LINEAR_KNEE) - LINEAR_KNEE)


def _to_lab(images: Tensor, lab: Tensor, scratch: Tensor) -> None:
    """Write the Lab of a few `images` into `lab`; `scratch` is of its shape, and overwritten.

    All is computed within these two, since fresh memory costs more than the sums. Factors and
    offsets of the first curve are in the matrix.
    """
    gain = (1 + SRGB_OFFSET) ** -2.4
    knee = SRGB_KNEE + SRGB_OFFSET - 1
    torch.add(images, SRGB_OFFSET - 1, out=lab)
    torch.clamp(lab, max=knee, out=scratch)
    _power(lab.clamp_(min=knee), 2.4).add_(scratch, alpha=1 / 12.92 / gain)
    excess = gain * (knee + 1) ** 2.4 + (SRGB_OFFSET - 1) / 12.92
    # Y, X and Z less 1: in this order L, a and b can take their places.
    rows = [RGB_TO_WHITE[i] for i in (1, 0, 2)]
    yxz = [[gain * value for value in row] for row in rows]
    _affine(lab, yxz, [-1 - excess * sum(row) for row in rows], out=scratch)
    dark = LAB_KNEE**3 - 1
    torch.clamp(scratch, min=dark, out=lab)
    _power(lab, 1 / 3).add_(scratch.clamp_(max=dark), alpha=1 / LAB_SLOPE)
    fy, fx, fz = lab.unbind(1)
    fx.sub_(fy).mul_(500)
    torch.sub(fy, fz, out=fz).mul_(200)
    fy.mul_(116).sub_(16 + 116 * dark / LAB_SLOPE)  # all three f are too large alike


def _power(below: Tensor, exponent: float) -> Tensor:
    """(1 + below) ** exponent in place of `below`, which is above -1."""
    return below.log1p_().mul_(exponent / math.log(2)).exp2_()


def _affine(
    x: Tensor, matrix: Sequence[Sequence[float]], offset: Sequence[float], *, out: Tensor
) -> None:
    """`matrix` times the channels of `x`, plus `offset`, into `out`."""
    torch.matmul(x.new_tensor(matrix), x.flatten(2), out=out.flatten(2))
    out.add_(x.new_tensor(offset)[:, None, None])


def _mix(x: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    first, second, third = x.unbind(1)
    return torch.stack([p * first + q * second + r * third for p, q, r in matrix], dim=1)
