"""Every way to look at an encoder's latents: tap x half of a split-brain net x pooling.

A view is named TAP, then what narrows it: `conv3`, `conv3/L`, `conv3/L/mean`, `conv3/mean`.
"""

from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float, Int64

from benchmarks.latents import Latents
from models.splitbrain import SplitBrain

HALVES = ("L", "ab")  # in the order of SplitBrain's channels: what each half sees
MEAN = "mean"  # over the map, in place of the grid that the latents are kept in


class Views:
    """The latents of `model` as features whose `taps` are all its views, whole taps first.

    Selection then chooses tap, half and pooling at once.
    """

    def __init__(self, latents: Latents, model: Any) -> None:
        self.latents, self.model = latents, model
        self.taps = names(model)

    def take(self, tap: str, ids: Int64[np.ndarray, " m"]) -> Float[np.ndarray, "m c g1 g2"]:
        """Latents of the images `ids` in the view `tap`; g1 = g2 = 1 for a mean."""
        name, *rest = tap.split("/")
        latents = self.latents.take(name, ids)
        for half in set(rest) & set(HALVES):
            latents = latents[:, _channels(self.model, name, half)]
        return latents.mean((2, 3), keepdims=True) if MEAN in rest else latents


def names(model: Any) -> tuple[str, ...]:
    """The views of a model: its taps, then their halves and means."""
    halves = ("", *HALVES) if isinstance(model, SplitBrain) else ("",)
    narrowings = product(("", MEAN), halves)
    return tuple(
        "/".join(part for part in (tap, half, pooling) if part)
        for pooling, half in narrowings
        for tap in model.taps
    )


def _channels(model: SplitBrain, tap: str, half: str) -> slice:
    first = model.l_to_ab.channels[tap]
    return slice(first) if half == HALVES[0] else slice(first, None)
