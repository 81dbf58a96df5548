"""Half an AlexNet: the network of each side of a split-brain autoencoder."""

from jaxtyping import Float
from torch import Tensor, nn


class HalfAlexNet(nn.Module):
    """Images to a map of logits at 1/16 of the size (1/8 with stride 2), fully convolutional.

    Half AlexNet of Zhang, Isola, Efros, "Split-Brain Autoencoders" (CVPR 2017), section 4 and
    table 6: affine-free batch norm after every layer but the last, no LRN, no dropout.
    """

    taps: tuple[str, ...] = ("conv1", "conv2", "conv3", "conv4", "conv5")
    # The deepest layer that the paper probes; fc6 and fc7 serve the pretext alone.
    bottleneck = "conv5"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 4,
        fc_width: int = 2048,
        width: float = 1.0,
    ) -> None:
        """`stride` is conv1's (4 for 180 px, 2 for 64 px); `width` scales conv1 to conv5."""
        super().__init__()
        c1, c2, c3, c4, c5 = (max(1, round(c * width)) for c in (48, 128, 192, 192, 128))
        self.channels: dict[str, int] = dict(zip(self.taps, (c1, c2, c3, c4, c5), strict=True))
        self.conv1 = _layer(nn.Conv2d(in_channels, c1, 11, stride=stride, padding=5))
        self.pool1 = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv2 = _layer(nn.Conv2d(c1, c2, 5, padding=2))
        self.pool2 = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv3 = _layer(nn.Conv2d(c2, c3, 3, padding=1))
        self.conv4 = _layer(nn.Conv2d(c3, c4, 3, padding=1))
        self.conv5 = _layer(nn.Conv2d(c4, c5, 3, padding=1))
        self.pool5 = nn.MaxPool2d(3, stride=1, padding=1)
        # Table 6 prints padding 6, which would grow 12 x 12 to 14 x 14; the released nets use 5.
        self.fc6 = _layer(nn.Conv2d(c5, fc_width, 6, dilation=2, padding=5))
        self.fc7 = _layer(nn.Conv2d(fc_width, fc_width, 1))
        self.fc8 = nn.Conv2d(fc_width, out_channels, 1)

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return conv1 to conv5, each after batch norm and ReLU and before pooling."""
        conv1 = self.conv1(x)
        conv2 = self.conv2(self.pool1(conv1))
        conv3 = self.conv3(self.pool2(conv2))
        conv4 = self.conv4(conv3)
        conv5 = self.conv5(conv4)
        return dict(zip(self.taps, (conv1, conv2, conv3, conv4, conv5), strict=True))

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _c _h _w"]:
        """Return the raw output, ceil(ceil(ceil(h / stride) / 2) / 2) high and likewise wide."""
        top = self.pool5(self.encode(x)[self.bottleneck])
        return self.fc8(self.fc7(self.fc6(top)))


def _layer(conv: nn.Conv2d) -> nn.Sequential:
    # The bias is redundant before batch norm; it is kept because the paper's layers have one.
    return nn.Sequential(
        conv, nn.BatchNorm2d(conv.out_channels, affine=False), nn.ReLU(inplace=True)
    )
