"""One half of a picture from the other: paired translation (Isola et al. 2017, maps)."""

from collections.abc import Iterable, Mapping
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from ..color import Images, as_floats, denormalise, network_input
from ..losses import PIXEL_LOSSES, checked_terms, pixel_loss
from ..outputs import Regression, enlarge, shrink
from .adversarial import Translated

DIRECTIONS = ("left_to_right", "right_to_left")


class Translation(nn.Module):
    """Predict RGB of one half of a picture from RGB of the other, both in [-1, 1], through tanh.

    A picture holds two views side by side, each as high as the picture and half as wide. The store
    squashes it to a square (`data.fit=squash`), so that a half is twice too high: rows are averaged
    in pairs. Pairs are mirrored within each half, here: `pretrain.flip` would exchange the halves.
    `losses` weighs l1, l2 and smooth_l1.
    """

    inputs = "rgb[-1,1]"
    in_channels = out_channels = picture_channels = 3
    n_draws = 1
    colorizes = True  # the half that it guesses
    label_free = True

    def __init__(
        self,
        losses: Mapping[str, float | int] | None = None,
        *,
        direction: str = "left_to_right",
        flip: bool = True,
    ) -> None:
        super().__init__()
        if direction not in DIRECTIONS:
            raise ValueError(f"unknown direction {direction!r}: use {' or '.join(DIRECTIONS)}")
        self.terms = checked_terms(losses or {"l1": 1.0}, tuple(PIXEL_LOSSES))
        self.direction, self.flip = direction, flip
        self.output = Regression(3, 1)

    def prepare(self, images_batches: Iterable[Images]) -> None:
        """Read nothing: no statistics are needed."""

    def losses(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted terms; an image is mirrored where its draw is below one half."""
        return self.translate(model, images, draws).terms()

    def translate(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> Translated:
        """Return the predicted and the true half, given the other one."""
        given, wanted = self.halves(images)
        if self.flip:
            turned = draws[:, 0, None, None, None] < 0.5
            given, wanted = (torch.where(turned, half.flip(-1), half) for half in (given, wanted))
        seen = network_input(given, self.inputs)
        raw = model(seen)
        predicted = self.output.decode(raw)
        target = shrink(network_input(wanted, self.inputs), raw)
        return Translated(
            shrink(seen, raw), predicted, target, partial(self._losses_of, predicted, target)
        )

    def decode(
        self, model: nn.Module, images: Images, *, clip: bool = True
    ) -> Float[Tensor, "n 3 h w"]:
        """Return the pictures with the wanted half as predicted."""
        images, width = as_floats(images), images.shape[-1] // 2
        given = self.halves(images)[0]
        made = denormalise(
            self.output.decode(model(network_input(given, self.inputs))), self.inputs
        )
        left = self.direction == "left_to_right"
        kept = images[..., :width] if left else images[..., width:]
        made = enlarge(made, kept).clamp(0, 1) if clip else enlarge(made, kept)
        return torch.cat((kept, made) if left else (made, kept), dim=-1)

    def halves(
        self, images: Images
    ) -> tuple[Float[Tensor, "n 3 h2 w2"], Float[Tensor, "n 3 h2 w2"]]:
        """Return (given, wanted), each of half the height and width; ValueError if odd."""
        height, width = images.shape[-2:]
        if height % 2 or width % 2:
            raise ValueError(f"expected an even side for pairs, got {height} x {width}: data.size")
        left, right = F.avg_pool2d(as_floats(images), (2, 1)).chunk(2, dim=-1)
        return (left, right) if self.direction == "left_to_right" else (right, left)

    def _losses_of(self, predicted: Tensor, target: Tensor) -> dict[str, Float[Tensor, ""]]:
        return {
            name: weight * pixel_loss(name, predicted, target)
            for name, weight in self.terms.items()
        }
