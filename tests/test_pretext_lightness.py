"""ab -> L with a real convolution: values by hand, decoding, refusals."""

import math

import pytest
import torch
from torch import nn

from models.color import network_input, rgb_to_lab
from models.outputs import LightnessBins, Regression
from models.pretext.lightness import Lightness

DRAWS = torch.empty(2, 0)


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(out_channels: int, stride: int = 1) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(2, out_channels, 3, padding=1, stride=stride)


def constant(values: list[float], stride: int = 1) -> nn.Conv2d:
    model = network(len(values), stride)
    nn.init.zeros_(model.weight)
    model.bias.data = torch.tensor(values)
    return model


def test_defaults():
    pretext = Lightness()
    assert (pretext.inputs, pretext.in_channels, pretext.out_channels) == ("ab/110", 2, 1)
    assert (pretext.label_free, pretext.n_draws, pretext.terms) == (True, 0, {"smooth_l1": 1.0})
    images, model = pictures(), network(1)
    target = rgb_to_lab(images)[:, :1] / 50 - 1
    predicted = model(network_input(images, "ab/110")).tanh()
    expected = nn.functional.smooth_l1_loss(predicted, target)
    torch.testing.assert_close(pretext.losses(model, images, DRAWS)["smooth_l1"], expected)
    pretext.prepare([])


@pytest.mark.parametrize(
    ("kind", "expected"), [("l1", 0.75), ("l2", 0.5625), ("smooth_l1", 0.28125)]
)
def test_white_pictures_by_hand(kind, expected):
    # White is L/50 - 1 = 1, and the model says 0.25.
    pretext = Lightness(Regression(1, 50, None, offset=50), {kind: 3})
    losses = pretext.losses(constant([0.25]), torch.ones(2, 3, 8, 8), DRAWS)
    assert losses[kind].item() == pytest.approx(3 * expected, rel=1e-4)


def test_cross_entropy_of_black_pictures_by_hand():
    pretext = Lightness(LightnessBins())
    assert (pretext.out_channels, pretext.terms) == (50, {"cross_entropy": 1.0})
    losses = pretext.losses(constant([2.0] + [0.0] * 49), torch.zeros(2, 3, 8, 8), DRAWS)
    expected = math.log(49 + math.exp(2)) - 2
    assert losses["cross_entropy"].item() == pytest.approx(expected, rel=1e-5)


def test_terms_add_and_have_finite_gradients():
    model = network(50, stride=2)
    pretext = Lightness(LightnessBins(), {"l1": 1.0, "cross_entropy": 0.1})
    losses = pretext.losses(model, pictures(), DRAWS)
    alone = Lightness(LightnessBins()).losses(model, pictures(), DRAWS)["cross_entropy"]
    torch.testing.assert_close(losses["cross_entropy"], 0.1 * alone)
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in model.parameters())


def test_targets_shrink_to_a_smaller_map():
    images = pictures()
    pretext = Lightness(losses={"l2": 1.0})
    loss = pretext.losses(constant([0.0], stride=4), images, DRAWS)["l2"]
    lightness = rgb_to_lab(images)[:, 0].view(2, 2, 4, 2, 4).mean(dim=(2, 4)) / 50 - 1
    torch.testing.assert_close(loss, lightness.square().mean())


@torch.no_grad()
def test_decode_has_the_predicted_lightness_and_the_true_ab():
    images = 0.4 + 0.1 * pictures()
    decoded = Lightness().decode(constant([0.0], stride=2), images)
    lab = rgb_to_lab(decoded)
    torch.testing.assert_close(lab[:, :1], torch.full_like(lab[:, :1], 50), atol=0.01, rtol=0)
    torch.testing.assert_close(lab[:, 1:], rgb_to_lab(images)[:, 1:], atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"losses": {"cross_entropy": 1.0}}, "needs classes"),
        ({"losses": {"lpips": 1.0}}, "unknown loss term"),
        ({"inputs": "L/50-1"}, "show the lightness"),
        ({"inputs": "ab/110,gray[0,1]"}, "show the lightness"),
        ({"output": Regression(2, 110)}, "1 channel"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(ValueError, match=message):
        Lightness(**settings)
