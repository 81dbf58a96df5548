"""A U-Net on the body of a ResNet18: the last generator of Shariatnia's colorization tutorial."""

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights
from torchvision.models.resnet import BasicBlock

from .weights_file import copy_weights, read_weights

PUBLISHED = ResNet18_Weights.IMAGENET1K_V1
FACTOR = 32  # the body's deepest map is 1 / 32 of the image


class ResnetUnet(nn.Module):
    """Images to a raw output of the same size; no dropout anywhere.

    Layer by layer fastai's DynamicUnet on a ResNet18 that is cut before its pooling: 31,099,672
    parameters for 1 -> 2 channels. Two differences: sizes must fit, where fastai resizes maps to
    their skips, and convolutions of the residual block start normal, not uniform (both He's).
    """

    taps: tuple[str, ...] = ("stem", "layer1", "layer2", "layer3", "layer4", "bottleneck")
    bottleneck = "bottleneck"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: int = 64,
        weights: str | Path = "none",
    ) -> None:
        """`weights` of the body: "none", "torchvision" or a .safetensors file of its state dict.

        "torchvision" downloads ResNet18's ImageNet weights; with these or a file the model is not
        `label_free`. Their first convolution is summed over RGB and shared out to `in_channels`.
        """
        super().__init__()
        self.label_free = weights == "none"
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.channels: dict[str, int] = dict(zip(self.taps, [*widths, widths[-1]], strict=True))
        self.body = _Body(in_channels, width)
        deepest = widths[-1]
        self.middle = nn.Sequential(
            nn.BatchNorm2d(deepest),
            nn.ReLU(),
            *_conv(deepest, 2 * deepest),
            *_conv(2 * deepest, deepest),
        )
        self.ups = nn.ModuleList(
            [
                _UpBlock(8 * width, skip=4 * width, out=8 * width),
                _UpBlock(8 * width, skip=2 * width, out=6 * width),
                _UpBlock(6 * width, skip=width, out=4 * width),
                _UpBlock(4 * width, skip=width, out=3 * width // 2),
            ]
        )
        self.head = _Head(3 * width // 2, in_channels, out_channels)
        if not self.label_free:
            _load(self.body, weights)

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return the body's maps at 1/2, 1/4, ... 1/32, and bottleneck, at 1/32; no up-block runs.

        Raises ValueError when h or w is no multiple of 32, and in training for one image of
        32 x 32, whose single position per channel batch norm cannot normalise.
        """
        self._check_size(x)
        maps = self.body(x)
        maps[self.bottleneck] = self.middle(maps["layer4"])
        return maps

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _c h w"]:
        """Return the raw output at the input's size; ValueError as in `encode`."""
        maps = self.encode(x)
        last = maps[self.bottleneck]
        for up, skip in zip(self.ups, ("layer3", "layer2", "layer1", "stem"), strict=True):
            last = up(last, maps[skip])
        return self.head(last, x)

    def _check_size(self, x: Tensor) -> None:
        images, _, height, width = x.shape
        if height % FACTOR or width % FACTOR:
            raise ValueError(
                f"expected height and width to be multiples of {FACTOR}, got {height} x {width}; "
                "resize the images"
            )
        if self.training and images * height * width == FACTOR**2:
            raise ValueError(
                "batch norm cannot train on one image of 32 x 32, which is one position at 1/32: "
                "give two images or more, or larger ones, or call eval()"
            )


class _Body(nn.Module):
    """ResNet18 without pooling and classifier; names and values as in torchvision."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(width, width, stride=1)
        self.layer2 = _stage(width, 2 * width, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, stride=2)
        self.layer4 = _stage(4 * width, 8 * width, stride=2)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        maps = {"stem": self.bn1(self.conv1(x)).relu()}
        last = self.maxpool(maps["stem"])
        for name in ("layer1", "layer2", "layer3", "layer4"):
            last = maps[name] = self.get_submodule(name)(last)
        return maps


def _stage(before: int, after: int, *, stride: int) -> nn.Sequential:
    project = None
    if stride != 1 or before != after:
        conv = nn.Conv2d(before, after, 1, stride, bias=False)
        project = nn.Sequential(conv, nn.BatchNorm2d(after))
    return nn.Sequential(BasicBlock(before, after, stride, project), BasicBlock(after, after))


class _UpBlock(nn.Module):
    """Twice the size, half the channels; then two convolutions over it and the skip."""

    def __init__(self, before: int, *, skip: int, out: int) -> None:
        super().__init__()
        self.enlarge = _shuffle(before, before // 2)
        self.norm = nn.BatchNorm2d(skip)
        self.convs = nn.Sequential(*_conv(before // 2 + skip, out), *_conv(out, out))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        return self.convs(torch.cat((self.enlarge(x), self.norm(skip)), dim=1).relu())


class _Head(nn.Module):
    """The image's own size; a residual block over it and the image, then one 1 x 1 convolution."""

    def __init__(self, before: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        both = before + in_channels
        self.enlarge = _shuffle(before, before)
        conv, activation = _conv(both, both)
        self.residual = nn.Sequential(conv, activation, _conv(both, both)[0])
        self.out = nn.Conv2d(both, out_channels, 1)

    def forward(self, x: Tensor, images: Tensor) -> Tensor:
        x = torch.cat((self.enlarge(x), images), dim=1)
        return self.out((x + self.residual(x)).relu())


def _conv(before: int, after: int, kernel: int = 3) -> tuple[nn.Conv2d, nn.ReLU]:
    conv = nn.Conv2d(before, after, kernel, padding=kernel // 2)
    nn.init.kaiming_normal_(conv.weight)
    nn.init.zeros_(conv.get_parameter("bias"))
    return conv, nn.ReLU(inplace=True)


def _shuffle(before: int, after: int) -> nn.Sequential:
    """Sub-pixel convolution that starts as nearest-neighbour enlargement (ICNR, 1707.02937)."""
    conv, activation = _conv(before, 4 * after, kernel=1)
    with torch.no_grad():
        conv.weight.copy_(conv.weight[::4].repeat_interleave(4, dim=0))
    return nn.Sequential(conv, activation, nn.PixelShuffle(2))


def _load(body: _Body, weights: str | Path) -> None:
    """Copy the weights that `weights` names; ValueError if they are not there or do not fit."""
    given = _published() if weights == "torchvision" else read_weights(Path(weights))
    first = given.get("conv1.weight")
    if first is not None and first.ndim == 4 and first.shape[1] != body.conv1.in_channels:
        n = body.conv1.in_channels
        given["conv1.weight"] = first.sum(dim=1, keepdim=True).expand(-1, n, -1, -1) / n
    copy_weights(
        body.state_dict().items(), given, misfit=f"weights {weights} do not fit",
        remedy="give a ResNet18's state dict and leave width at 64",
    )  # fmt: skip


def _published() -> dict[str, Tensor]:
    try:
        return dict(PUBLISHED.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"{PUBLISHED.url.rsplit('/', 1)[-1]} could not be downloaded from {PUBLISHED.url}: "
            "save its state dict as safetensors elsewhere and give weights=FILE, or use "
            "weights=none (label-free)"
        ) from error
