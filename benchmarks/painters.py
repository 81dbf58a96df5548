"""Where coloured pictures come from: a trained method, or a reference that needs no training."""

import copy
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from benchmarks.batches import load
from benchmarks.contest import Round
from benchmarks.draws import generator
from models.color import input_spaces, lab_to_rgb, rgb_to_lab, split_lab
from models.encoder import resized
from models.outputs import ColorBins, enlarge

Pictures = Float[Tensor, "n 3 h w"]
Ids = Int64[np.ndarray, " n"]
MODE = 1e-6  # a temperature at which the annealed mean of classes is as good as their mode


@runtime_checkable
class Colorizer(Protocol):
    """A trained method, as far as its pictures need it."""

    @property
    def name(self) -> str:
        """Name of its row."""

    @property
    def at(self) -> Round:
        """Images, split, fold, seed, store and device."""

    @property
    def pixels(self) -> int | None:
        """Side in pixels at which it sees images; None for as they are."""

    @property
    def label_free(self) -> bool:
        """Whether no label went into its training."""

    @property
    def colorizer_key(self) -> str:
        """Hash of the trained weights and all else that `pretext.decode(model, images)` reads."""

    def colorizer(self) -> tuple[nn.Module, Any]:
        """Return model and pretext as trained, free to be moved to another device."""


@dataclass(frozen=True)
class Painter:
    """A row of the table of pictures: `paint(images, ids)` returns RGB, not clipped by us.

    `unclipped` says that nobody clipped it, so that colours out of gamut show; `timed` that its
    speed is worth a row. `key` identifies what it paints.
    """

    name: str
    key: str
    label_free: bool
    paint: Callable[[Pictures, Ids], Pictures]
    unclipped: bool = True
    timed: bool = False


def colorizes(pretext: Any) -> bool:
    """Return whether the pretext's pictures have colours that its model had to guess.

    Its attribute `colorizes` decides where it has one. Otherwise it does if its `inputs` show no
    colour and it predicts more than one channel: one channel from lightness is lightness.
    """
    said = getattr(pretext, "colorizes", None)
    if said is not None:
        return bool(said)
    shown = input_spaces(pretext.inputs)
    return {"ab", "rgb"}.isdisjoint(shown) and pretext.out_channels != 1


def method_painter(method: Colorizer) -> Painter | None:
    """Return the painter of a trained method, None if it guesses no colour.

    A pretext whose `decode` has the keyword `clip` is asked not to clip.
    """
    model, pretext = method.colorizer()
    if not colorizes(pretext):
        return None
    return _painter(method, model, pretext, name=method.name, key=method.colorizer_key)


def annealed_painters(method: Colorizer, temperatures: Sequence[float | int]) -> list[Painter]:
    """Return a painter `NAME T=T` for each temperature of the annealed mean (Zhang et al. 2016).

    [] for a method that predicts no classes of colour; 0 paints their mode.
    """
    model, pretext = method.colorizer()
    found = []
    for temperature in temperatures:
        annealed = copy.deepcopy(pretext)  # the method's own keeps its temperature
        if colorizes(annealed) and set_temperature(annealed, temperature):
            suffix = f" T={temperature:g}"
            name, key = method.name + suffix, method.colorizer_key + suffix
            found.append(_painter(method, model, annealed, name=name, key=key))
    return found


def set_temperature(pretext: nn.Module, temperature: float | int) -> bool:
    """Decode classes of colour at this temperature from now on; return whether there are any.

    0 gives their mode, 1 their mean.
    """
    outputs = [part for part in pretext.modules() if isinstance(part, ColorBins)]
    for output in outputs:
        output.temperature = max(temperature, MODE)
    return bool(outputs)


def _painter(method: Colorizer, model: nn.Module, pretext: Any, *, name: str, key: str) -> Painter:
    device = method.at.device
    model, pretext = model.to(device).eval(), pretext.to(device).eval()
    unclipped = "clip" in inspect.signature(pretext.decode).parameters
    how = {"clip": False} if unclipped else {}

    def paint(images: Pictures, ids: Ids) -> Pictures:
        seen = resized(images, method.pixels)
        return on_full_size(pretext.decode(model, seen, **how), seen, images)

    return Painter(name, key, method.label_free, paint, unclipped, True)


def on_full_size(
    painted: Float[Tensor, "n 3 s t"],
    seen: Float[Tensor, "n 3 s t"],
    images: Float[Tensor, "n 3 h w"],
) -> Pictures:
    """Return what was painted of the smaller pictures `seen`, at the size of `images`.

    ab is enlarged; so is the error of L, which is added to the true L. A method that keeps L, as
    those in Lab do, keeps it at full resolution.
    """
    if painted.shape == images.shape:
        return painted
    change, ab = split_lab(rgb_to_lab(painted) - _lightness_alone(seen))
    lab = torch.cat((enlarge(change, images), enlarge(ab, images)), dim=1)
    return lab_to_rgb(lab + _lightness_alone(images), clip=False)


def reference_painters(at: Round) -> list[Painter]:
    """Return what every method is compared with.

    gray: the true L with ab = 0. random_colours: the true L with the ab of another picture, drawn
    from the pretrain split (the Random of Zhang et al. 2016). truth: the picture itself.
    """

    def gray(images: Pictures, ids: Ids) -> Pictures:
        return lab_to_rgb(_lightness_alone(images), clip=False)

    def random_colours(images: Pictures, ids: Ids) -> Pictures:
        drawn = [
            generator(at.seed, "random colours", int(i)).choice(at.split.pretrain) for i in ids
        ]
        other = rgb_to_lab(load(at.images.images, np.array(drawn), at.device))
        lightness = split_lab(rgb_to_lab(images))[0]
        return lab_to_rgb(torch.cat((lightness, split_lab(other)[1]), dim=1), clip=False)

    def truth(images: Pictures, ids: Ids) -> Pictures:
        return images

    return [
        Painter("gray", "gray", True, gray),
        Painter("random_colours", f"random_colours {at.seed}", True, random_colours),
        Painter("truth", "truth", True, truth),
    ]


def _lightness_alone(images: Tensor) -> Tensor:
    """Return Lab with ab = 0."""
    lightness, ab = split_lab(rgb_to_lab(images))
    return torch.cat((lightness, torch.zeros_like(ab)), dim=1)
