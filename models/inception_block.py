"""Inception of Shestakov's "Coloring-Images-Network": its layers, padded and begun as in Keras."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

NARROWEST = 8


class Inception(nn.Module):
    """Convolutions of several kernel sizes side by side, then a 3 x 3 one over all of them.

    It ends in four times `channels` channels, with the 1 x 1 branches or without (`ones`).
    """

    def __init__(
        self, in_channels: int, channels: int, kernels: Sequence[int], *, ones: bool = True
    ) -> None:
        super().__init__()
        kept = [kernel for kernel in kernels if ones or kernel > 1]
        self.channels = channels * len(kernels)
        self.branches = nn.ModuleList(same_conv(in_channels, channels, kernel) for kernel in kept)
        self.join = same_conv(channels * len(kept), self.channels, 3)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _c h w"]:
        """Return the joined maps, at the size of `x`."""
        return self.join(torch.cat([branch(x) for branch in self.branches], dim=1))


def same_conv(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    """Return a convolution with ReLU that keeps the size, padded as Keras' "same".

    An even kernel is padded by one more at the bottom and on the right than opposite.
    """
    before, after = (kernel - 1) // 2, kernel // 2
    even = [] if before == after else [nn.ZeroPad2d((before, after, before, after))]
    conv = nn.Conv2d(in_channels, out_channels, kernel, padding=0 if even else before)
    return nn.Sequential(*even, conv, nn.ReLU(inplace=True))


def scaled(channels: int, width: float) -> int:
    """Return `channels` times `width`, rounded, but no less than the original's narrowest layer.

    With fewer than 8 ReLUs a layer the colours of a small network soon die out.
    """
    return max(NARROWEST, round(channels * width))


def glorot(module: nn.Module) -> None:
    """Set a layer's weights as Keras does by default: Glorot's uniform ones, biases zero.

    torch's own divide a signal's variance by six a layer with ReLU, these by two, and nothing in
    this network normalises it again.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
