"""A critic that judges whole pictures, whatever they were made from."""

from jaxtyping import Float
from torch import Tensor, nn

from .inception_block import glorot

# (width, kernel) of the stages; each is two unpadded convolutions and a pooling by two.
STAGES = ((32, 7), (64, 5), (128, 3), (256, 3))
DENSE = (512, 128, 16)
GRID = 2  # side of the map that the dense layers read


class PictureCritic(nn.Module):
    """Pictures to one logit each: above 0 for what it holds real. No sigmoid: the loss has it.

    Discriminator of Abramov's "Colorizer": 1,907,905 parameters for RGB of 120 x 120 pixels. It
    is unconditional, that is, it never sees the gray picture. There the map before the dense
    layers is 2 x 2; at other sizes it is averaged over areas to 2 x 2, which changes nothing at
    120 px and makes the number of parameters depend on the number of stages alone. Stages that a
    picture of `size` is too small for are left out: all four fit from 92 px on, three from 52 px,
    two from 32 px, one from 14 px. (A map of 1 x 1 is repeated.) Initial weights are Keras' own.
    """

    def __init__(self, in_channels: int = 3, *, size: int = 120, width: float = 1.0) -> None:
        """`size` is the shorter side of the pictures in pixels; `width` scales the channels.

        No dense layer gets narrower than 16, the original's last: with fewer ReLUs all of them may
        die. Raises ValueError if not even one stage fits.
        """
        super().__init__()
        kernels = _fitting([kernel for _, kernel in STAGES], size)
        self.smallest = _smallest(kernels)
        if not kernels:
            least = _smallest([STAGES[0][1]])
            raise ValueError(f"expected size >= {least} px, got {size}: enlarge the pictures")
        channels = [max(1, round(stage * width)) for stage, _ in STAGES[: len(kernels)]]
        dense = [max(DENSE[-1], round(units * width)) for units in DENSE]
        before = [in_channels, *channels[:-1]]
        self.stages = nn.Sequential(*map(_stage, before, channels, kernels))
        self.pool = nn.AdaptiveAvgPool2d(GRID)
        layers: list[nn.Module] = [nn.Flatten()]
        for inward, outward in zip((channels[-1] * GRID**2, *dense), dense, strict=False):
            layers += [nn.Linear(inward, outward), nn.ReLU(inplace=True)]
        self.dense = nn.Sequential(*layers, nn.Linear(dense[-1], 1))
        # With torch's smaller initial weights the verdict hardly depends on the picture.
        self.apply(glorot)

    def forward(self, pictures: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1"]:
        """Return the logits of pictures of at least the size that the stages need.

        Raises ValueError for smaller ones.
        """
        height, width = pictures.shape[-2:]
        if min(height, width) < self.smallest:
            raise ValueError(
                f"expected at least {self.smallest} x {self.smallest} pixels, got {height} x "
                f"{width}: build the critic with size={min(height, width)}"
            )
        return self.dense(self.pool(self.stages(pictures)))


def _fitting(kernels: list[int], size: int) -> list[int]:
    """Return the kernels of the first stages, as many as a side of `size` pixels has room for."""
    fits = [count for count in range(len(kernels) + 1) if size >= _smallest(kernels[:count])]
    return kernels[: fits[-1]] if fits else []


def _smallest(kernels: list[int]) -> int:
    """Return the side in pixels that stages of these kernels turn into one."""
    side = 1
    for kernel in reversed(kernels):
        side = 2 * side + 2 * (kernel - 1)
    return side


def _stage(inward: int, outward: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inward, outward, kernel),
        nn.ReLU(inplace=True),
        nn.Conv2d(outward, outward, kernel),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
    )
