"""RGB and CIE Lab on batched tensors, and the ranges in which networks see them.

Plain channel arithmetic, so neither autocast nor TF32 lowers its precision.
"""

import re
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
LINEAR_KNEE = SRGB_KNEE / 12.92

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
    """Return CIE Lab (D65, 2 degrees) of sRGB in [0, 1]: L in [0, 100], ab about +-110."""
    curve = ((images.clamp(min=SRGB_KNEE) + 0.055) / 1.055) ** 2.4
    linear = torch.where(images > SRGB_KNEE, curve, images / 12.92)
    x, y, z = _mix(linear, RGB_TO_WHITE).unbind(1)
    fx, fy, fz = _lab_curve(x), _lab_curve(y), _lab_curve(z)
    return torch.stack((116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)), dim=1)


def lab_to_rgb(lab: Float[Tensor, "n 3 h w"], clip: bool = True) -> Float[Tensor, "n 3 h w"]:
    """Return sRGB of CIE Lab, in [0, 1] if `clip`; gradients are finite everywhere.

    Colours outside the gamut are treated as in scikit-image: negative f(Z) counts as zero.
    """
    lightness, a, b = lab.unbind(1)
    fy = (lightness + 16) / 116
    curved = torch.stack((fy + a / 500, fy, (fy - b / 200).clamp(min=0)), dim=1)
    cubed, straight = curved**3, (curved - 4 / 29) * LAB_SLOPE
    xyz = torch.where(curved > LAB_KNEE, cubed, straight)
    linear = _mix(xyz, WHITE_TO_RGB)
    curve = 1.055 * linear.clamp(min=LINEAR_KNEE) ** (1 / 2.4) - 0.055
    rgb = torch.where(linear > LINEAR_KNEE, curve, linear * 12.92)
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


def _lab_curve(t: Tensor) -> Tensor:
    cube_root = t.clamp(min=LAB_KNEE**3) ** (1 / 3)
    return torch.where(t > LAB_KNEE**3, cube_root, t / LAB_SLOPE + 4 / 29)


def _mix(x: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    first, second, third = x.unbind(1)
    return torch.stack([p * first + q * second + r * third for p, q, r in matrix], dim=1)
