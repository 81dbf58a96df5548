"""A U-Net that never shrinks its maps but by what its convolutions lose at the border."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .inception_block import glorot

FIRST_WIDTH = 16
LOSS = 8  # pixels of height and width that one level (5 x 5, 3 x 3, 3 x 3, no padding) takes


class FlatUNet(nn.Module):
    """Images to an output of the same size, without stride, pooling or normalisation.

    Generator of Abramov's "Colorizer": 1,406,403 parameters for 1 -> 3 channels. Each of its three
    levels is unpadded convolutions with leaky ReLU (slope 0.3); the bottleneck is one padded
    convolution with tanh, which sees 27 x 27 pixels of the input. Transposed convolutions with
    ReLU mirror the levels, so that every map meets the one it is concatenated with at its own size
    and no crop is needed. The original's last ReLU belongs to the pretext: the output is raw.
    Initial weights are Keras' own, as there.
    """

    bottleneck = "bottleneck"

    def __init__(
        self, in_channels: int, out_channels: int, *, width: float = 1.0, depth: int = 3
    ) -> None:
        """`width` scales the channels; `depth` is the number of levels, each taking 8 pixels."""
        super().__init__()
        if depth < 1:
            raise ValueError(f"expected depth >= 1, got {depth}: 3 is the original's")
        self.smallest = LOSS * depth + 1
        first = max(1, round(FIRST_WIDTH * width))
        widths = [first * 2**level for level in range(depth + 1)]
        inward = [in_channels, *widths[1:-1]]
        outward = [out_channels, *widths[1:-1]]
        self.downs = nn.ModuleList(map(_down, inward, widths[:-1], widths[1:]))
        self.middle = nn.Sequential(nn.Conv2d(widths[-1], widths[-1], 3, padding=1), nn.Tanh())
        self.ups = nn.ModuleList(map(_up, widths[:0:-1], outward[::-1]))
        # No norm keeps the scale of 19 layers: torch's smaller initial weights would fade it out.
        self.apply(glorot)
        levels = {f"enc{level}": width for level, width in enumerate(widths[1:], start=1)}
        self.channels: dict[str, int] = {**levels, self.bottleneck: widths[-1]}
        self.taps: tuple[str, ...] = tuple(self.channels)

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return enc1, enc2, enc3 (8, 16 and 24 pixels smaller) and the bottleneck, as enc3.

        Raises ValueError for a side of 8 x `depth` pixels or less (24 by default), of which
        nothing would be left.
        """
        height, width = x.shape[-2:]
        if min(height, width) < self.smallest:
            raise ValueError(
                f"expected at least {self.smallest} x {self.smallest} pixels, got {height} x "
                f"{width}; enlarge the images or lower depth"
            )
        maps = {}
        for tap, down in zip(self.taps, self.downs, strict=False):
            x = maps[tap] = down(x)
        maps[self.bottleneck] = self.middle(x)
        return maps

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _c h w"]:
        """Return the raw output at the input's size."""
        *levels, y = self.encode(x).values()
        for index, (level, up) in enumerate(zip(reversed(levels), self.ups, strict=True)):
            y = up(torch.cat((y if index == 0 else y.relu(), level), dim=1))
        return y


def _down(inward: int, first: int, outward: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inward, first, 5),
        nn.LeakyReLU(0.3, inplace=True),
        nn.Conv2d(first, outward, 3),
        nn.LeakyReLU(0.3, inplace=True),
        nn.Conv2d(outward, outward, 3),
        nn.LeakyReLU(0.3, inplace=True),
    )


def _up(width: int, outward: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(2 * width, width, 3),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(width, width, 3),
        nn.ReLU(inplace=True),
        nn.ConvTranspose2d(width, outward, 5),
    )
