"""The autoencoder of diffusers' residual blocks, deterministic: no KL term, no sampling."""

import math
from collections.abc import Sequence
from typing import Any

from diffusers.models.autoencoders.vae import Decoder, Encoder
from jaxtyping import Float
from torch import Tensor, nn


class BlockAutoencoder(nn.Module):
    """Images to a latent of `latent_channels` x h/4 x w/4 (at three levels), and back to full size.

    The default is Oganov's autoencoder, "Self-supervision: image colorization": 1,287,631
    parameters for 1 -> 3 channels. The output is unbounded; the pretext bounds it.
    """

    bottleneck = "bottleneck"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        block_channels: Sequence[int] = (32, 64, 64),
        layers_per_block: int = 2,
        latent_channels: int = 4,
        norm_groups: int = 32,
        attention: bool = True,
    ) -> None:
        """`block_channels` has one level an entry; each level but the last halves the size.

        The group count of the GroupNorms is the greatest common divisor of `norm_groups` and all
        block channels, so that it divides every width: 32 at (32, 64, 64), 16 at (16, 32, 32).
        """
        super().__init__()
        widths = tuple(block_channels)
        shared: dict[str, Any] = {
            "block_out_channels": widths,
            "layers_per_block": layers_per_block,
            "norm_num_groups": math.gcd(norm_groups, *widths),
            "mid_block_add_attention": attention,
        }
        self.encoder = Encoder(
            in_channels,
            latent_channels,
            down_block_types=("DownEncoderBlock2D",) * len(widths),
            double_z=True,
            **shared,
        )
        self.quant_conv = nn.Conv2d(2 * latent_channels, latent_channels, 1)
        self.decoder = Decoder(
            latent_channels,
            out_channels,
            up_block_types=("UpDecoderBlock2D",) * len(widths),
            **shared,
        )
        self.factor = 2 ** (len(widths) - 1)
        downs = {f"down{level}": width for level, width in enumerate(widths)}
        self.channels: dict[str, int] = {
            "conv_in": widths[0],
            **downs,
            "mid": widths[-1],
            "bottleneck": latent_channels,
        }
        self.taps: tuple[str, ...] = tuple(self.channels)

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return every tap from one pass of the encoder; the decoder does not run.

        Raises ValueError when h or w is no multiple of the factor, since rows would be dropped.
        """
        self._check_size(x)
        encoder = self.encoder
        maps = {"conv_in": encoder.conv_in(x)}
        last = maps["conv_in"]
        for level, block in enumerate(encoder.down_blocks):
            last = maps[f"down{level}"] = block(last)
        last = maps["mid"] = encoder.mid_block(last)
        moments = encoder.conv_out(encoder.conv_act(encoder.conv_norm_out(last)))
        maps["bottleneck"] = self.quant_conv(moments)
        return maps

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n _c h w"]:
        """Return the raw output at the input's size."""
        return self.decoder(self.encode(x)[self.bottleneck])

    def _check_size(self, x: Tensor) -> None:
        height, width = x.shape[-2:]
        if height % self.factor or width % self.factor:
            raise ValueError(
                f"expected height and width to be multiples of {self.factor}, got {height} x "
                f"{width}; resize the images or take another number of block_channels"
            )
