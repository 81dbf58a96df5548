"""sRGB to CIE Lab and back, on the few images that fit a cache: what color.py is made of.

Curves of two branches are sums of both, each of the argument clamped to its side: on a CPU
`torch.where` costs forty times a clamp, and `**` twice a logarithm with an exponential. Fresh
memory costs more than the sums, so that the way to Lab takes little: it fills what it is given.
"""

import functools

import torch
from jaxtyping import Float, Int64, UInt8
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

LAB_KNEE = 6 / 29
LAB_SLOPE = 3 * LAB_KNEE**2
SRGB_KNEE = 0.04045
SRGB_OFFSET = 0.055
LINEAR_KNEE = SRGB_KNEE / 12.92


def linear_of_bytes(images: UInt8[Tensor, "n 3 h w"], *, out: Float[Tensor, "n 3 h w"]) -> None:
    """Write linear RGB, in [0, 1], into `out`, which is contiguous.

    It is looked up, two bytes at a time where a picture has an even number of them.
    """
    pixels, found = images.flatten(1), out.flatten(1)
    if pixels.shape[1] % 2:
        table = _curve(images.device)
    else:
        table, found = _curve_of_pairs(images.device), found.view(torch.int64)  # two floats each
        pixels = pixels.view(torch.uint16)
    torch.gather(table.expand(len(pixels), -1), 1, pixels.long(), out=found)


def linear_of_floats(
    images: Float[Tensor, "n 3 h w"],
    *,
    out: Float[Tensor, "n 3 h w"],
    scratch: Float[Tensor, "n 3 h w"],
) -> None:
    """Write linear RGB of `images` in [0, 1] into `out`; `scratch` is overwritten."""
    gain = (1 + SRGB_OFFSET) ** -2.4
    knee = SRGB_KNEE + SRGB_OFFSET
    torch.add(images, SRGB_OFFSET, out=scratch)
    torch.clamp(scratch, max=knee, out=out).sub_(knee).mul_(1 / 12.92)
    out.add_(_power(scratch.clamp_(min=knee), 2.4), alpha=gain)


def lab_of_linear(linear: Float[Tensor, "n 3 h w"], *, out: Float[Tensor, "n 3 h w"]) -> None:
    """Write Lab (D65, 2 degrees) of linear RGB into `out`; `linear` is overwritten."""
    red, green, blue = linear.split(1, dim=1)
    of_red, of_green, of_blue = _knees(linear.device, linear.dtype)
    torch.mul(red, of_red, out=out).addcmul_(green, of_green).addcmul_(blue, of_blue)
    below = torch.clamp(out, max=1, out=linear)
    _power(out.clamp_(min=1), 1 / 3).add_(below, alpha=1 / 3)  # the curve and its tangent, + 1/3
    fy, fx, fz = out.unbind(1)  # L, a and b take their places
    fx.sub_(fy).mul_(500 * LAB_KNEE)
    torch.sub(fy, fz, out=fz).mul_(200 * LAB_KNEE)
    fy.mul_(116 * LAB_KNEE).sub_(16 + 116 * LAB_KNEE / 3)


def rgb_of_lab(lab: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Return sRGB of Lab, outside [0, 1] where the colour is outside the gamut."""
    lightness, a, b = lab.unbind(1)
    fy = (lightness + 16) / 116
    curved = torch.stack((fy + a / 500, fy, (fy - b / 200).clamp(min=0)), dim=1)
    xyz = curved.clamp(min=LAB_KNEE) ** 3 + LAB_SLOPE * (curved.clamp(max=LAB_KNEE) - LAB_KNEE)
    linear = _mix(xyz, WHITE_TO_RGB)
    curve = (1 + SRGB_OFFSET) * linear.clamp(min=LINEAR_KNEE) ** (1 / 2.4) - SRGB_OFFSET
    return curve + 12.92 * (linear.clamp(max=LINEAR_KNEE) - LINEAR_KNEE)


@functools.cache
def _curve(device: torch.device) -> Float[Tensor, " 256"]:
    """Linear RGB of every byte."""
    srgb = torch.arange(256, dtype=torch.float64) / 255
    steep = ((srgb + SRGB_OFFSET) / (1 + SRGB_OFFSET)) ** 2.4
    return torch.where(srgb > SRGB_KNEE, steep, srgb / 12.92).float().to(device)


@functools.cache
def _curve_of_pairs(device: torch.device) -> Int64[Tensor, " 65536"]:
    """Linear RGB of every two bytes, in the order of this machine's memory: each two floats."""
    pairs = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(torch.uint8)
    return _curve(device)[pairs.int().to(device)].view(torch.int64)


@functools.cache
def _knees(device: torch.device, dtype: torch.dtype) -> tuple[Float[Tensor, "1 3 1 1"], ...]:
    """What each of red, green and blue adds to Y, X and Z, in units of where f bends."""
    matrix = torch.tensor(RGB_TO_WHITE, dtype=torch.float64)[[1, 0, 2]] / LAB_KNEE**3
    return matrix.to(device, dtype).view(1, 3, 1, 1, 3).unbind(-1)


def _power(base: Tensor, exponent: float) -> Tensor:
    """Raise `base`, which is positive, to a power, in its place."""
    return base.log2_().mul_(exponent).exp2_()


def _mix(x: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    first, second, third = x.unbind(1)
    return torch.stack([p * first + q * second + r * third for p, q, r in matrix], dim=1)
