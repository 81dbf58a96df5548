"""An untrained network gets the batch statistics of real images in all of its layers."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.batches import Batches
from benchmarks.settle import settle_statistics
from models.alexnet import HalfAlexNet
from models.color import network_input
from models.encoder import Encoder
from models.unet import UNet

MAKE = {
    "unet": lambda: UNet(1, 2, width=4, depth=4),
    "alexnet": lambda: HalfAlexNet(1, 2, stride=1, fc_width=8, width=0.1),
}


def batches() -> Batches:
    images = np.random.default_rng(0).integers(0, 256, (48, 32, 32, 3), dtype=np.uint8)
    return Batches(
        images, np.arange(48), size=16, seed=1, n_draws=0, flip=False, device="cpu", pixels=None
    )


def layers(model: nn.Module) -> dict[str, nn.BatchNorm2d]:
    return {name: m for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}


def settled(name: str) -> nn.Module:
    torch.manual_seed(0)
    model = MAKE[name]()
    settle_statistics(model, "L/50-1", batches())
    return model


@pytest.mark.parametrize("name", MAKE)
def test_every_layer_has_seen_every_batch_and_weights_are_as_they_were(name):
    model = settled(name)
    assert layers(model) and all(int(m.num_batches_tracked) == 3 for m in layers(model).values())
    assert all(m.momentum == 0.1 for m in layers(model).values())
    torch.manual_seed(0)
    fresh = dict(MAKE[name]().named_parameters())
    assert all(torch.equal(value, fresh[key]) for key, value in model.named_parameters())


@pytest.mark.parametrize("name", MAKE)
def test_statistics_are_plain_means_of_what_a_layer_is_given(name):
    """Against a hook on the last layer that every method has: its inputs, batch by batch."""
    torch.manual_seed(0)
    model, seen = MAKE[name]().train(), []
    last = list(layers(model).values())[-1]
    last.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        for step in range(3):
            model(network_input(batches().at(step)[0], "L/50-1"))
    found = list(layers(settled(name)).values())[-1]
    means = torch.stack([x.mean((0, 2, 3)) for x in seen]).mean(0)
    variances = torch.stack([x.var((0, 2, 3)) for x in seen]).mean(0)
    assert torch.allclose(found.running_mean, means, atol=1e-5)
    assert torch.allclose(found.running_var, variances, rtol=1e-4)


@pytest.mark.parametrize("name", MAKE)
def test_it_is_repeatable_and_leaves_random_numbers_alone(name):
    torch.manual_seed(5)
    expected = torch.rand(3)
    first = settled(name).state_dict()
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), expected)
    second = settled(name).state_dict()
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_the_encoder_has_the_statistics_that_it_has_alone():
    model = settled("unet")
    torch.manual_seed(0)
    alone = MAKE["unet"]()
    for layer in layers(alone).values():
        layer.reset_running_stats()
        layer.momentum = None
    encoder = Encoder(alone, "L/50-1").train()
    with torch.no_grad():
        for step in range(3):
            encoder(batches().at(step)[0])
    reached = [n for n, m in layers(alone).items() if int(m.num_batches_tracked)]
    assert reached
    for name in reached:
        assert torch.equal(layers(model)[name].running_var, layers(alone)[name].running_var)
