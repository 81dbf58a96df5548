import math

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d
from torch import nn

from models.inception_block import Inception, glorot, same_conv, scaled


@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5])
def test_padding_is_keras_same_for_odd_and_even_kernels(kernel):
    torch.manual_seed(0)
    layer, x = same_conv(1, 1, kernel), torch.randn(1, 1, 6, 7)
    conv = next(module for module in layer if isinstance(module, nn.Conv2d))
    # Keras pads by kernel - 1 in all, the smaller half first.
    before = (kernel - 1) // 2
    padded = np.pad(x[0, 0].numpy(), (before, kernel - 1 - before))
    expected = correlate2d(padded, conv.weight[0, 0].detach().numpy(), "valid") + conv.bias.item()
    assert expected.shape == (6, 7)
    np.testing.assert_allclose(layer(x)[0, 0].detach(), np.maximum(expected, 0), atol=1e-5)


def test_kernel_of_two_looks_down_and_right():
    layer = same_conv(1, 1, 2)
    conv = layer[-2]
    nn.init.ones_(conv.weight)
    nn.init.zeros_(conv.bias)
    x = torch.tensor([[1.0, 10.0], [100.0, 1000.0]]).view(1, 1, 2, 2)
    assert layer(x).view(-1).tolist() == [1111, 1010, 1100, 1000]


@pytest.mark.parametrize(("ones", "kernels"), [(True, (1, 2, 3, 5)), (False, (2, 3, 5))])
def test_inception_has_the_parameters_of_its_convolutions(ones, kernels):
    block = Inception(6, 4, (1, 2, 3, 5), ones=ones)
    branches = sum((6 * kernel**2 + 1) * 4 for kernel in kernels)
    join = (4 * len(kernels) * 9 + 1) * 16
    assert sum(parameter.numel() for parameter in block.parameters()) == branches + join
    assert block.channels == 16
    assert block(torch.randn(2, 6, 8, 4)).shape == (2, 16, 8, 4)


def test_inception_joins_its_branches_in_order():
    torch.manual_seed(0)
    block, x = Inception(2, 3, (1, 2, 2, 3)), torch.randn(1, 2, 5, 5)
    parts = [branch(x) for branch in block.branches]
    conv = block.join[0]
    for place, part in enumerate(parts):
        # Without its own weights, a part must not reach the output.
        assert part.shape == (1, 3, 5, 5)
        with torch.no_grad():
            kept = conv.weight.clone()
            conv.weight[:, 3 * place : 3 * place + 3] = 0
            without = block(x)
            others = torch.cat([p * (p is not part) for p in parts], dim=1)
            torch.testing.assert_close(without, block.join(others))
            conv.weight.copy_(kept)


def test_weights_are_glorots_uniform_and_biases_zero():
    torch.manual_seed(0)
    layers = {
        nn.Conv2d(8, 24, 3): (72, 216),
        nn.ConvTranspose2d(24, 8, 3): (72, 216),
        nn.Linear(40, 60): (40, 60),
    }
    for layer, (fan_in, fan_out) in layers.items():
        glorot(layer)
        limit = math.sqrt(6 / (fan_in + fan_out))
        assert layer.weight.abs().max().item() == pytest.approx(limit, rel=0.01)
        assert layer.weight.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.05)
        assert not layer.bias.any()


@pytest.mark.parametrize(("width", "expected"), [(1.0, 32), (0.5, 16), (0.33, 11), (0.01, 8)])
def test_widths_are_rounded_and_no_less_than_8(width, expected):
    assert scaled(32, width) == expected
