"""Batch statistics for a network that is not trained."""

import torch
from torch import nn

from benchmarks.batches import Batches
from models.color import network_input

BATCHES = 100


def settle_statistics(model: nn.Module, inputs: str, batches: Batches) -> None:
    """Give an untrained model the batch statistics of real images; its weights stay random.

    Without them its normalisation layers would pass raw activations, and "untrained" would be a
    weaker control than it should be, to probes and as a colorizer. They are plain means over one
    pass of at most 100 batches through the whole network.
    """
    model.train()
    layers = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # torch's way to ask for a cumulative mean
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(batches.seed)  # of dropout, which stands before layers of a decoder
        for step in range(min(BATCHES, batches.per_epoch)):
            model(network_input(batches.at(step)[0], inputs))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
