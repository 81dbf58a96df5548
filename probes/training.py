"""The one training loop of every gradient-trained probe and baseline, on arrays.

Start, order, dropout and augmentation are functions of the seed, the epoch and the sample index;
the batches of an epoch differ in size by at most one.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn
from torch.nn import functional

from .pixels import Augment, Augmenter, keyed_generator, to_images

Precision = Literal["32", "bf16"]
Schedule = Literal["onecycle", "constant"]
_PREDICT_BATCH = 512
_WARMUP = 0.1


class DivergenceError(ValueError):
    """Training met a loss that is NaN or infinite."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is trained: AdamW on the mean cross-entropy.

    `steps` counts optimiser steps whatever the label budget, so that one label a class trains as
    long as 75; `max_epochs` cuts that short on tiny sets. Parameters under the network's attribute
    `encoder` learn at `encoder_lr_scale` times the rate.
    """

    steps: int
    max_epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    schedule: Schedule = "onecycle"
    augment: Augment = "none"
    precision: Precision = "32"
    encoder_lr_scale: float = 1.0
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        if min(self.steps, self.max_epochs, self.batch_size) < 1:
            raise ValueError(
                f"steps, max_epochs and batch_size must be at least 1, got {self.steps}, "
                f"{self.max_epochs} and {self.batch_size}"
            )


def train_network(
    build: Callable[[], nn.Module],
    X: Shaped[Tensor, "n ..."],
    y: Int64[np.ndarray, " n"],
    training: Training,
    *,
    stop_epoch: int | None = None,
    after_epoch: Callable[[nn.Module], None] | None = None,
) -> nn.Module:
    """Return a network built and trained from the seed; DivergenceError if the loss diverges.

    uint8 `X` is (n, h, w, 3) pixels, else network input. `stop_epoch` ends early on the same
    schedule, so that the result is the full run's network as it was after that many epochs. A
    network with a `loss` and `groups` of its own (stacked.py) is trained by them.
    """
    images, labels = X.to(training.device), torch.from_numpy(np.array(y)).to(training.device)
    n_batches = math.ceil(len(images) / training.batch_size)
    total = min(training.steps, training.max_epochs * n_batches)
    n_epochs = min(math.ceil(total / n_batches), stop_epoch or training.max_epochs)
    with _seeded(training):
        network = build().to(training.device)
        optimiser, scheduler = _optimiser(network, training, total)
        for epoch in range(n_epochs):
            batches = _batches(images, labels, training, epoch=epoch)[: total - epoch * n_batches]
            _train_epoch(network, batches, optimiser, scheduler, precision=training.precision)
            if after_epoch is not None:
                after_epoch(network)
    return network.eval()


def predict_network(
    network: nn.Module, X: Shaped[Tensor, "n ..."], training: Training
) -> Float[np.ndarray, "n ... c"]:
    """Return the network's softmax probabilities in evaluation mode, rows summing to 1."""
    network.eval()
    rows = []
    with torch.no_grad():
        for batch in X.split(_PREDICT_BATCH):
            logits = _logits(network, batch.to(training.device), training.precision)
            rows.append(logits.double().softmax(dim=-1).cpu())
    return torch.cat(rows).numpy()


def learning_rate_factor(step: int, steps: int, schedule: Schedule) -> float:
    """Return the share of the peak rate at a step: linear warm-up over 10 %, then cosine to 0."""
    if schedule == "constant":
        return 1.0
    warmup = max(1.0, _WARMUP * steps)
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1.0, steps - warmup)))


_Batches = list[tuple[Callable[[], Tensor], Tensor]]


def _batches(images: Tensor, labels: Tensor, training: Training, *, epoch: int) -> _Batches:
    """Return one epoch's batches in order; the input of each is made when it is called."""
    n = len(images)
    order = torch.randperm(n, generator=keyed_generator(training.seed, epoch, 0))
    augment = Augmenter(training.augment, seed=training.seed, epoch=epoch, n_samples=n)

    def load(index: Tensor) -> Tensor:
        batch = images[index.to(images.device)]
        return augment(batch, index) if batch.dtype == torch.uint8 else batch

    parts = torch.tensor_split(order, math.ceil(n / training.batch_size))
    return [(partial(load, part), labels[part.to(labels.device)]) for part in parts]


def _train_epoch(
    network: nn.Module,
    batches: _Batches,
    optimiser: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LambdaLR,
    *,
    precision: Precision,
) -> None:
    """Take one optimiser step a batch; DivergenceError if a loss was not finite."""
    network.train()
    criterion = getattr(network, "loss", functional.cross_entropy)
    total = torch.zeros((), device=batches[0][1].device)
    for load, labels in batches:
        optimiser.zero_grad(set_to_none=True)
        loss = criterion(_logits(network, load(), precision), labels)
        loss.backward()
        optimiser.step()
        scheduler.step()
        total += loss.detach()
    if not bool(torch.isfinite(total)):
        raise DivergenceError(
            f"the training loss became {float(total)}, expected a finite one: "
            "lower the learning rate"
        )


def _logits(network: nn.Module, batch: Tensor, precision: Precision) -> Float[Tensor, "b ... c"]:
    """Return float32 logits of pixels or of network input."""
    inputs = to_images(batch) if batch.dtype == torch.uint8 else batch
    with torch.autocast(batch.device.type, torch.bfloat16, enabled=precision == "bf16"):
        return network(inputs).float()


def _optimiser(
    network: nn.Module, training: Training, total: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LambdaLR]:
    """Return AdamW, slower on the encoder if asked, and its schedule over `total` steps."""
    encoder = getattr(network, "encoder", None)
    if encoder is None and training.encoder_lr_scale != 1:
        raise ValueError(
            "encoder_lr_scale needs a network with an attribute `encoder`: it has none"
        )
    slow = list(encoder.parameters()) if isinstance(encoder, nn.Module) else []
    known = {id(parameter) for parameter in slow}
    fast = [parameter for parameter in network.parameters() if id(parameter) not in known]
    groups = [
        {"params": fast, "lr": training.lr},
        {"params": slow, "lr": training.lr * training.encoder_lr_scale},
    ]
    own = getattr(network, "groups", None)
    parts = own() if own else groups
    optimiser = torch.optim.AdamW(parts, weight_decay=training.weight_decay)
    factor = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_factor(step, total, training.schedule)
    )
    return optimiser, factor


@contextlib.contextmanager
def _seeded(training: Training) -> Iterator[None]:
    """Seed the global generators for a while, then put them back as they were."""
    device = torch.device(training.device)
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(training.seed)
        if on_gpu:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(training.seed)
        yield
