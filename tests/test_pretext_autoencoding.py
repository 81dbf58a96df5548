"""Reproduction of the input: what it sees, what it is compared with, what it shows."""

import pytest
import torch
from torch import nn

from models.color import input_channels, network_input, rgb_to_lab
from models.pretext.autoencoding import Autoencoding

DRAWS = torch.empty(2, 0)
INPUTS = ("L/50-1", "L/50-1,ab/110", "rgb[-1,1]")


def pictures(size: int = 8) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def network(channels: int, stride: int = 1) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(channels, channels, 3, padding=1, stride=stride)


def nearly_perfect(channels: int) -> nn.Conv2d:
    """A convolution that copies small inputs: tanh(x) is about x there."""
    model = nn.Conv2d(channels, channels, 1, bias=False)
    model.weight.data = torch.eye(channels)[:, :, None, None]
    return model


@pytest.mark.parametrize("inputs", INPUTS)
def test_loss_compares_with_the_input_itself(inputs):
    pretext, images = Autoencoding(inputs), pictures()
    assert pretext.in_channels == pretext.out_channels == input_channels(inputs)
    model = network(pretext.in_channels)
    losses = pretext.losses(model, images, DRAWS)
    x = network_input(images, inputs)
    expected = nn.functional.smooth_l1_loss(model(x).tanh(), x)
    torch.testing.assert_close(losses, {"smooth_l1": expected})
    losses["smooth_l1"].backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in model.parameters())


def test_white_by_hand():
    model = nn.Conv2d(3, 3, 1)
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    pretext = Autoencoding("rgb[-1,1]", loss="l1")
    assert pretext.losses(model, torch.ones(2, 3, 8, 8), DRAWS)["l1"].item() == 1


def test_small_maps_are_compared_with_area_means():
    images = pictures()
    model = network(3, stride=4)
    found = Autoencoding("rgb[-1,1]", loss="l2").losses(model, images, DRAWS)["l2"]
    target = (images * 2 - 1).view(2, 3, 2, 4, 2, 4).mean(dim=(3, 5))
    torch.testing.assert_close(found, (model(images * 2 - 1).tanh() - target).square().mean())


@pytest.mark.parametrize("inputs", INPUTS[1:])
def test_decode_shows_what_was_copied(inputs):
    images = 0.46 + 0.01 * pictures()
    pretext = Autoencoding(inputs)
    decoded = pretext.decode(nearly_perfect(3), images)
    torch.testing.assert_close(decoded, images, atol=2e-3, rtol=0)


def test_decode_is_gray_where_only_lightness_is_seen():
    images = 0.46 + 0.02 * pictures()
    decoded = Autoencoding().decode(nearly_perfect(1), images)
    lab = rgb_to_lab(decoded)
    assert lab[:, 1:].abs().max() < 0.05
    torch.testing.assert_close(lab[:, :1], rgb_to_lab(images)[:, :1], atol=0.1, rtol=0)


def test_decode_enlarges():
    assert Autoencoding().decode(network(1, stride=4), pictures()).shape == (2, 3, 8, 8)


def test_facts_and_refusals():
    pretext = Autoencoding()
    pretext.prepare([])
    assert (pretext.label_free, pretext.n_draws, pretext.inputs) == (True, 0, "L/50-1")
    with pytest.raises(ValueError, match="cannot autoencode"):
        Autoencoding("gray[0,1]")
    with pytest.raises(ValueError, match="unknown loss term"):
        Autoencoding(loss="lpips")
