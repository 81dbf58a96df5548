"""Small supervised networks: trained from pixels, or as a head on latent maps."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn


class SmallFoodClassifier(nn.Module):
    """Maps to class logits by two convolutions, global average pooling and a linear layer.

    The classifier of Oganov's "Self-supervision: image colorization": 325,093 parameters for 101
    classes from pixels (receptive field 5 x 5), 326,245 from its 4-channel latents.
    """

    def __init__(self, n_classes: int, in_channels: int = 3) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(in_channels, 128, 3, padding=1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 256, 3, padding=1, bias=False),
            nn.BatchNorm2d(256),
        )
        self.linear = nn.Linear(256, n_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return the logits; pixels are expected in [0, 1], latents as they come."""
        return self.linear(self.maps(x).mean((2, 3)))


class SmallResNet(nn.Module):
    """Images of 32 to 64 px to class logits: a pre-activation ResNet with a 3 x 3 stem.

    Residual units of He et al., "Identity Mappings in Deep Residual Networks" (ECCV 2016), figure
    1b; the size halves at the start of every stage but the first.
    """

    def __init__(
        self,
        n_classes: int,
        in_channels: int = 3,
        widths: Sequence[int] = (32, 64, 128),
        blocks: int = 1,
    ) -> None:
        """`widths` has the channels of each stage, `blocks` the residual units of each."""
        super().__init__()
        self.stem = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        units: list[nn.Module] = []
        last = widths[0]
        for stage, width in enumerate(widths):
            for block in range(blocks):
                halve = stage > 0 and block == 0
                units.append(_ResidualUnit(last, width, stride=2 if halve else 1))
                last = width
        self.units = nn.Sequential(*units)
        self.norm = nn.BatchNorm2d(last)
        self.linear = nn.Linear(last, n_classes)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes"]:
        """Return the logits of images in [0, 1]."""
        maps = self.norm(self.units(self.stem(x))).relu()
        return self.linear(maps.mean((2, 3)))


class _ResidualUnit(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, *, stride: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        same = in_channels == out_channels and stride == 1
        self.project = None if same else nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        active = self.norm1(x).relu()
        # A projected shortcut starts after the activation, an identity before it (section 4).
        shortcut = x if self.project is None else self.project(active)
        return shortcut + self.conv2(self.norm2(self.conv1(active)).relu())
