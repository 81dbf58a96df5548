"""Floating-point operations of training and of reading an encoder, counted on real images."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.batches import Batches
from models.encoder import Encoder

FEW = 2  # images counted: batch statistics need more than one


def training_flops(model: nn.Module, pretext: Any, batches: Batches) -> float:
    """FLOPs an image of one update, forward and backward, those of a critic's turns included.

    Two a multiply-add of convolutions, matrix products and attention; nothing else is counted.
    Leaves weights, batch statistics and gradients as they were.
    """
    batch = [part[:FEW] for part in batches.at(0)]
    turns = getattr(pretext, "critic_turns", 0) if getattr(pretext, "critic", None) else 0
    counter = FlopCounterMode(display=False)
    training = pretext.training
    model.eval(), pretext.eval()
    with counter:
        for _ in range(turns):
            _backward(pretext.critic_losses(model, *batch))
        _backward(pretext.losses(model, *batch))
    pretext.train(training)
    for module in (model, pretext):
        module.zero_grad(set_to_none=True)
    return counter.get_total_flops() / len(batch[0])


def encoding_flops(encoder: Encoder, batches: Batches) -> float:
    """FLOPs of reading all taps of one image; what only the decoder needs does not run."""
    images = batches.at(0)[0][:1]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        encoder.eval()(images)
    return float(counter.get_total_flops())


def _backward(losses: dict[str, Tensor]) -> None:
    torch.stack(list(losses.values())).sum().backward()
