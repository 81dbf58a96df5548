"""Discriminators that judge patches: every logit sees a square of the picture, its patch.

They take a condition and a picture concatenated along channels, or a picture alone. Smallest
pictures: the last normalised map must be 2 x 2 at least, which leaves one logit or more. A
picture smaller than the patch is judged whole, with its padding.
"""

from itertools import pairwise
from types import MappingProxyType
from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn

from .deep_unet import down_block, normal_weights
from .unet import pix2pix_init

# patch: strided layers of pix2pix's discriminator, which two layers of stride 1 follow.
HALVINGS = MappingProxyType({16: 1, 34: 2, 70: 3, 142: 4, 286: 5})
PIXEL, DEEP = 1, 154
# patch: smallest height and width, in pixels.
SMALLEST_SIDE = MappingProxyType(
    {PIXEL: 2, **{patch: 3 * 2**n for patch, n in HALVINGS.items()}, DEEP: 32}
)


class PatchGan(nn.Module):
    """Pictures to a map of logits, real against generated, one for each `patch` x `patch` px.

    1 (PixelGAN), 16, 34, 70, 142 and 286 are pix2pix's (1611.07004, section 6.1.2), with its
    initialisation: at 70 for 3 channels 2,765,633 parameters and 30 x 30 logits at 256 px, the
    discriminator of Shariatnia's tutorial. 154 is that of Lapamore's pix2pix colorizer:
    5,899,969 parameters and 16 x 16 logits.
    """

    def __init__(
        self, in_channels: int, *, patch: int = 70, width: int = 64, norm: str = "batch"
    ) -> None:
        """`norm` is "batch", "instance" (affine) or "none".

        A gradient penalty is taken picture by picture, so WGAN-GP cannot have batch norm, which
        makes a logit depend on all pictures of the batch.
        """
        super().__init__()
        if patch not in SMALLEST_SIDE:
            known = ", ".join(str(known) for known in sorted(SMALLEST_SIDE))
            raise ValueError(f"expected a patch of {known}, got {patch}")
        self.patch = patch
        if patch == DEEP:
            self.layers = _deep_layers(in_channels, width, norm)
        elif patch == PIXEL:
            self.layers = _pixel_layers(in_channels, width, norm)
        else:
            self.layers = _patch_layers(in_channels, HALVINGS[patch], width, norm)
        if patch != DEEP:
            pix2pix_init(self)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 _h _w"]:
        """Return the logits; ValueError for a picture that is too small for this patch."""
        return _logits(self.layers, x, self.patch)


class ReflectPatchGan(nn.Module):
    """Pictures to a map of logits, one for each 70 x 70 px, with reflected borders.

    The discriminator of annkka3's pix2pix on paintings: 2,768,641 parameters for 6 channels,
    30 x 30 logits at 256 px. Its first layer has no bias, and torch's initialisation stays.
    """

    def __init__(self, in_channels: int, *, width: int = 64, norm: str = "batch") -> None:
        """`norm` is "batch", "instance" (affine) or "none", as in `PatchGan`."""
        super().__init__()
        self.patch = 70
        self.layers = _patch_layers(in_channels, HALVINGS[70], width, norm, reflect=True)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n 1 _h _w"]:
        """Return the logits; ValueError for a picture that is too small for this patch."""
        return _logits(self.layers, x, self.patch)


def _logits(layers: nn.Sequential, x: Tensor, patch: int) -> Tensor:
    height, width = x.shape[-2:]
    side = min(height, width)
    if side < SMALLEST_SIDE[patch]:
        fitting = [str(p) for p, smallest in sorted(SMALLEST_SIDE.items()) if smallest <= side]
        raise ValueError(
            f"patch {patch} needs sides of {SMALLEST_SIDE[patch]} px or more, got {height} x "
            f"{width}; patches that fit: {', '.join(fitting) or 'none'}"
        )
    return layers(x)


def _pixel_layers(in_channels: int, width: int, norm: str) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, width, 1),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(width, 2 * width, 1, bias=norm == "none"),
        *_norms(norm, 2 * width),
        nn.LeakyReLU(0.2, inplace=True),
        nn.Conv2d(2 * width, 1, 1),
    )


def _patch_layers(
    in_channels: int, halvings: int, width: int, norm: str, *, reflect: bool = False
) -> nn.Sequential:
    borders: Literal["reflect", "zeros"] = "reflect" if reflect else "zeros"
    widths = [width * min(2**level, 8) for level in range(halvings + 1)]
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, width, 4, 2, 1, bias=not reflect, padding_mode=borders),
        nn.LeakyReLU(0.2, inplace=True),
    ]
    for level, (before, after) in enumerate(pairwise(widths), start=1):
        stride = 2 if level < halvings else 1
        conv = nn.Conv2d(before, after, 4, stride, 1, bias=norm == "none", padding_mode=borders)
        layers += [conv, *_norms(norm, after), nn.LeakyReLU(0.2, inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1, padding_mode=borders))


def _deep_layers(in_channels: int, width: int, norm: str) -> nn.Sequential:
    blocks = nn.Sequential(down_block(in_channels, width))
    for before in (width, 2 * width, 4 * width):
        blocks.append(down_block(before, 2 * before, *_norms(norm, 2 * before)))
    normal_weights(blocks)
    # Padded by two on the left and on top, so that 16 x 16 maps stay 16 x 16.
    return nn.Sequential(blocks, nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(8 * width, 1, 4, padding=1))


def _norms(norm: str, channels: int) -> list[nn.Module]:
    """No layer or one."""
    if norm == "batch":
        return [nn.BatchNorm2d(channels)]
    if norm == "instance":
        return [nn.InstanceNorm2d(channels, affine=True)]
    if norm == "none":
        return []
    raise ValueError(f"unknown norm {norm!r}: use batch, instance or none")
