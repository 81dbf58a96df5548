"""The eight-block network of "Colorful Image Colorization"."""

from jaxtyping import Float
from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512, 512, 512, 512, 256)
CONVS = (2, 2, 3, 3, 3, 3, 3)
DILATIONS = (1, 1, 1, 1, 2, 2, 1)
HALVED_BY = (True, True, True, False, False, False, False)
FACTOR = 8


class ColorfulNet(nn.Module):
    """Images to a map of logits at a quarter of the size, through maps at an eighth.

    Network of Zhang, Isola, Efros, "Colorful Image Colorization" (ECCV 2016), figure 2: 3 x 3
    convolutions with ReLU, batch norm after each of conv1 to conv7, strides in place of pooling.
    The batch norms have a scale and a shift, as in the authors' PyTorch form. That form has
    32,236,011 parameters for 1 -> 313 channels. 626 of them are the convolution, 313 -> 2 without
    bias, that turns probabilities into ab; here the pretext does that with the bin centres, which
    are as many numbers and not learned. The network itself has the other 32,235,385.
    """

    # conv8 is a block like the others in the paper, and may be probed, but it has been enlarged:
    # conv7 is the last map at the lowest resolution, which all that colours a pixel goes through.
    taps: tuple[str, ...] = tuple(f"conv{block}" for block in range(1, 9))
    bottleneck = "conv7"

    def __init__(self, in_channels: int, out_channels: int, *, width: float = 1.0) -> None:
        """`width` scales the channels of all blocks."""
        super().__init__()
        widths = tuple(max(1, round(channels * width)) for channels in WIDTHS)
        self.channels: dict[str, int] = dict(zip(self.taps, widths, strict=True))
        before = (in_channels, *widths)
        shapes = zip(before, widths, CONVS, DILATIONS, HALVED_BY, strict=False)
        self.blocks = nn.ModuleList(_block(*shape) for shape in shapes)
        self.blocks.append(_enlarging_block(widths[6], widths[7]))
        self.classes = nn.Conv2d(widths[7], out_channels, 1)

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return conv1 to conv8 at 1/2, 1/4, five times 1/8 and 1/4 of the size.

        conv1 to conv7 are taken after batch norm, conv8 after ReLU. Raises ValueError when h or w
        is no multiple of 8, since the output would not be a quarter of the input.
        """
        height, width = x.shape[-2:]
        if height % FACTOR or width % FACTOR:
            raise ValueError(
                f"expected height and width to be multiples of {FACTOR}, got {height} x {width}; "
                "resize or pad the images"
            )
        maps = {}
        for tap, block in zip(self.taps, self.blocks, strict=True):
            x = maps[tap] = block(x)
        return maps

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _c _h _w"]:
        """Return the raw output, h / 4 high and w / 4 wide."""
        return self.classes(self.encode(x)["conv8"])


def _block(inward: int, outward: int, convs: int, dilation: int, halved: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(convs):
        stride = 2 if halved and index == convs - 1 else 1
        channels = inward if index == 0 else outward
        conv = nn.Conv2d(channels, outward, 3, stride=stride, padding=dilation, dilation=dilation)
        layers += [conv, nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.BatchNorm2d(outward))


def _enlarging_block(inward: int, outward: int) -> nn.Sequential:
    return nn.Sequential(
        nn.ConvTranspose2d(inward, outward, 4, stride=2, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(outward, outward, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(outward, outward, 3, padding=1),
        nn.ReLU(inplace=True),
    )
