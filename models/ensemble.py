"""Several networks that see the same input: what a split is compared with."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Ensemble(nn.Module):
    """Images to one prediction of each member; the members share no weight.

    Their taps are concatenated, as those of a split-brain autoencoder are (1611.09842, table 2,
    "Ensembled L->ab").
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: Sequence[int],
        *,
        member: Callable[[int, int], nn.Module],
    ) -> None:
        """Build `member(in_channels, out)` once for each of `out_channels`."""
        super().__init__()
        if not out_channels:
            raise ValueError("expected out_channels of at least one member, got none")
        # nn.Module's attributes are untyped, and any model with the attributes below can be one.
        members = cast(list[Any], [member(in_channels, out) for out in out_channels])
        self.members = nn.ModuleList(members)
        self.taps: tuple[str, ...] = members[0].taps
        self.bottleneck: str = members[0].bottleneck
        self.channels: dict[str, int] = {
            tap: sum(one.channels[tap] for one in members) for tap in self.taps
        }

    def forward(self, x: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n _c _h _w"], ...]:
        """Return the raw output of each member."""
        return tuple(member(x) for member in self.members)

    def encode(self, x: Float[Tensor, "n c h w"]) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return every tap, the first member's channels first."""
        found = [cast(Any, member).encode(x) for member in self.members]
        return {tap: torch.cat([maps[tap] for maps in found], dim=1) for tap in self.taps}
