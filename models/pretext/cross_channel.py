"""L -> ab and ab -> L by the two halves of one network: Split-Brain (Zhang et al. 2017)."""

from collections.abc import Iterable

from jaxtyping import Float
from torch import Tensor, nn

from ..color import Images, network_input, rgb_to_lab
from .colorization import Colorization
from .lightness import Lightness


class CrossChannel(nn.Module):
    """Colorization and lightness together, for a model of two halves.

    The model gets the inputs of both, concatenated, and returns a pair: the raw output for ab
    from the first half, for L from the second. The paper's form is
    CrossChannel(Colorization(ColorBins()), Lightness(LightnessBins())).
    """

    n_draws = 0
    colorizes = True  # the half that guesses ab does not see it

    def __init__(
        self, colorization: Colorization | None = None, lightness: Lightness | None = None
    ) -> None:
        super().__init__()
        self.colorization = Colorization() if colorization is None else colorization
        self.lightness = Lightness() if lightness is None else lightness
        self.inputs = f"{self.colorization.inputs},{self.lightness.inputs}"
        self.in_channels = (self.colorization.in_channels, self.lightness.in_channels)
        self.out_channels = (self.colorization.out_channels, self.lightness.out_channels)
        self.label_free = self.colorization.label_free and self.lightness.label_free

    def prepare(self, images_batches: Iterable[Images]) -> None:
        """Give the pretrain split to the colorization; lightness needs no statistics."""
        self.colorization.prepare(images_batches)

    def losses(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the weighted terms of both halves, as ab_NAME and L_NAME."""
        lab = rgb_to_lab(images)
        raw_ab, raw_lightness = model(network_input(images, self.inputs, lab=lab))
        ab_losses = self.colorization.losses_of(raw_ab, images, lab)
        lightness_losses = self.lightness.losses_of(raw_lightness, lab)
        return {
            **{f"ab_{name}": loss for name, loss in ab_losses.items()},
            **{f"L_{name}": loss for name, loss in lightness_losses.items()},
        }

    def decode(
        self, model: nn.Module, images: Images, *, clip: bool = True
    ) -> Float[Tensor, "n 3 h w"]:
        """Return RGB of the true L and the ab predicted from it."""
        lab = rgb_to_lab(images)
        raw_ab, _ = model(network_input(images, self.inputs, lab=lab))
        return self.colorization.decode_of(raw_ab, lab, clip=clip)
