"""L -> ab, as values or as classes (Zhang et al. 2016; Ballester et al. 2022)."""

from collections.abc import Iterable, Mapping
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..color import (
    Images,
    as_floats,
    input_channels,
    input_spaces,
    lab_to_rgb,
    network_input,
    rgb_to_lab,
    split_lab,
)
from ..losses import PIXEL_LOSSES, Lpips, check_lpips, checked_terms, pixel_loss
from ..outputs import ColorBins, Regression, enlarge, shrink
from .adversarial import Translated

AB_SCALE = 110


class Colorization(nn.Module):
    """Predict ab from what `inputs` shows of the lightness.

    `output` is Regression(2, 110) by default. `losses` weighs the terms l1, l2, smooth_l1 (on
    ab / 110), lpips (on RGB of the true L and the predicted ab; needs `lpips`) and cross_entropy
    (needs ColorBins); by default smooth_l1, for ColorBins cross_entropy.
    """

    n_draws = 0
    picture_channels = 2  # of what `translate` gives a critic

    def __init__(
        self,
        output: Regression | ColorBins | None = None,
        losses: Mapping[str, float | int] | None = None,
        *,
        lpips: Lpips | None = None,
        inputs: str = "L/50-1",
    ) -> None:
        super().__init__()
        if not {"ab", "rgb"}.isdisjoint(input_spaces(inputs)):
            raise ValueError(f"inputs {inputs!r} show the colour to predict: use L/50-1")
        self.output = Regression(2, AB_SCALE) if output is None else output
        if self.output.channels != 2:
            raise ValueError(f"expected an output of ab, 2 channels, got {self.output.channels}")
        in_bins = isinstance(self.output, ColorBins)
        if losses is None:
            losses = {"cross_entropy" if in_bins else "smooth_l1": 1.0}
        self.terms = checked_terms(losses, (*PIXEL_LOSSES, "lpips", "cross_entropy"))
        if "cross_entropy" in self.terms and not in_bins:
            raise ValueError("the loss term cross_entropy needs classes: give output=ColorBins()")
        check_lpips(lpips, self.terms)
        self.lpips = lpips
        self.inputs, self.in_channels = inputs, input_channels(inputs)
        self.out_channels = self.output.out_channels
        self.label_free = lpips is None or lpips.label_free

    def prepare(self, images_batches: Iterable[Images]) -> None:
        """Set the rebalancing weights of ColorBins from the pretrain split, where they are used."""
        if isinstance(self.output, ColorBins):
            self.output.prepare(split_lab(rgb_to_lab(images))[1] for images in images_batches)

    def losses(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted terms; their sum is the loss."""
        lab = rgb_to_lab(images)
        return self.losses_of(model(network_input(images, self.inputs, lab=lab)), images, lab)

    def losses_of(
        self,
        raw: Float[Tensor, "n c h2 w2"],
        images: Images,
        lab: Float[Tensor, "n 3 h w"],
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted terms of a raw output for `images`, whose Lab is `lab`."""
        target = shrink(split_lab(lab)[1], raw)
        found, weights = {}, dict(self.terms)
        if isinstance(self.output, ColorBins) and "cross_entropy" in weights:
            weight = weights.pop("cross_entropy")
            found["cross_entropy"] = weight * self.output.cross_entropy(raw, target)
        # Decoding 313 classes is dear, so it is left out where only cross-entropy is asked for.
        if weights:
            predicted = self.output.decode(raw)
        for name, weight in weights.items():
            if self.lpips is not None and name == "lpips":
                loss = self.lpips(_picture(predicted, lab), as_floats(images))
            else:
                loss = pixel_loss(name, predicted / AB_SCALE, target / AB_SCALE)
            found[name] = weight * loss
        return found

    def translate(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> Translated:
        """Return predicted and true ab over 110, at the output's size, given what was seen."""
        lab = rgb_to_lab(images)
        seen = network_input(images, self.inputs, lab=lab)
        raw = model(seen)
        return Translated(
            shrink(seen, raw),
            self.output.decode(raw) / AB_SCALE,
            shrink(split_lab(lab)[1], raw) / AB_SCALE,
            partial(self.losses_of, raw, images, lab),
        )

    def decode(
        self, model: nn.Module, images: Images, *, clip: bool = True
    ) -> Float[Tensor, "n 3 h w"]:
        """Return RGB of the true L and the predicted ab, enlarged to the image.

        Colours out of gamut are clipped, or left where they are for who wants to count them.
        """
        lab = rgb_to_lab(images)
        raw = model(network_input(images, self.inputs, lab=lab))
        return self.decode_of(raw, lab, clip=clip)

    def decode_of(
        self, raw: Float[Tensor, "n c h2 w2"], lab: Float[Tensor, "n 3 h w"], *, clip: bool = True
    ) -> Float[Tensor, "n 3 h w"]:
        """Return RGB of the L of `lab` and the ab of a raw output."""
        return _picture(self.output.decode(raw), lab, clip=clip)


def _picture(ab: Tensor, lab: Tensor, *, clip: bool = True) -> Tensor:
    return lab_to_rgb(torch.cat((split_lab(lab)[0], enlarge(ab, lab)), dim=1), clip=clip)
