"""ab -> L, as values or as classes: the other half of Split-Brain (Zhang et al. 2017)."""

from collections.abc import Iterable, Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..color import (
    Images,
    input_channels,
    input_spaces,
    lab_to_rgb,
    network_input,
    rgb_to_lab,
    split_lab,
)
from ..losses import PIXEL_LOSSES, checked_terms, pixel_loss
from ..outputs import LightnessBins, Regression, enlarge, shrink

L_SCALE = 50


class Lightness(nn.Module):
    """Predict L from ab.

    `output` is Regression(1, 50, offset=50) by default. `losses` weighs the terms l1, l2,
    smooth_l1 (on L / 50 - 1) and cross_entropy (needs LightnessBins); by default smooth_l1, for
    LightnessBins cross_entropy.
    """

    n_draws = 0
    label_free = True

    def __init__(
        self,
        output: Regression | LightnessBins | None = None,
        losses: Mapping[str, float | int] | None = None,
        *,
        inputs: str = "ab/110",
    ) -> None:
        super().__init__()
        if set(input_spaces(inputs)) != {"ab"}:
            raise ValueError(f"inputs {inputs!r} show the lightness to predict: use ab/110")
        self.output = Regression(1, L_SCALE, offset=L_SCALE) if output is None else output
        if self.output.channels != 1:
            raise ValueError(f"expected an output of L, 1 channel, got {self.output.channels}")
        in_bins = isinstance(self.output, LightnessBins)
        if losses is None:
            losses = {"cross_entropy" if in_bins else "smooth_l1": 1.0}
        self.terms = checked_terms(losses, (*PIXEL_LOSSES, "cross_entropy"))
        if "cross_entropy" in self.terms and not in_bins:
            raise ValueError("the term cross_entropy needs classes: give output=LightnessBins()")
        self.inputs, self.in_channels = inputs, input_channels(inputs)
        self.out_channels = self.output.out_channels

    def prepare(self, images_batches: Iterable[Images]) -> None:
        """Read nothing: no statistics are needed."""

    def losses(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted terms; their sum is the loss."""
        lab = rgb_to_lab(images)
        return self.losses_of(model(network_input(images, self.inputs, lab=lab)), lab)

    def losses_of(
        self, raw: Float[Tensor, "n c h2 w2"], lab: Float[Tensor, "n 3 h w"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted terms of a raw output for images whose Lab is `lab`."""
        target = shrink(split_lab(lab)[0], raw)
        found = {}
        for name, weight in self.terms.items():
            if isinstance(self.output, LightnessBins) and name == "cross_entropy":
                loss = self.output.cross_entropy(raw, target)
            else:
                loss = pixel_loss(name, self.output.decode(raw) / L_SCALE, target / L_SCALE)
            found[name] = weight * loss
        return found

    def decode(self, model: nn.Module, images: Images) -> Float[Tensor, "n 3 h w"]:
        """Return RGB of the predicted L, enlarged to the image, and the true ab."""
        lab = rgb_to_lab(images)
        lightness = self.output.decode(model(network_input(images, self.inputs, lab=lab)))
        return lab_to_rgb(torch.cat((enlarge(lightness, lab), split_lab(lab)[1]), dim=1))
