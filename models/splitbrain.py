"""Split-brain autoencoder: two networks, each predicting the channels that the other one sees."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn


class SplitBrain(nn.Module):
    """Lab images to a prediction of ab from L and one of L from ab (1611.09842, section 3).

    The two halves share no weight and see disjoint channels; their taps are concatenated.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (1, 2),
        out_channels: Sequence[int] = (313, 50),
        *,
        half: Callable[[int, int], nn.Module],
    ) -> None:
        """Build `half(in, out)` twice: `in_channels[0]` to `out_channels[0]`, then the other."""
        super().__init__()
        self.in_channels = tuple(in_channels)
        # nn.Module's attributes are untyped, and any model with the attributes below can be a half.
        self.l_to_ab = cast(Any, half(in_channels[0], out_channels[0]))
        self.ab_to_l = cast(Any, half(in_channels[1], out_channels[1]))
        self.taps: tuple[str, ...] = self.l_to_ab.taps
        self.bottleneck: str = self.l_to_ab.bottleneck
        self.channels: dict[str, int] = {
            tap: self.l_to_ab.channels[tap] + self.ab_to_l.channels[tap] for tap in self.taps
        }

    def forward(
        self, x: Float[Tensor, "n c h w"]
    ) -> tuple[Float[Tensor, "n _c1 _h1 _w1"], Float[Tensor, "n _c2 _h2 _w2"]]:
        """Return the raw outputs (from L, from ab)."""
        lightness, ab = self._split(x)
        return self.l_to_ab(lightness), self.ab_to_l(ab)

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return every tap, the L half's channels before the ab half's."""
        lightness, ab = self._split(x)
        from_l, from_ab = self.l_to_ab.encode(lightness), self.ab_to_l.encode(ab)
        return {tap: torch.cat([from_l[tap], from_ab[tap]], dim=1) for tap in self.taps}

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if x.shape[1] != sum(self.in_channels):
            raise ValueError(
                f"expected {sum(self.in_channels)} channels, {self.in_channels} for the halves, "
                f"got {x.shape[1]}; choose the pretext's `inputs` to match"
            )
        lightness, ab = x.split(self.in_channels, dim=1)
        return lightness, ab
