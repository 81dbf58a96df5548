"""L -> ab twice, as classes and as values: the rival that Split-Brain (2017) must beat."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..color import Images, lab_to_rgb, network_input, rgb_to_lab, split_lab
from ..outputs import ColorBins, enlarge
from .colorization import Colorization


class EnsembledColorization(nn.Module):
    """Predict ab from L by two networks: 313 one-hot bins by the first, L2 values by the second.

    The model sees L once and returns a pair of raw outputs, in this order (Ensemble).
    """

    n_draws = 0
    label_free = True

    def __init__(self) -> None:
        super().__init__()
        self.classes = Colorization(ColorBins())
        self.values = Colorization(losses={"l2": 1.0})
        self.inputs, self.in_channels = self.classes.inputs, self.classes.in_channels
        self.out_channels = (self.classes.out_channels, self.values.out_channels)

    def prepare(self, images_batches: Iterable[Images]) -> None:
        """Read nothing: without rebalancing no statistics are needed."""

    def losses(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return both terms, as cl_cross_entropy and reg_l2."""
        lab = rgb_to_lab(images)
        as_classes, as_values = model(network_input(images, self.inputs, lab=lab))
        (cross_entropy,) = self.classes.losses_of(as_classes, images, lab).values()
        (squared,) = self.values.losses_of(as_values, images, lab).values()
        return {"cl_cross_entropy": cross_entropy, "reg_l2": squared}

    def decode(
        self, model: nn.Module, images: Images, *, clip: bool = True
    ) -> Float[Tensor, "n 3 h w"]:
        """Return RGB of the true L and the mean of the two predictions of ab."""
        lab = rgb_to_lab(images)
        as_classes, as_values = model(network_input(images, self.inputs, lab=lab))
        both = self.classes.output.decode(as_classes), self.values.output.decode(as_values)
        ab = torch.stack(both).mean(0)
        return lab_to_rgb(torch.cat((split_lab(lab)[0], enlarge(ab, lab)), dim=1), clip=clip)
