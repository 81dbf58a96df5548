"""A U-Net with one more convolution a level: Lapamore's pix2pix colorizer."""

from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from .unet import ascend, check_init, descend, dropping, level_channels, up_channels


class DeepUNet(nn.Module):
    """Images to a raw output of the same size, past a bottleneck at 1 / 2**depth of it.

    The generator of Lapamore's pix2pix colorizer: a 3 x 3 convolution follows every 4 x 4 one but
    the last; 77,197,314 parameters for 1 -> 2 channels. Batch norm never sees a map under 2 x 2,
    so even one smallest image trains.
    """

    bottleneck = "bottleneck"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int = 64,
        depth: int = 8,
        dropout: float | int = 0.5,
        init: str = "normal",
    ) -> None:
        """`depth` halvings: 8 for 256 px, 6 for 64, 5 for 32. `dropout` drops whole channels.

        It is in the three deepest up-blocks, as far as they have the full 8 x `width`. `init`
        "normal" draws the weights of convolutions from N(0, 0.02), "torch" leaves torch's.
        """
        super().__init__()
        check_init(init)
        self.depth = depth
        self.channels: dict[str, int] = level_channels(width, depth)
        self.taps: tuple[str, ...] = tuple(self.channels)
        widths = list(self.channels.values())
        self.downs = nn.ModuleList()
        for level, (before, after) in enumerate(pairwise([in_channels, *widths])):
            norms = [nn.BatchNorm2d(after)] if 0 < level < depth - 1 else []
            self.downs.append(down_block(before, after, *norms))
        self.ups = nn.ModuleList()
        for level, (before, after) in enumerate(up_channels(widths)):
            share = float(dropout) if level < dropping(widths) else 0.0
            self.ups.append(_up_block(before, after, dropout=share))
        self.ups.append(nn.ConvTranspose2d(2 * widths[0], out_channels, 4, 2, 1))
        if init == "normal":
            normal_weights(self)

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return down1 to down{depth - 1} and bottleneck, activated; no up-block runs.

        Raises ValueError when h or w is no multiple of 2**depth.
        """
        return dict(zip(self.taps, descend(self.downs, x), strict=True))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _c h w"]:
        """Return the raw output at the input's size; ValueError as in `encode`."""
        return ascend(self.ups, list(self.encode(x).values()))


def down_block(before: int, after: int, *norms: nn.Module) -> nn.Sequential:
    """Return the layers that halve a map: 4 x 4 convolution, `norms`, 3 x 3 convolution."""
    return nn.Sequential(
        nn.Conv2d(before, after, 4, 2, 1, bias=False),
        *norms,
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(after, after, 3, padding=1),
        nn.LeakyReLU(0.2, inplace=True),
    )


def normal_weights(network: nn.Module) -> None:
    """Draw the weights of all convolutions from N(0, 0.02); biases and norms stay as they are."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)


def _up_block(before: int, after: int, *, dropout: float | int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False),
        nn.BatchNorm2d(after),
        *([nn.Dropout2d(dropout)] if dropout else []),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1),
        nn.ReLU(inplace=True),
    )
