"""Reproduce the input itself: the control that has no colour to guess."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..color import denormalise, input_channels, lab_to_rgb, network_input
from ..losses import PIXEL_LOSSES, checked_terms, pixel_loss
from ..outputs import Regression, enlarge, shrink

LIGHTNESS, LAB, RGB = "L/50-1", "L/50-1,ab/110", "rgb[-1,1]"


class Autoencoding(nn.Module):
    """Predict what `inputs` shows: "L/50-1", "L/50-1,ab/110" or "rgb[-1,1]", through tanh.

    `loss` is l1, l2 or smooth_l1, on the normalised input.
    """

    n_draws = 0
    label_free = True

    def __init__(self, inputs: str = LIGHTNESS, *, loss: str = "smooth_l1") -> None:
        super().__init__()
        if inputs not in (LIGHTNESS, LAB, RGB):
            raise ValueError(f"cannot autoencode {inputs!r}: use {LIGHTNESS}, {LAB} or {RGB}")
        (self.loss,) = checked_terms({loss: 1}, tuple(PIXEL_LOSSES))
        self.inputs = inputs
        self.in_channels = self.out_channels = input_channels(inputs)
        self.output = Regression(self.out_channels, 1)

    def prepare(self, images_batches: Iterable[Float[Tensor, "_ 3 _ _"]]) -> None:
        """Read nothing: no statistics are needed."""

    def losses(
        self, model: nn.Module, images: Float[Tensor, "n 3 h w"], draws: Float[Tensor, "n k"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the one term, under the name of the loss."""
        target = network_input(images, self.inputs)
        raw = model(target)
        return {self.loss: pixel_loss(self.loss, self.output.decode(raw), shrink(target, raw))}

    def decode(
        self, model: nn.Module, images: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, "n 3 h w"]:
        """Return RGB of the reproduction, enlarged to the image; gray where only L is seen."""
        predicted = self.output.decode(model(network_input(images, self.inputs)))
        predicted = enlarge(predicted, images)
        if self.inputs == RGB:
            return denormalise(predicted, RGB)
        lightness = denormalise(predicted[:, :1], "L/50-1")
        ab = denormalise(predicted[:, 1:], "ab/110")
        if self.inputs == LIGHTNESS:
            ab = torch.zeros_like(images[:, :2])
        return lab_to_rgb(torch.cat((lightness, ab), dim=1))
