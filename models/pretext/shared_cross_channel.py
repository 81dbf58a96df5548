"""L -> ab and ab -> L by one network: the aggregation that Split-Brain (2017) argues against."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..color import Images, denormalise, lab_to_rgb, network_input, rgb_to_lab, split_lab
from ..losses import pixel_loss
from ..outputs import Regression, enlarge, shrink


class SharedCrossChannel(nn.Module):
    """Predict ab from Lab without ab, L from Lab without L and, for a weight below 1/2, Lab itself.

    1611.09842, section 3, "alternative aggregation": lambda (here `weight`) for each direction and
    1 - 2 lambda for Lab -> Lab; table 2 has lambda 1/2 and 1/3. Our reading, where the paper is
    silent: the missing channels are zeros (L 50, ab 0); all terms are L2 through tanh, since Lab
    -> Lab has no classes; each image is shown in all its views at every step, in one batch, so
    that views share batch statistics as they will when the whole Lab is probed.
    """

    n_draws = 0
    label_free = True
    inputs = "L/50-1,ab/110"
    colorizes = True  # it guesses ab with L alone in sight
    in_channels = out_channels = 3

    def __init__(self, weight: float = 0.5) -> None:
        super().__init__()
        if not 0 < weight <= 0.5:
            raise ValueError(f"expected a weight in (0, 0.5] for each direction, got {weight}")
        self.weight, self.whole = weight, 1 - 2 * weight
        self.output = Regression(self.out_channels, 1)

    def prepare(self, images_batches: Iterable[Images]) -> None:
        """Read nothing: no statistics are needed."""

    def losses(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted terms ab_l2, L_l2 and, with Lab -> Lab, Lab_l2."""
        x = network_input(images, self.inputs)
        seen = (only_lightness(x), only_ab(x), x)[: 3 if self.whole else 2]
        raw = model(torch.cat(seen))
        from_l, from_ab, *from_lab = self.output.decode(raw).chunk(len(seen))
        target = shrink(x, raw)
        lightness, ab = split_lab(target)
        found = {
            "ab_l2": self.weight * pixel_loss("l2", split_lab(from_l)[1], ab),
            "L_l2": self.weight * pixel_loss("l2", split_lab(from_ab)[0], lightness),
        }
        if from_lab:
            found["Lab_l2"] = self.whole * pixel_loss("l2", from_lab[0], target)
        return found

    def decode(
        self, model: nn.Module, images: Images, *, clip: bool = True
    ) -> Float[Tensor, "n 3 h w"]:
        """Return RGB of the true L and the ab predicted from L alone, enlarged to the image."""
        lab = rgb_to_lab(images)
        predicted = self.output.decode(model(only_lightness(network_input(images, self.inputs))))
        ab = denormalise(split_lab(predicted)[1], "ab/110")
        return lab_to_rgb(torch.cat((split_lab(lab)[0], enlarge(ab, lab)), dim=1), clip=clip)


def only_lightness(x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Return normalised Lab with zeros for ab."""
    return x * x.new_tensor([1, 0, 0]).view(3, 1, 1)


def only_ab(x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 3 h w"]:
    """Return normalised Lab with zeros for L."""
    return x * x.new_tensor([0, 1, 1]).view(3, 1, 1)
