"""The one training loop: pixels only, last step reported, resumable bit for bit on a CPU."""

import math
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from benchmarks.batches import Batches, in_order
from benchmarks.checkpoint import follow_layout, load_checkpoint, save_checkpoint
from benchmarks.journal import Journal
from benchmarks.learner import Learner
from benchmarks.precision import Arithmetic, choose_arithmetic, remembered
from benchmarks.progress import Meter

CHECKPOINT_EVERY = 30.0  # seconds: what an interruption can cost
WARM_UP = 0.05  # share of the steps in which the rate rises linearly
FOR_STATISTICS = 8192  # images that a bin prior is counted on
FOR_TIMING = 32  # images on which arithmetics are compared before the first step


@dataclass(frozen=True)
class Recipe:
    """How to train: passes over the pretrain split (a share of one counts, too), then how.

    `schedule="cosine"` is a linear warm-up, then half a cosine to zero.

    `beta1` and `beta2` are AdamW's, `beta1` is SGD's momentum; `clip` bounds the gradient's norm
    (`.inf`: not at all); `precision="auto"` measures first and then decides.
    """

    epochs: float | int
    batch_size: int = 64
    optimizer: Literal["adamw", "sgd"] = "adamw"
    lr: float = 1e-3
    weight_decay: float = 1e-4
    beta1: float = 0.9
    beta2: float = 0.999
    schedule: Literal["cosine", "constant"] = "cosine"
    clip: float = 1.0
    flip: bool = True
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"

    def steps(self, per_epoch: int) -> int:
        """Updates in all, of `per_epoch` a pass; at least one unless there is no training."""
        return max(1, round(self.epochs * per_epoch)) if self.epochs else 0

    def rate(self, step: int, steps: int) -> float:
        """Learning rate of update `step` of `steps`."""
        if self.schedule == "constant":
            return self.lr
        warm = max(1, round(WARM_UP * steps))
        if step < warm:
            return self.lr * (step + 1) / warm
        return self.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

    def solver(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimiser over all of `model`'s parameters."""
        rates: dict[str, Any] = {"lr": self.lr, "weight_decay": self.weight_decay}
        if self.optimizer == "sgd":
            return torch.optim.SGD(model.parameters(), momentum=self.beta1, fused=True, **rates)
        betas = (self.beta1, self.beta2)
        return torch.optim.AdamW(model.parameters(), betas=betas, fused=True, **rates)


@dataclass
class Training:
    """What pretraining leaves beside the weights: arithmetic chosen, seconds, losses.

    `window` holds the losses since the last entry of `history`.
    """

    precision: str
    channels_last: bool
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    window: list[dict[str, float]] = field(default_factory=list)


def pretrain(
    model: nn.Module, pretext: Any, batches: Batches, *,
    recipe: Recipe, folder: Path, label: str = "pretrain",
) -> Training:  # fmt: skip
    """Train `model` in place on `pretext` over `batches`; its losses and cost come back.

    A pretext with a `critic` has it trained in turn, `critic_turns` updates before each of the
    model's. Checkpoints go to `folder`, from which the same call continues. Raises IntegrityError
    before the update if a loss or gradient is not finite, naming the batch.
    """
    model.to(batches.device).train()
    pretext.to(batches.device)
    critic = getattr(pretext, "critic", None)
    solvers = {"model": recipe.solver(model)}
    if critic is not None:
        solvers["critic"] = recipe.solver(critic)
    modules = {"model": model, "pretext": pretext}
    notes = load_checkpoint(folder, modules=modules, optimizers=solvers)
    training = Training(**notes) if notes else _begin(model, pretext, batches, recipe, folder)
    way = Arithmetic(training.precision, training.channels_last)
    model.to(memory_format=way.layout)
    for solver in solvers.values():
        follow_layout(solver)
    fabric = Fabric(accelerator=batches.device, devices=1, precision=way.precision)  # type: ignore[arg-type]
    learner = Learner(model, solvers["model"], fabric, name="model", clip=recipe.clip)
    # The critic is called by the pretext, outside Fabric's autocast: it trains in fp32.
    rival, turns = learner, 0
    if critic is not None:
        rival = Learner(critic, solvers["critic"], fabric, name="critic", clip=recipe.clip)
        turns = pretext.critic_turns
    steps, journal = recipe.steps(batches.per_epoch), Journal(training.history, training.window)
    clock = saved = time.monotonic()
    with Meter(label, steps * batches.size) as meter, torch.random.fork_rng():
        meter.skip(training.step * batches.size)
        for step in range(training.step, steps):
            lr, terms = recipe.rate(step, steps), dict[str, Tensor]()
            batch, samples = batches.at(step, way.layout), batches.samples(step)
            for turn in range(step * turns, (step + 1) * turns):
                losses = partial(pretext.critic_losses, learner.network, *batch)
                terms |= rival.update(losses, lr=lr, seed=batches.seed, step=turn)
            losses = partial(pretext.losses, learner.network, *batch)
            terms |= learner.update(losses, lr=lr, seed=batches.seed, step=step)
            training.step, seen, last = step + 1, (step + 1) * batches.size, step + 1 == steps
            journal.note(step, terms, samples, images=seen, lr=lr, last=last)
            meter.advance(batches.size)
            now = time.monotonic()
            training.seconds, clock = training.seconds + now - clock, now
            if now - saved > CHECKPOINT_EVERY:
                saved = now
                journal.read()
                save_checkpoint(folder, modules=modules, optimizers=solvers, notes=asdict(training))
    return training


def _begin(
    model: nn.Module, pretext: Any, batches: Batches, recipe: Recipe, folder: Path
) -> Training:
    """Statistics of the pretrain split, and the arithmetic to train in."""
    counted = batches.ids[:: max(1, len(batches.ids) // FOR_STATISTICS)]
    pretext.prepare(in_order(batches.images, counted, size=batches.size, device=batches.device))
    if recipe.epochs == 0:
        return Training("32-true", channels_last=False)
    if recipe.precision != "auto":
        return Training(recipe.precision, channels_last=batches.device == "cuda")

    def loss(network: nn.Module, way: Arithmetic) -> Tensor:
        terms = pretext.losses(network, *(part[:FOR_TIMING] for part in batches.at(0, way.layout)))
        return torch.stack(list(terms.values())).sum()

    # A critic's batch statistics move while arithmetics are compared, as the model's do.
    before = {name: value.clone() for name, value in pretext.state_dict().items()}
    way = remembered(
        folder / "arithmetic.json", lambda: choose_arithmetic(model, loss, device=batches.device)
    )
    pretext.load_state_dict(before)
    return Training(**asdict(way))
