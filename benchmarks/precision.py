"""Which arithmetic and memory layout to compute in: measured on the first batch, not assumed.

A capability flag does not tell: some processors claim bf16 and run it slower, some shapes give
wrong values, and channels-last helps plain convolutions but not group normalisation. bf16 is taken
where it is faster *and* agrees with fp32. The decision is part of the record made with it.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from benchmarks.store import atomic_write

TURNS = 4  # the fastest one counts: other programs can only slow a turn down
FASTER = 1.15  # bf16 must save this factor to be worth its rounding
AGREES = 0.02  # largest relative difference of the loss on the same batch
ALIGNED = 0.98  # smallest cosine between the two gradients
# Largest error of a tap's latents, relative to how much they vary over images: a mean that all
# images share says nothing, so bf16 may not hide behind it.
BLURS = 0.03


@dataclass(frozen=True)
class Arithmetic:
    """How a network is run: Fabric's name of a precision, and the memory layout."""

    precision: str = "32-true"
    channels_last: bool = False

    @property
    def layout(self) -> torch.memory_format:
        """The layout in torch's terms."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def autocast(self, device: str) -> AbstractContextManager[Any]:
        """A context in which a forward pass on `device` computes in this precision."""
        return torch.autocast(device, torch.bfloat16, enabled=self.precision == "bf16-mixed")


PLAIN = Arithmetic()
WAYS = [Arithmetic(*way) for way in product(("32-true", "bf16-mixed"), (False, True))]


def remembered(path: Path, choose: Callable[[], Arithmetic]) -> Arithmetic:
    """The decision in the file `path`; made by `choose` and written there if there is none.

    Timings differ from start to start: what was interrupted goes on in the arithmetic it began in.
    """
    if not path.exists():
        atomic_write(path, json.dumps(asdict(choose())).encode())
    return Arithmetic(**json.loads(path.read_text()))


def choose_arithmetic(
    model: nn.Module, loss: Callable[[nn.Module, Arithmetic], Tensor], *, device: str
) -> Arithmetic:
    """The fastest way to train `model` by `loss(model, arithmetic)` that agrees with plain fp32.

    Leaves no gradient behind, and restores the batch statistics that the trial moves.
    """
    before = {name: value.clone() for name, value in model.named_buffers()}
    way = _fastest(lambda way: _learn(model, loss, way, device), _same_gradient)
    for name, value in model.named_buffers():
        value.copy_(before[name])
    model.zero_grad(set_to_none=True)
    return way


def choose_reading(read: Callable[[Arithmetic], Mapping[str, Tensor]]) -> Arithmetic:
    """The fastest way to compute `read(arithmetic)`, latents by tap, that agrees with plain fp32.

    They agree where no tap's error exceeds BLURS of its variation over images (`blur`).
    """
    return _fastest(read, lambda exact, rough: max(blur(exact[t], rough[t]) for t in exact) < BLURS)


def blur(exact: Tensor, rough: Tensor) -> float:
    """Root of the squared error of latents (n, ...) over their squared deviation from the mean.

    0 for equal latents, infinite where `rough` is not finite or only `exact` is constant.
    """
    exact, rough = exact.double(), rough.double()
    error = (rough - exact).norm().item()
    if error == 0:
        return 0.0
    ratio = error / max((exact - exact.mean(0)).norm().item(), 1e-300)
    return ratio if ratio == ratio else float("inf")


def _fastest(compute: Callable[[Arithmetic], Any], agree: Callable[[Any, Any], bool]) -> Arithmetic:
    """The way of WAYS with the fastest of TURNS turns; bf16 must agree with WAYS[0], and pay."""
    first = {way: compute(way) for way in WAYS}  # builds kernels, so it is not timed
    turns = [{way: _seconds(compute, way) for way in WAYS} for _ in range(TURNS)]

    def cost(way: Arithmetic) -> float:
        seconds = min(turn[way] for turn in turns)
        if way.precision == "32-true":
            return seconds
        return seconds * FASTER if agree(first[WAYS[0]], first[way]) else float("inf")

    return min(WAYS, key=cost)


def _seconds(compute: Callable[[Arithmetic], Any], way: Arithmetic) -> float:
    start = time.perf_counter()
    compute(way)
    return time.perf_counter() - start


def _same_gradient(exact: tuple[float, Tensor], rough: tuple[float, Tensor]) -> bool:
    cosine = torch.nn.functional.cosine_similarity(exact[1], rough[1], dim=0)
    return abs(exact[0] - rough[0]) <= AGREES * abs(exact[0]) and cosine.item() > ALIGNED


def _learn(
    model: nn.Module,
    loss: Callable[[nn.Module, Arithmetic], Tensor],
    way: Arithmetic,
    device: str,
) -> tuple[float, Tensor]:
    """Loss and flat gradient of one step on the first batch."""
    model.to(memory_format=way.layout)
    fabric = _fabric(way, device)
    network = fabric.setup_module(model)
    model.zero_grad(set_to_none=True)
    value = loss(network, way)
    fabric.backward(value)
    gradients = [p.grad.float().flatten() for p in model.parameters() if p.grad is not None]
    return value.item(), torch.cat(gradients)  # .item() waits for the device


def _fabric(way: Arithmetic, device: str) -> Fabric:
    return Fabric(accelerator=device, devices=1, precision=way.precision)  # type: ignore[arg-type]
