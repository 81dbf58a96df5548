"""A module with its optimiser: one update that is checked before it is made."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Int64
from lightning_fabric import Fabric
from torch import Tensor, nn

from benchmarks.draws import generator
from benchmarks.errors import IntegrityError


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
        samples: Int64[np.ndarray, " b"],
        *,
        lr: float,
        seed: int,
        step: int,
    ) -> dict[str, Tensor]:
        """Take one step on the sum of `losses()`, which come back, detached.

        Dropout is a function of (seed, name, step). Raises IntegrityError before the update if a
        loss or the gradient is not finite.
        """
        torch.manual_seed(int(generator(seed, f"dropout {self.name}", step).integers(2**63)))
        for group in self.solver.param_groups:
            group["lr"] = lr
        self._wrapped.zero_grad(set_to_none=True)
        terms = losses()
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            _refuse(terms, samples, step)
        self.fabric.backward(loss)
        norm = self.fabric.clip_gradients(
            self.network, self._wrapped, max_norm=self.clip, error_if_nonfinite=False
        )
        if norm is not None and not torch.isfinite(norm):
            _refuse({"gradient": norm}, samples, step)
        self._wrapped.step()
        return {name: term.detach() for name, term in terms.items()}


def _refuse(terms: dict[str, Tensor], samples: Int64[np.ndarray, " b"], step: int) -> None:
    bad = [name for name, term in terms.items() if not torch.isfinite(term)]
    raise IntegrityError(
        f"step {step}: {', '.join(bad) or 'the sum of losses'} is not finite, "
        f"batch of pretrain images {samples[:8].tolist()}...; nothing was updated",
        "lower the method's pretrain.lr, or set pretrain.precision=32-true",
    )
