"""Distorted gray -> RGB: the task of Oganov's "Self-supervision: image colorization".

The distortions are those of torchvision's RandomPhotometricDistort, RandomAdjustSharpness and
RandomInvert, batched and driven by given uniform numbers.
"""

from collections.abc import Iterable, Mapping
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..color import (
    Images,
    as_floats,
    gray,
    input_channels,
    input_spaces,
    lab_to_rgb,
    network_input,
    rgb_to_lab,
    split_lab,
)
from ..losses import PIXEL_LOSSES, Lpips, check_lpips, checked_terms, pixel_loss
from ..outputs import Regression, enlarge, shrink
from .adversarial import Translated

N_DRAWS = 15


class GrayToRgb(nn.Module):
    """Predict clean RGB through tanh from a gray view, distorted in training if `distort`.

    `losses` weighs the terms l1, l2, smooth_l1 (on RGB in [-1, 1]) and lpips (needs `lpips`); by
    default smooth_l1 and lpips, as in the original. `output` decodes to RGB in [0, 1].
    `true_lightness` decodes with the lightness of the input, which is known, as L -> ab has it.
    """

    out_channels = 3
    picture_channels = 3  # of what `translate` gives a critic

    def __init__(
        self,
        losses: Mapping[str, float | int] | None = None,
        lpips: Lpips | None = None,
        *,
        distort: bool = True,
        inputs: str = "gray[-1,1]",
        output: Regression | None = None,
        true_lightness: bool = False,
    ) -> None:
        super().__init__()
        if not {"ab", "rgb"}.isdisjoint(input_spaces(inputs)):
            raise ValueError(f"inputs {inputs!r} show the colour to predict: use gray[-1,1]")
        if losses is None:
            losses = {"smooth_l1": 1.0, "lpips": 1.0}
        self.terms = checked_terms(losses, (*PIXEL_LOSSES, "lpips"))
        check_lpips(lpips, self.terms)
        self.lpips, self.distort, self.inputs = lpips, distort, inputs
        self.in_channels = input_channels(inputs)
        self.true_lightness = true_lightness
        self.n_draws = N_DRAWS if distort else 0
        self.output = Regression(self.out_channels, 0.5, offset=0.5) if output is None else output
        self.label_free = lpips is None or lpips.label_free

    def prepare(self, images_batches: Iterable[Images]) -> None:
        """Read nothing: no statistics are needed."""

    def losses(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted terms; `draws` are uniform in [0, 1), `n_draws` for each image."""
        return self.translate(model, images, draws).terms()

    def translate(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> Translated:
        """Return predicted and true RGB in [-1, 1], given the gray view."""
        images = as_floats(images)
        shown = distorted(images, draws[:, :N_DRAWS]) if self.distort else images
        seen = network_input(shown, self.inputs)
        raw = model(seen)
        predicted, target = self.output.decode(raw), shrink(images, raw)
        terms = partial(self._losses_of, predicted, target, images)
        return Translated(shrink(seen, raw), 2 * predicted - 1, 2 * target - 1, terms)

    def _losses_of(
        self, predicted: Tensor, target: Tensor, images: Tensor
    ) -> dict[str, Float[Tensor, ""]]:
        found = {}
        for name, weight in self.terms.items():
            if self.lpips is not None and name == "lpips":
                loss = self.lpips(enlarge(predicted, images), images)
            else:
                loss = pixel_loss(name, 2 * predicted - 1, 2 * target - 1)
            found[name] = weight * loss
        return found

    def decode(
        self, model: nn.Module, images: Images, *, clip: bool = True
    ) -> Float[Tensor, "n 3 h w"]:
        """Return the RGB predicted from the undistorted view, enlarged to the image."""
        picture = enlarge(self.output.decode(model(network_input(images, self.inputs))), images)
        if not self.true_lightness:
            return picture.clamp(0, 1) if clip else picture
        lightness, ab = split_lab(rgb_to_lab(images))[0], split_lab(rgb_to_lab(picture))[1]
        return lab_to_rgb(torch.cat((lightness, ab), dim=1), clip=clip)


def distorted(
    images: Float[Tensor, "n 3 h w"], draws: Float[Tensor, "n 15"]
) -> Float[Tensor, "n 3 h w"]:
    """Return photometrically distorted, sharpened and inverted images, each with probability .5.

    `draws` of an image: on and amount of brightness, contrast, saturation and hue (8 numbers);
    contrast first; permutation on; 3 numbers whose order is the permutation; sharpness on;
    inversion on.
    """
    columns = draws.unbind(1)
    brightness = _amount(columns[0], columns[1], (0.875, 1.125), neutral=1)
    contrast = _amount(columns[2], columns[3], (0.5, 1.5), neutral=1)
    saturation = _amount(columns[4], columns[5], (0.5, 1.5), neutral=1)
    hue = _amount(columns[6], columns[7], (-0.05, 0.05), neutral=0)
    contrast_first, permute, sharpen, flip = (_coin(columns[i]) for i in (8, 9, 13, 14))

    images = adjust_brightness(images, brightness)
    images = adjust_contrast(images, contrast.where(contrast_first, 1))
    images = adjust_saturation(images, saturation)
    images = torch.where(hue != 0, adjust_hue(images, hue), images)
    images = adjust_contrast(images, contrast.where(~contrast_first, 1))
    images = torch.where(permute, permute_channels(images, draws[:, 10:13].argsort(1)), images)
    images = torch.where(sharpen, sharpened(images), images)
    return torch.where(flip, 1 - images, images)


def adjust_brightness(
    images: Float[Tensor, "n 3 h w"], factor: Float[Tensor, "n 1 1 1"]
) -> Float[Tensor, "n 3 h w"]:
    """Return images times factor, clipped to [0, 1]."""
    return (images * factor).clamp(0, 1)


def adjust_contrast(
    images: Float[Tensor, "n 3 h w"], factor: Float[Tensor, "n 1 1 1"]
) -> Float[Tensor, "n 3 h w"]:
    """Return images moved away from their mean gray by factor, clipped to [0, 1]."""
    mean = gray(images).mean(dim=(1, 2, 3), keepdim=True)
    return (factor * images + (1 - factor) * mean).clamp(0, 1)


def adjust_saturation(
    images: Float[Tensor, "n 3 h w"], factor: Float[Tensor, "n 1 1 1"]
) -> Float[Tensor, "n 3 h w"]:
    """Return images moved away from their gray version by factor, clipped to [0, 1]."""
    return (factor * images + (1 - factor) * gray(images)).clamp(0, 1)


def adjust_hue(
    images: Float[Tensor, "n 3 h w"], shift: Float[Tensor, "n 1 1 1"]
) -> Float[Tensor, "n 3 h w"]:
    """Return images with the HSV hue turned by shift, in turns."""
    value, spread = images.amax(1), images.amax(1) - images.amin(1)
    red, green, blue = images.unbind(1)
    divisor = torch.where(spread > 0, spread, 1)
    other = torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor)
    hue = torch.where(value == red, (green - blue) / divisor, other) + 6 * shift[:, 0]
    # A channel of HSV is V - V S max(0, min(k, 4 - k, 1)) at k = (5, 3, 1) + 6 H modulo 6.
    positions = torch.stack([(hue + sextant) % 6 for sextant in (5, 3, 1)], dim=1)
    fall = torch.minimum(positions, 4 - positions).clamp(0, 1)
    return value.unsqueeze(1) - spread.unsqueeze(1) * fall


def permute_channels(
    images: Float[Tensor, "n 3 h w"], order: Int64[Tensor, "n 3"]
) -> Float[Tensor, "n 3 h w"]:
    """Return images whose channel i is the channel order[i] of the given ones."""
    return images.gather(1, order[:, :, None, None].expand_as(images))


def sharpened(images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Return twice the images less their blur, the border as it is, clipped to [0, 1]."""
    inner = images[..., 1:-1, 1:-1]
    # The kernel has 5 in the middle and 1 around it, over 13.
    blur = (9 * F.avg_pool2d(images, 3, stride=1) + 4 * inner) / 13
    result = images.clone()
    result[..., 1:-1, 1:-1] = (2 * inner - blur).clamp(0, 1)
    return result


def _coin(draw: Tensor) -> Tensor:
    return (draw < 0.5).view(-1, 1, 1, 1)


def _amount(on: Tensor, draw: Tensor, bounds: tuple[float, float], *, neutral: int) -> Tensor:
    low, high = bounds
    amount = (low + (high - low) * draw).view(-1, 1, 1, 1)
    return amount.where(_coin(on), neutral)
