"""Reproduce the input itself: the control that has no colour to guess."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..color import Images, denormalise, input_channels, lab_to_rgb, network_input
from ..losses import PIXEL_LOSSES, checked_terms, pixel_loss
from ..outputs import Regression, enlarge, shrink

LIGHTNESS, LAB, RGB = "L/50-1", "L/50-1,ab/110", "rgb[-1,1]"


class Autoencoding(nn.Module):
    """Predict what `inputs` shows: "L/50-1", "L/50-1,ab/110" or "rgb[-1,1]", through tanh.

    `loss` is l1, l2 or smooth_l1, on the normalised input. `drop` is the share of input values that
    training hides from the network (1611.09842, table 2, "Lab(drop50)"); the target stays whole.
    """

    label_free = True

    def __init__(
        self, inputs: str = LIGHTNESS, *, loss: str = "smooth_l1", drop: float | int = 0
    ) -> None:
        super().__init__()
        if inputs not in (LIGHTNESS, LAB, RGB):
            raise ValueError(f"cannot autoencode {inputs!r}: use {LIGHTNESS}, {LAB} or {RGB}")
        if not 0 <= drop < 1:
            raise ValueError(f"expected drop in [0, 1), a share of the input, got {drop}")
        (self.loss,) = checked_terms({loss: 1}, tuple(PIXEL_LOSSES))
        self.inputs, self.drop = inputs, drop
        self.n_draws = 1 if drop else 0
        self.in_channels = self.out_channels = input_channels(inputs)
        self.output = Regression(self.out_channels, 1)

    def prepare(self, images_batches: Iterable[Images]) -> None:
        """Read nothing: no statistics are needed."""

    def losses(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the one term, under the name of the loss."""
        target = network_input(images, self.inputs)
        seen = dropped(target, draws[:, 0], share=self.drop) if self.drop else target
        raw = model(seen)
        return {self.loss: pixel_loss(self.loss, self.output.decode(raw), shrink(target, raw))}

    def decode(self, model: nn.Module, images: Images) -> Float[Tensor, "n 3 h w"]:
        """Return RGB of the reproduction, enlarged to the image; gray where only L is seen."""
        predicted = self.output.decode(model(network_input(images, self.inputs)))
        predicted = enlarge(predicted, images)
        if self.inputs == RGB:
            return denormalise(predicted, RGB)
        lightness = denormalise(predicted[:, :1], "L/50-1")
        ab = denormalise(predicted[:, 1:], "ab/110")
        if self.inputs == LIGHTNESS:
            ab = lightness.new_zeros(images[:, :2].shape)
        return lab_to_rgb(torch.cat((lightness, ab), dim=1))


def dropped(
    x: Float[Tensor, "n c h w"], draws: Float[Tensor, " n"], *, share: float | int
) -> Float[Tensor, "n c h w"]:
    """Return `x` with each value zeroed with probability `share`, the others over 1 - share.

    This is dropout, of single values and scaled as in Caffe: our reading of the paper's "drop50".
    An image's draw, uniform in [0, 1), decides alone which values go, on any device.
    """
    positions = torch.arange(x[0].numel(), device=x.device)
    noise = _mixed(_mixed((draws * 2**24).long()).unsqueeze(1) + positions)
    kept = (noise >= share * 2**32).view(x.shape)
    return torch.where(kept, x / (1 - share), 0)


def _mixed(x: Tensor) -> Tensor:
    """Whole numbers to 32 bits that look random: Wellons' xorshift-multiply, no int64 overflow."""
    x = x & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x21F0AAAD) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x735A2D97) & 0xFFFFFFFF
    return x ^ (x >> 15)
