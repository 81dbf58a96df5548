"""The colorizer of Shestakov's "Coloring-Images-Network": an Inception U-Net told the class."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from .inception_block import Inception, glorot, same_conv, scaled

# Of each level: outputs of its first convolution, channels and kernel sizes of its Inception.
ENCODER = (
    (8, 8, (1, 2, 3, 5)),
    (32, 16, (1, 2, 3, 5)),
    (64, 32, (1, 2, 3, 5)),
    (128, 64, (1, 2, 3, 4)),
    (256, 128, (1, 2, 3, 2)),
    (512, 128, (1, 2, 2, 3)),
)
# Of each step up, the deepest first: outputs of its transposed convolution, its Inception.
DECODER = (
    (512, 128, (1, 2, 2, 3)),
    (512, 128, (1, 2, 2, 3)),
    (256, 64, (1, 2, 3, 4)),
    (128, 32, (1, 2, 3, 5)),
    (64, 16, (1, 2, 3, 5)),
)
HEAD = (64, 32, 16, 8)
CODE = 512


class InceptionUNet(nn.Module):
    """L to raw ab at full size, and the class logits of `branch` where there is one.

    `branch(x)` returns (code, logits) and has `code_channels`; its code is shown to every step of
    the decoder. With ClassBranch at full width and `broadcast="tiled"` the network is the
    original: 35,707,530 trainable parameters. It has no normalisation layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        branch: nn.Module | None = None,
        width: float = 1.0,
        depth: int = 5,
        ones: bool = True,
        skips: bool = True,
        broadcast: str = "spatial",
    ) -> None:
        """`width` scales all channels, to no less than 8; `depth` (1 to 5) halvings remain.

        `ones=False` drops the 1 x 1 branch of every Inception, `skips=False` every skip
        connection. `broadcast="tiled"` keeps a defect of the original: see `tiled_code`.
        """
        super().__init__()
        if not 1 <= depth <= len(DECODER):
            raise ValueError(f"expected a depth from 1 to {len(DECODER)}, got {depth}")
        if broadcast not in ("spatial", "tiled"):
            raise ValueError(f"unknown broadcast {broadcast!r}: use spatial, or tiled (a defect)")
        self.skips, self.factor = skips, 2**depth
        down, up = (
            [(scaled(first, width), scaled(inner, width), kernels) for first, inner, kernels in of]
            for of in (ENCODER[: depth + 1], DECODER[-depth:])
        )
        self.encoder = nn.ModuleList()
        self.channels: dict[str, int] = {}
        last = in_channels
        for level, (first, inner, kernels) in enumerate(down):
            mixed = Inception(first, inner, kernels, ones=ones)
            self.encoder.append(nn.Sequential(same_conv(last, first, 3), mixed))
            last = self.channels[f"e{level}"] = mixed.channels
        self.taps: tuple[str, ...] = tuple(self.channels)
        self.bottleneck: str = self.taps[-1]
        self.pool = nn.MaxPool2d(2)

        code = 0 if branch is None else scaled(CODE, width)
        self.steps = nn.ModuleList()
        for below, (first, inner, kernels) in enumerate(up):
            # Each step has four times the positions of the one before and a quarter of the code.
            shown = CodeMap(code, max(1, code // 4**below), broadcast) if code else None
            skip = self.channels[f"e{depth - below}"] if skips and below else 0
            mixed = Inception(first, inner, kernels, ones=ones)
            self.steps.append(Step(last + skip, shown, first, mixed))
            last = mixed.channels
        self.head = _head(last + (self.channels["e0"] if skips else 0), out_channels, width)
        self.transform = None if branch is None else _transform(cast(Any, branch), code)
        self.apply(glorot)
        # Only now, so that the weights a branch came with stay as they are.
        self.branch = branch
        self.label_free = bool(getattr(branch, "label_free", True))

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return every tap, after its Inception; neither the decoder nor the branch runs.

        Raises ValueError when h or w is no multiple of 2 to the `depth`.
        """
        height, width = x.shape[-2:]
        if height % self.factor or width % self.factor:
            raise ValueError(
                f"expected height and width to be multiples of {self.factor}, got {height} x "
                f"{width}; resize the images or lower depth"
            )
        maps = {}
        for tap, level in zip(self.taps, self.encoder, strict=True):
            x = maps[tap] = level(x)
            x = self.pool(x) if tap != self.bottleneck else x
        return maps

    def forward(
        self, x: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n _c h w"] | tuple[Float[Tensor, "n _c h w"], Float[Tensor, "n classes"]]:
        """Return the raw output, with a branch the pair (raw output, class logits)."""
        maps = self.encode(x)
        if self.branch is None or self.transform is None:
            return self._decode(maps, None)
        code, logits = self.branch(x)
        return self._decode(maps, self.transform(code)), logits

    def _decode(self, maps: dict[str, Tensor], code: Tensor | None) -> Tensor:
        last = maps[self.bottleneck]
        # The bottleneck itself is no skip: the first step has it already.
        for step, tap in zip(self.steps, reversed(self.taps[1:]), strict=True):
            skip = [maps[tap]] if self.skips and tap != self.bottleneck else []
            last = step(last, code, skip)
        return self.head(torch.cat((last, maps["e0"]), dim=1) if self.skips else last)


def _transform(branch: Any, code: int) -> nn.Module:
    return nn.Sequential(nn.Linear(branch.code_channels, code), nn.ReLU(inplace=True))


class CodeMap(nn.Module):
    """The class code as a map of `channels` channels, then a 3 x 3 convolution.

    "spatial" shows every position the same linear projection of the code (the code itself where
    it has `channels` entries already); "tiled" is `tiled_code`, without parameters of its own.
    """

    def __init__(self, code: int, channels: int, broadcast: str) -> None:
        super().__init__()
        self.channels, self.tiled = channels, broadcast == "tiled"
        whole = self.tiled or channels == code
        self.project = nn.Identity() if whole else nn.Linear(code, channels)
        self.conv = same_conv(channels, channels, 3)

    def forward(
        self, code: Float[Tensor, "n d"], like: Float[Tensor, "n _ h w"]
    ) -> Float[Tensor, "n c h w"]:
        """Return the map at the height and width of `like`."""
        height, width = like.shape[-2:]
        if self.tiled:
            return self.conv(tiled_code(code, self.channels, height, width))
        return self.conv(self.project(code)[:, :, None, None].expand(-1, -1, height, width))


class Step(nn.Module):
    """One doubling of the size: maps, class code and skip joined, enlarged and mixed."""

    def __init__(
        self, in_channels: int, code: CodeMap | None, channels: int, mixed: Inception
    ) -> None:
        super().__init__()
        self.code, self.mixed = code, mixed
        joined = in_channels + (0 if code is None else code.channels)
        self.up = nn.ConvTranspose2d(joined, channels, 3, stride=2)

    def forward(
        self,
        x: Float[Tensor, "n c h w"],
        code: Float[Tensor, "n d"] | None,
        skip: Sequence[Float[Tensor, "n _c h w"]],
    ) -> Float[Tensor, "n _c2 _h2 _w2"]:
        """Return maps of twice the height and width; `skip` has one entry or none."""
        shown = [] if self.code is None or code is None else [self.code(code, x)]
        # Keras' "same" drops the last row and column of the 2 h + 1, torch's padding the first.
        return self.mixed(self.up(torch.cat((x, *shown, *skip), dim=1))[..., :-1, :-1].relu())


def tiled_code(
    code: Float[Tensor, "n d"], channels: int, height: int, width: int
) -> Float[Tensor, "n _channels _height _width"]:
    """Return the code repeated end to end and cut into positions, row by row: a defect.

    The original repeats 512 numbers 49 times and reshapes the 25,088 to (s, s, 25,088 / s^2), so
    that beyond 7 x 7 each position sees another fraction of the code, in a pattern of its own.
    """
    count = channels * height * width
    repeated = code.repeat(1, -(-count // code.shape[1]))[:, :count]
    return repeated.view(len(code), height, width, channels).permute(0, 3, 1, 2)


def _head(in_channels: int, out_channels: int, width: float) -> nn.Sequential:
    wide = [in_channels, *(scaled(channels, width) for channels in HEAD)]
    convs = [same_conv(wide[i], wide[i + 1], 3) for i in range(len(HEAD))]
    return nn.Sequential(*convs, nn.Conv2d(wide[-1], out_channels, 3, padding=1))
