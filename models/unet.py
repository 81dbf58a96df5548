"""U-Nets whose levels each halve the size by a 4 x 4 convolution: pix2pix and a descendant."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

INITS = ("torch", "normal")
FULL_WIDTH = 8  # times `width`: no level has more channels
DROPPING = 3  # deepest up-blocks with dropout


class UNet(nn.Module):
    """Images to a raw output of the same size, past a bottleneck at 1 / 2**depth of it.

    The generator of annkka3's pix2pix on paintings: 54,414,467 parameters for 3 -> 3 channels,
    54,410,370 for 1 -> 2. Unlike the reference code (`Pix2PixUNet`): reflected borders on the way
    down, a bias in the bottleneck, skips joined as LeakyReLU left them, dropout from the deepest
    up-block on. Batch norm never sees a map under 2 x 2, so even one smallest image trains.
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
        init: str = "torch",
    ) -> None:
        """`depth` halvings: 8 for 256 px, 6 for 64, 5 for 32. The original's `init` is not known.

        "torch" leaves the layers as torch makes them, "normal" is pix2pix's own initialisation.
        Dropout follows the three deepest up-blocks, as far as they have the full 8 x `width`.
        """
        super().__init__()
        check_init(init)
        self.depth = depth
        self.channels: dict[str, int] = level_channels(width, depth)
        self.taps: tuple[str, ...] = tuple(self.channels)
        widths = list(self.channels.values())
        self.downs = nn.ModuleList([_painting_down(in_channels, widths[0], norm=False)])
        for before, after in pairwise(widths[:-1]):
            self.downs.append(_painting_down(before, after))
        self.downs.append(
            nn.Sequential(nn.Conv2d(widths[-2], widths[-1], 4, 2, 1), nn.ReLU(inplace=True))
        )
        self.ups = nn.ModuleList()
        for level, (before, after) in enumerate(up_channels(widths)):
            share = float(dropout) if level < dropping(widths) else 0.0
            self.ups.append(_painting_up(before, after, dropout=share))
        self.ups.append(nn.ConvTranspose2d(2 * widths[0], out_channels, 4, 2, 1))
        if init == "normal":
            pix2pix_init(self)

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return down1 to down{depth - 1} and bottleneck, activated; no up-block runs.

        Raises ValueError when h or w is no multiple of 2**depth.
        """
        return dict(zip(self.taps, descend(self.downs, x), strict=True))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _c h w"]:
        """Return the raw output at the input's size; ValueError as in `encode`."""
        return ascend(self.ups, list(self.encode(x).values()))


class Pix2PixUNet(nn.Module):
    """Images to a raw output of the same size: `unet_256` of Zhu's reference code for pix2pix.

    Isola et al. 2017 (1611.07004), section 6.1.1; 54,409,858 parameters for 1 -> 2 channels, which
    is also the first generator of Shariatnia's tutorial. The paper keeps dropout and batch
    statistics on at test time; in evaluation mode both are off here.
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
    ) -> None:
        """`depth` halvings; dropout in `depth - 5` up-blocks, beginning above the deepest one."""
        super().__init__()
        self.depth = depth
        self.channels: dict[str, int] = level_channels(width, depth)
        self.taps: tuple[str, ...] = tuple(self.channels)
        widths = list(self.channels.values())
        self.downs = nn.ModuleList()
        for level, (before, after) in enumerate(pairwise([in_channels, *widths])):
            self.downs.append(
                _reference_down(before, after, first=level == 0, last=level == depth - 1)
            )
        self.ups = nn.ModuleList()
        for level, (before, after) in enumerate(up_channels(widths)):
            share = float(dropout) if 1 <= level <= depth - 5 else 0.0
            self.ups.append(_reference_up(before, after, first=level == 0, dropout=share))
        last = nn.ConvTranspose2d(2 * widths[0], out_channels, 4, 2, 1)
        self.ups.append(nn.Sequential(nn.ReLU(inplace=True), last))
        pix2pix_init(self)

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return down1 to down{depth - 1} and bottleneck, activated; no up-block runs.

        Raises ValueError when h or w is no multiple of 2**depth.
        """
        return dict(zip(self.taps, descend(self.downs, x), strict=True))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _c h w"]:
        """Return the raw output at the input's size; ValueError as in `encode`."""
        return ascend(self.ups, list(self.encode(x).values()))


def level_channels(width: int, depth: int) -> dict[str, int]:
    """Return the channels of all levels, down1 to bottleneck: doubling up to 8 x `width`."""
    if depth < 2 or width < 1:
        raise ValueError(
            f"expected depth >= 2 and width >= 1, got {depth} and {width}: a U-Net has a skip"
        )
    names = [*(f"down{level}" for level in range(1, depth)), "bottleneck"]
    return {name: width * min(2**level, FULL_WIDTH) for level, name in enumerate(names)}


def up_channels(widths: Sequence[int]) -> list[tuple[int, int]]:
    """Return (in, out) of every up-block but the last, deepest first, given all levels' channels.

    All but the deepest also take the skip of their size, which has as many channels again.
    """
    pairs = enumerate(pairwise(reversed(widths)))
    return [(before if level == 0 else 2 * before, after) for level, (before, after) in pairs]


def dropping(widths: Sequence[int]) -> int:
    """Return how many up-blocks, deepest first, have dropout: three, if of full width."""
    return min(DROPPING, list(widths).count(widths[-1]) - 1)


def descend(downs: nn.ModuleList, x: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n _c _h _w"]]:
    """Return what each of `downs`, one after the other, makes of `x`.

    Raises ValueError when the size cannot be halved that often.
    """
    height, width = x.shape[-2:]
    factor = 2 ** len(downs)
    if height % factor or width % factor:
        raise ValueError(
            f"expected height and width to be multiples of {factor} (2**depth), got {height} x "
            f"{width}; resize the images or take a smaller depth"
        )
    maps: list[Tensor] = []
    for down in downs:
        maps.append(down(maps[-1] if maps else x))
    return maps


def ascend(
    ups: nn.ModuleList, maps: Sequence[Float[Tensor, "n _c _h _w"]]
) -> Float[Tensor, "n c h w"]:
    """Return what the last of `ups` makes of the maps of all levels, largest first."""
    *skips, x = maps
    deepest, *others = ups
    x = deepest(x)
    for up, skip in zip(others, reversed(skips), strict=True):
        x = up(torch.cat((x, skip), dim=1))
    return x


def check_init(init: str) -> None:
    """Raise ValueError unless `init` is one that exists."""
    if init not in INITS:
        raise ValueError(f"unknown init {init!r}: use one of {', '.join(INITS)}")


def pix2pix_init(network: nn.Module) -> None:
    """Draw weights of convolutions from N(0, 0.02) and of norms from N(1, 0.02); biases are 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d | nn.InstanceNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def _painting_down(before: int, after: int, *, norm: bool = True) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 4, 2, 1, bias=False, padding_mode="reflect")
    norms = [nn.BatchNorm2d(after)] if norm else []
    return nn.Sequential(conv, *norms, nn.LeakyReLU(0.2, inplace=True))


def _painting_up(before: int, after: int, *, dropout: float | int) -> nn.Sequential:
    conv = nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)
    drops = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(conv, nn.BatchNorm2d(after), nn.ReLU(inplace=True), *drops)


def _reference_down(before: int, after: int, *, first: bool, last: bool) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 4, 2, 1, bias=False)
    norms = [] if first or last else [nn.BatchNorm2d(after)]
    activation = nn.ReLU(inplace=True) if last else nn.LeakyReLU(0.2, inplace=True)
    return nn.Sequential(conv, *norms, activation)


def _reference_up(before: int, after: int, *, first: bool, dropout: float | int) -> nn.Sequential:
    # The bottleneck comes activated already.
    activations = [] if first else [nn.ReLU(inplace=True)]
    conv = nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False)
    drops = [nn.Dropout(dropout)] if dropout else []
    return nn.Sequential(*activations, conv, nn.BatchNorm2d(after), *drops)
