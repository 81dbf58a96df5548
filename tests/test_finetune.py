import copy
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from probes.finetune import Finetune


class _Pretrained(nn.Module):
    """A copy of a pretrained encoder and a new head."""

    def __init__(self, encoder, n_classes):
        super().__init__()
        self.encoder = copy.deepcopy(encoder)
        self.head = nn.Linear(4, n_classes)

    def forward(self, images):
        return self.head(self.encoder(images).mean((2, 3)))


def _pictures():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (12, 6, 6, 3), dtype=np.uint8), np.arange(12) % 3


def test_encoder_starts_from_the_given_weights_and_learns_slowly():
    encoder = nn.Conv2d(3, 4, 3)
    before = copy.deepcopy(encoder.state_dict())
    probe = Finetune(
        network=partial(_Pretrained, encoder), steps=1, batch_size=64, weight_decay=0.0, lr=1e-2
    )
    network = probe.fit(*_pictures(), 0).classifier_.classifier_.network_
    moved = (network.encoder.weight - before["weight"]).abs().max().item()
    # One warm-up step of two: half the rate, a tenth of it in the encoder.
    assert moved == pytest.approx(0.5 * 1e-2 * 0.1, rel=0.05)
    assert torch.equal(encoder.weight, before["weight"])


def test_a_network_that_is_partly_frozen_is_refused():
    encoder = nn.Conv2d(3, 4, 3).requires_grad_(False)
    with pytest.raises(ValueError, match="2 are frozen"):
        Finetune(network=partial(_Pretrained, encoder), steps=1).fit(*_pictures(), 0)


def test_a_network_without_encoder_is_refused():
    def bare(n_classes):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, n_classes))

    with pytest.raises(ValueError, match="attribute `encoder`"):
        Finetune(network=bare, steps=1).fit(*_pictures(), 0)
