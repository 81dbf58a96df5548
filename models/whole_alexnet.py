"""An AlexNet that is not split: the network that Split-Brain (2017) is compared with."""

from .alexnet import HalfAlexNet


def whole_alexnet(
    in_channels: int,
    out_channels: int,
    *,
    stride: int = 4,
    fc_width: int = 2048,
    width: float = 1.0,
) -> HalfAlexNet:
    """Return the network that is two halves wide: 96, 256, 384, 384, 256 channels at the taps.

    The arguments are those of one half, so that a split network and a whole one made from the same
    numbers have equally many features a tap. There are no groups, so conv2 to conv5 have twice the
    parameters of both halves together (1611.09842 splits with groups=2, "half the parameters").
    """
    return HalfAlexNet(
        in_channels, out_channels, stride=stride, fc_width=2 * fc_width, width=2 * width
    )
