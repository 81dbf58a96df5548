"""Which arithmetic and memory layout to train in: measured on the first batch, not assumed.

A capability flag does not tell: some processors claim bf16 and run it slower, some shapes give
wrong values, and channels-last helps plain convolutions but not group normalisation. bf16 is taken
where it is faster *and* agrees with fp32. The decision is part of the encoder's record.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

TURNS = 4  # the fastest one counts: other programs can only slow a turn down
FASTER = 1.15  # bf16 must save this factor to be worth its rounding
AGREES = 0.02  # largest relative difference of the loss on the same batch
ALIGNED = 0.98  # smallest cosine between the two gradients


@dataclass(frozen=True)
class Arithmetic:
    """How a network is run: Fabric's name of a precision, and the memory layout."""

    precision: str = "32-true"
    channels_last: bool = False

    @property
    def layout(self) -> torch.memory_format:
        """The layout in torch's terms."""
        return torch.channels_last if self.channels_last else torch.contiguous_format


@dataclass(frozen=True)
class _Measured:
    loss: float
    gradient: Tensor
    seconds: float


def choose_arithmetic(
    model: nn.Module, loss: Callable[[nn.Module, Arithmetic], Tensor], *, device: str
) -> Arithmetic:
    """The fastest way to train `model` by `loss(model, arithmetic)` that agrees with plain fp32.

    Leaves no gradient behind, and restores the batch statistics that the trial moves.
    """
    before = {name: value.clone() for name, value in model.named_buffers()}
    ways = [Arithmetic(*way) for way in product(("32-true", "bf16-mixed"), (False, True))]
    turns = [{way: _measure(model, loss, way, device) for way in ways} for _ in range(1 + TURNS)]
    for name, value in model.named_buffers():
        value.copy_(before[name])
    model.zero_grad(set_to_none=True)
    seconds = {way: min(turn[way].seconds for turn in turns[1:]) for way in ways}
    first = turns[0]  # builds kernels, so it is not timed

    def cost(way: Arithmetic) -> float:
        if way.precision == "32-true":
            return seconds[way]
        agrees = _agree(first[ways[0]], first[way])
        return seconds[way] * FASTER if agrees else float("inf")

    return min(ways, key=cost)


def _agree(exact: _Measured, rough: _Measured) -> bool:
    cosine = torch.nn.functional.cosine_similarity(exact.gradient, rough.gradient, dim=0)
    return abs(exact.loss - rough.loss) <= AGREES * abs(exact.loss) and cosine.item() > ALIGNED


def _measure(
    model: nn.Module,
    loss: Callable[[nn.Module, Arithmetic], Tensor],
    way: Arithmetic,
    device: str,
) -> _Measured:
    """Loss, flat gradient and seconds of one step on the first batch."""
    model.to(memory_format=way.layout)
    fabric = Fabric(accelerator=device, devices=1, precision=way.precision)  # type: ignore[arg-type]
    network = fabric.setup_module(model)
    model.zero_grad(set_to_none=True)
    start = time.perf_counter()
    value = loss(network, way)
    fabric.backward(value)
    item = value.item()  # waits for the device
    seconds = time.perf_counter() - start
    gradients = [p.grad.float().flatten() for p in model.parameters() if p.grad is not None]
    return _Measured(item, torch.cat(gradients), seconds)
