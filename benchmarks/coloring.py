"""A trained method put to use: pictures of any size and aspect get the colour that it predicts."""

import inspect
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from benchmarks.errors import ConfigError, IntegrityError, ResourceError
from benchmarks.painters import colorizes, set_temperature
from benchmarks.recolor import recolored, reflected, without_color, working_size
from benchmarks.trained import Trained, TrainedMethods, pick_device
from models.color import input_spaces, rgb_to_lab, split_lab

MULTIPLES = tuple(2**k for k in range(10))  # of which a network may want its sides
KEPT = 0.1  # change of L, out of 100, up to which L is the one given: more than Lab and back makes


class PictureColorizer:
    """uint8 RGB pictures to their own L with the ab that `trained` predicts.

    `size` is the shorter side at which ab is predicted (default: of the training images).
    `temperature` sharpens classes (below 1) or blurs them; by default the method's own.
    ConfigError if either cannot be.
    """

    def __init__(
        self,
        trained: Trained,
        *,
        size: int | None = None,
        temperature: float | int | None = None,
        device: str = "cpu",
    ) -> None:
        self.trained, self.device = trained, device
        for part in (trained.model, trained.pretext):
            part.to(device)
        self.size = trained.side if size is None else size
        if self.size < 1:
            raise ConfigError(f"a working size of {size} px cannot be", "give --size of at least 1")
        if temperature is not None:
            _set_temperature(trained, temperature)

    def __call__(self, pixels: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The picture in colour; whatever colour it has is not looked at."""
        try:
            return recolored(pixels, self.ab(pixels))
        except RuntimeError as error:  # torch has no narrower name for it on all devices
            if not re.search("out of memory|allocate memory|enough memory", str(error)):
                raise
            raise ResourceError(f"out of memory on {self.device}", "lower --size") from error

    @torch.no_grad()
    def ab(self, pixels: UInt8[np.ndarray, "_h _w 3"]) -> Float[Tensor, "1 2 _h2 _w2"]:
        """Predicted ab at the working size.

        The network's sides are multiples of a power of two or, where it refuses all of those, the
        square that it was trained on: the picture is continued by its mirror image up to them.
        """
        refusal = ""
        for (height, width), canvas in self._fits(*pixels.shape[:2]):
            images = without_color(pixels, height, width, self.device)
            try:
                predicted = predicted_ab(self.trained, reflected(images, *canvas))
            except ValueError as error:
                refusal = refusal or " ".join(str(error).split())
                continue
            if not predicted.isfinite().all():
                raise IntegrityError(
                    f"{self.trained.name} predicts numbers that are not finite", "train it again"
                )
            return predicted[..., :height, :width]
        raise ConfigError(f"{self.trained.name} takes no such picture: {refusal}", "give --size")

    def _fits(self, height: int, width: int) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
        """Sizes to try, the best first: of the picture, and of the canvas around it."""
        inner = working_size(height, width, self.size)
        canvases = [tuple(-(-side // m) * m for side in inner) for m in MULTIPLES]
        yield from ((inner, canvas) for canvas in dict.fromkeys(canvases))
        scale = self.trained.side / max(height, width)
        squeezed = max(1, round(scale * height)), max(1, round(scale * width))
        yield squeezed, (self.trained.side, self.trained.side)


def predicted_ab(trained: Trained, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 2 h w"]:
    """The ab that a method predicts for images in [0, 1].

    Methods that keep L may leave the gamut, which is clipped at full size, once; those that predict
    RGB, whatever its range, have the ab of what they show: of RGB clipped to [0, 1].
    """
    decode = trained.pretext.decode
    able = "clip" in inspect.signature(decode).parameters
    rgb = decode(trained.model, images, **({"clip": False} if able else {}))
    lab = rgb_to_lab(rgb)
    change = split_lab(lab)[0] - split_lab(rgb_to_lab(images))[0]
    if change.abs().amax() > KEPT:
        lab = rgb_to_lab(rgb.clamp(0, 1))
    return split_lab(lab)[1]


def colors_lightness(pretext: Any) -> bool:
    """Whether it gives colour to lightness: what colorizes, but for translations of RGB."""
    return colorizes(pretext) and "rgb" not in input_spaces(pretext.inputs)


def load_colorizer(
    run: Path,
    *,
    method: str | None = None,
    size: int | None = None,
    temperature: float | int | None = None,
    device: str = "auto",
) -> PictureColorizer:
    """The colorizer of a run's folder: of `method`, or of the first trained one that colours.

    ConfigError if there is none, or if the method named predicts no colour.
    """
    methods, device = TrainedMethods(run), pick_device(device)
    able = (name for name in methods.names if colors_lightness(methods.pretext(name)))
    name = method or next((name for name in able if methods.epochs(name)), None)
    if name is None or not colors_lightness(methods.pretext(name)):
        cause = f"{name} predicts no colour" if name else "the run trained no method to colorize"
        others = [name for name in methods.names if colors_lightness(methods.pretext(name))]
        known = f"give --method, one of: {', '.join(others)}" if others else ""
        raise ConfigError(cause, known or "give --run with a run that did, such as of exp=systems")
    return PictureColorizer(methods.load(name), size=size, temperature=temperature, device=device)


def _set_temperature(trained: Trained, temperature: float | int) -> None:
    if not 0 < temperature < math.inf:
        raise ConfigError(f"a temperature of {temperature} cannot be", "give a number above 0")
    if not set_temperature(trained.pretext, temperature):
        raise ConfigError(
            f"{trained.name} predicts values, which have no temperature",
            "leave out --temperature, or give --method with one that predicts classes",
        )
