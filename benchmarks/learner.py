"""A module with its optimiser: one update, in which the device is never waited for."""

from collections.abc import Callable

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from benchmarks.draws import generator
from benchmarks.journal import GRADIENT


class Learner:
    """`network` is `module` as Fabric runs it; `solver` is its optimiser, for checkpoints."""

    def __init__(
        self,
        module: nn.Module,
        solver: torch.optim.Optimizer,
        fabric: Fabric,
        *,
        name: str,
        clip: float,
    ) -> None:
        self.name, self.solver, self.fabric, self.clip = name, solver, fabric, clip
        self.network, self._wrapped = fabric.setup(module, solver)

    def update(
        self,
        losses: Callable[[], dict[str, Tensor]],
        *,
        lr: float,
        seed: int,
        step: int,
    ) -> dict[str, Tensor]:
        """Take one step on the sum of `losses()`, which come back detached.

        With them comes the norm of the gradient before it was clipped, named GRADIENT + `name`;
        whether all are finite is for the caller to read. Dropout is a function of (seed, name,
        step).
        """
        torch.manual_seed(int(generator(seed, f"dropout {self.name}", step).integers(2**63)))
        for group in self.solver.param_groups:
            group["lr"] = lr
        self._wrapped.zero_grad(set_to_none=True)
        terms = losses()
        self.fabric.backward(torch.stack(list(terms.values())).sum())
        norm = self.fabric.clip_gradients(
            self.network, self._wrapped, max_norm=self.clip, error_if_nonfinite=False
        )
        self._wrapped.step()
        terms = {name: term.detach() for name, term in terms.items()}
        return terms if norm is None else terms | {GRADIENT + self.name: norm.detach()}
