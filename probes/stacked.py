"""StackedMlps: networks with one hidden layer, trained side by side on the same batches."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional


class StackedMlps(nn.Module):
    """A network for each trial (lr, weight_decay, dropout), all hidden layers in one product.

    All begin with the same weights and drop by the same random numbers, each at its own rate, so
    that a network does not depend on who stands beside it.
    """

    def __init__(
        self, trials: Sequence[dict[str, float]], *, n_inputs: int, width: int, n_classes: int
    ) -> None:
        super().__init__()
        self.trials = list(trials)
        first = nn.ModuleList([nn.Linear(n_inputs, width), nn.Linear(width, n_classes)])
        self.networks = nn.ModuleList([deepcopy(first) for _ in trials])
        self.rates: Tensor
        rates = torch.tensor([trial["dropout"] for trial in trials])
        self.register_buffer("rates", rates[:, None], persistent=False)

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b t c"]:
        """Return the logits of every network."""
        weights, biases = self._layer(0)
        hidden = functional.linear(x, weights.flatten(0, 1), biases.flatten())
        hidden = functional.relu(hidden).unflatten(1, biases.shape)
        if self.training:
            kept = torch.rand(len(x), 1, hidden.shape[2], device=x.device) >= self.rates
            hidden = hidden * kept / (1 - self.rates)
        weights, biases = self._layer(1)
        return torch.einsum("btw,tcw->btc", hidden, weights) + biases

    def loss(self, logits: Float[Tensor, "b t c"], labels: Int64[Tensor, " b"]) -> Tensor:
        """Return the sum of the networks' mean cross-entropies, without those that diverged.

        It is not finite only where all have.
        """
        wide = labels[:, None].expand(logits.shape[:2])
        losses = functional.cross_entropy(logits.mT, wide, reduction="none").mean(0)
        finite = losses.isfinite()
        return losses[finite].sum() if finite.any() else losses.sum()

    def groups(self) -> list[dict[str, Any]]:
        """Return the parameters of each network with its own rate and decay, for an optimiser."""
        return [
            {
                "params": list(network.parameters()),
                "lr": trial["lr"],
                "weight_decay": trial["weight_decay"],
            }
            for network, trial in zip(self.networks, self.trials, strict=True)
        ]

    def _layer(self, index: int) -> tuple[Float[Tensor, "t o i"], Float[Tensor, "t o"]]:
        """Return the stacked weights and biases of one layer."""
        layers = [network[index] for network in self.networks]  # type: ignore[index]
        weights = torch.stack([layer.weight for layer in layers])
        return weights, torch.stack([layer.bias for layer in layers])
