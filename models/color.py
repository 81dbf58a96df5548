"""RGB and CIE Lab on batched tensors, and the ranges in which networks see them.

Pictures are floats in [0, 1], or uint8 as they are stored, 0 to 255, which Lab is found of without
making floats of them first. Neither autocast nor TF32 lowers the precision.
"""

import re
from types import MappingProxyType

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from .cie import lab_of_linear, linear_of_bytes, linear_of_floats, rgb_of_lab

GRAY_WEIGHTS = (0.2989, 0.587, 0.114)
CHUNK = 2**18  # pixels converted at a time on a CPU: what is computed on stays in its caches

# RGB in [0, 1], or 0 to 255.
Images = Float[Tensor, "n 3 h w"] | UInt8[Tensor, "n 3 h w"]

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
    return as_floats(pixels.permute(0, 3, 1, 2))


def as_floats(images: Images) -> Float[Tensor, "n 3 h w"]:
    """Return RGB in [0, 1]: uint8 divided by 255, floats as they are."""
    return images if images.is_floating_point() else images.to(torch.float32).div_(255)


def rgb_to_lab(images: Images) -> Float[Tensor, "n 3 h w"]:
    """Return CIE Lab (D65, 2 degrees) of sRGB: L in [0, 100], ab about +-110.

    Within 0.001 of scikit-image in every channel. Images are data: torch refuses, by RuntimeError,
    to convert what a gradient is wanted of.
    """
    dtype = images.dtype if images.is_floating_point() else torch.float32
    lab = images.new_empty(images.shape, dtype=dtype)
    at_once = _at_once(images)
    scratch = torch.empty_like(lab[:at_once])
    with torch.autocast(images.device.type, enabled=False):
        for part, out in zip(images.split(at_once), lab.split(at_once), strict=True):
            linear = scratch[: len(part)]
            if part.is_floating_point():
                linear_of_floats(part, out=linear, scratch=out)
            else:
                linear_of_bytes(part, out=linear)
            lab_of_linear(linear, out=out)
    return lab


def lab_to_rgb(lab: Float[Tensor, "n 3 h w"], clip: bool = True) -> Float[Tensor, "n 3 h w"]:
    """Return sRGB of CIE Lab, in [0, 1] if `clip`; gradients are finite everywhere.

    Colours outside the gamut are treated as in scikit-image: negative f(Z) counts as zero.
    """
    rgb = torch.cat([rgb_of_lab(part) for part in lab.split(_at_once(lab))])
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
    images: Images, inputs: str, *, lab: Float[Tensor, "n 3 h w"] | None = None
) -> Float[Tensor, "n c h w"]:
    """Return what a network sees of RGB: the ranges named in `inputs`, concatenated.

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
        return as_floats(images)
    if space == "gray" or lab is None:
        return gray(as_floats(images))
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
