import pytest
import torch
from torch import nn

from models.alexnet import HalfAlexNet
from models.whole_alexnet import whole_alexnet

CONVS = ("conv1", "conv2", "conv3", "conv4", "conv5")


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("inputs", "outputs"), [(1, 313), (2, 50), (3, 3)])
def test_parameters_are_those_of_an_ungrouped_alexnet(inputs, outputs):
    with torch.device("meta"):
        model = whole_alexnet(inputs, outputs)
    # Filters x (inputs x side x side + bias), layer by layer.
    convs = [
        96 * (inputs * 11 * 11 + 1), 256 * (96 * 5 * 5 + 1), 384 * (256 * 3 * 3 + 1),
        384 * (384 * 3 * 3 + 1), 256 * (384 * 3 * 3 + 1),
    ]  # fmt: skip
    assert [count(model.get_submodule(name)) for name in CONVS] == convs
    top = 4096 * (256 * 6 * 6 + 1) + 4096 * (4096 + 1) + outputs * (4096 + 1)
    assert count(model) == sum(convs) + top


def test_a_tap_has_the_channels_of_both_halves_whatever_the_dials():
    for dials in ({}, {"stride": 2, "fc_width": 16, "width": 0.25}):
        with torch.device("meta"):
            whole, half = whole_alexnet(1, 5, **dials), HalfAlexNet(1, 5, **dials)
        assert whole.channels == {tap: 2 * n for tap, n in half.channels.items()}
        assert whole.fc7[0].out_channels == 2 * half.fc7[0].out_channels
        assert whole.conv1[0].stride == half.conv1[0].stride


def test_there_are_no_groups():
    model = whole_alexnet(1, 5, stride=2, fc_width=4, width=0.05)
    layers = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert len(layers) == 8 and all(layer.groups == 1 for layer in layers)
    assert model(torch.randn(2, 1, 16, 16)).shape == (2, 5, 2, 2)
