"""FLOPs are those of the layers by hand, and counting them leaves no trace."""

from functools import partial

import numpy as np
import pytest
import torch

from benchmarks.batches import Batches
from benchmarks.flops import encoding_flops, training_flops
from models.block_autoencoder import BlockAutoencoder
from models.encoder import Encoder
from models.patchgan import PatchGan
from models.pretext.adversarial import Adversarial
from models.pretext.colorization import Colorization
from models.unet import UNet


def batches(side, pretext):
    images = np.random.default_rng(0).integers(0, 256, (4, side, side, 3), dtype=np.uint8)
    return Batches(images, np.arange(4), size=4, seed=0, n_draws=pretext.n_draws,
                   flip=False, device="cpu")  # fmt: skip


def autoencoder():
    torch.manual_seed(0)
    return BlockAutoencoder(1, 2, block_channels=(32, 64, 64))


def colorization():
    return Colorization(losses={"l2": 1.0})


def test_convolutions_are_counted_as_by_hand():
    pretext = colorization()

    class Two(torch.nn.Module):
        taps, bottleneck, channels = ("a",), "a", {"a": 8}

        def __init__(self):
            super().__init__()
            self.first = torch.nn.Conv2d(1, 8, 3, padding=1)
            self.last = torch.nn.Conv2d(8, 2, 1)

        def encode(self, x):
            return {"a": self.first(x)}

        def forward(self, x):
            return self.last(self.encode(x)["a"])

    first, last = 2 * 1 * 8 * 9 * 16 * 16, 2 * 8 * 2 * 16 * 16
    at = batches(16, pretext)
    assert encoding_flops(Encoder(Two(), "L/50-1"), at) == first
    # Backward: gradients of both layers' weights, and of the last one's input alone.
    assert training_flops(Two(), pretext, at) == 2 * first + 3 * last


def test_the_block_autoencoder_costs_what_its_layers_do():
    """0.79 and 2.4 GFLOP forward at 64 px, from a sum over layers on paper; training is 3 x."""
    at, model = batches(64, colorization()), autoencoder()
    assert encoding_flops(Encoder(model, "L/50-1"), at) == pytest.approx(0.79e9, rel=0.02)
    assert training_flops(model, colorization(), at) == pytest.approx(3 * 2.4e9, rel=0.03)


def test_a_critic_is_counted_turn_by_turn():
    def flops(turns):
        pretext = Adversarial(
            colorization(), partial(PatchGan, patch=16, width=8), critic_turns=turns
        )
        torch.manual_seed(0)
        return training_flops(UNet(1, 2, width=4, depth=4), pretext, batches(32, pretext))

    one, two, three = flops(1), flops(2), flops(3)
    assert two - one == pytest.approx(three - two)
    assert two > one


def test_counting_leaves_no_trace():
    torch.manual_seed(0)
    model, pretext = UNet(1, 2, width=4, depth=4), colorization()
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    training_flops(model, pretext, batches(32, pretext))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
