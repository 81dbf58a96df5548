"""Colorization with a real convolution: values by hand, terms, gradients, refusals."""

import math

import pytest
import torch
from torch import nn

from models.color import lab_to_rgb, network_input, rgb_to_lab
from models.losses import Lpips
from models.outputs import ColorBins, Regression
from models.pretext.colorization import Colorization

DRAWS = torch.empty(2, 0)


def pictures(size: int = 16) -> torch.Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def network(out_channels: int, stride: int = 1) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(1, out_channels, 3, padding=1, stride=stride)


def constant(values: list[float], stride: int = 1) -> nn.Conv2d:
    """A convolution that answers the same everywhere."""
    model = network(len(values), stride)
    nn.init.zeros_(model.weight)
    model.bias.data = torch.tensor(values)
    return model


def gray_pictures() -> torch.Tensor:
    return torch.full((2, 3, 16, 16), 0.4)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("l1", (0.5 + 1.5) / 2), ("l2", (0.25 + 2.25) / 2), ("smooth_l1", (0.125 + 1.0) / 2)],
)
def test_pixel_terms_on_gray_pictures_by_hand(kind, expected):
    pretext = Colorization(Regression(2, 110, bound=None), {kind: 2.0})
    losses = pretext.losses(constant([0.5, -1.5]), gray_pictures(), DRAWS)
    assert list(losses) == [kind]
    assert losses[kind].item() == pytest.approx(2 * expected, rel=1e-3)


def test_units_do_not_depend_on_the_scale_of_the_output():
    images, model = pictures(), constant([0.1, 0.2])
    first = Colorization(Regression(2, 110, bound=None)).losses(model, images, DRAWS)
    model.bias.data *= 110
    second = Colorization(Regression(2, 1, bound=None)).losses(model, images, DRAWS)
    torch.testing.assert_close(first, second)


def test_default_is_bounded_smooth_l1():
    pretext = Colorization()
    assert (pretext.inputs, pretext.in_channels, pretext.out_channels) == ("L/50-1", 1, 2)
    assert (pretext.label_free, pretext.n_draws, pretext.terms) == (True, 0, {"smooth_l1": 1.0})
    images, model = pictures(), network(2)
    target = rgb_to_lab(images)[:, 1:] / 110
    predicted = model(network_input(images, "L/50-1")).tanh()
    expected = nn.functional.smooth_l1_loss(predicted, target)
    torch.testing.assert_close(pretext.losses(model, images, DRAWS)["smooth_l1"], expected)


@pytest.mark.parametrize("soft", [False, True])
def test_cross_entropy_of_gray_pictures_by_hand(soft):
    pretext = Colorization(ColorBins(soft))
    assert pretext.terms == {"cross_entropy": 1.0}
    losses = pretext.losses(constant([0.0] * 313), gray_pictures(), DRAWS)
    assert losses["cross_entropy"].item() == pytest.approx(math.log(313), rel=1e-5)
    if not soft:
        logits = [0.0] * 313
        logits[pretext.output.bins.centers.tolist().index([0, 0])] = 3.0
        loss = pretext.losses(constant(logits), gray_pictures(), DRAWS)["cross_entropy"]
        assert loss.item() == pytest.approx(math.log(312 + math.exp(3)) - 3, rel=1e-5)


def test_all_terms_are_weighted_and_have_finite_gradients():
    names = ("l1", "l2", "smooth_l1", "lpips", "cross_entropy")
    lpips, images, model = Lpips(weights="random"), pictures(), network(313)
    single = {}
    for name in names:
        given = lpips if name == "lpips" else None
        pretext = Colorization(ColorBins(), {name: 1.0}, lpips=given)
        single |= pretext.losses(model, images, DRAWS)
    pretext = Colorization(ColorBins(), dict.fromkeys(names, 0.5), lpips=lpips)
    losses = pretext.losses(model, images, DRAWS)
    torch.testing.assert_close(losses, {name: 0.5 * single[name] for name in names})
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in model.parameters())


def test_lpips_compares_pictures_of_true_lightness_and_predicted_ab():
    lpips, images = Lpips(weights="random"), pictures(64)
    pretext = Colorization(losses={"lpips": 1.0}, lpips=lpips)
    model = constant([0.0, 0.0], stride=4)
    lab = rgb_to_lab(images)
    gray = lab_to_rgb(torch.cat((lab[:, :1], torch.zeros_like(lab[:, 1:])), dim=1))
    losses = pretext.losses(model, images, DRAWS)
    torch.testing.assert_close(losses["lpips"], lpips(gray, images))
    torch.testing.assert_close(pretext.decode(model, images), gray)


def test_targets_shrink_to_a_smaller_map():
    images = pictures()
    pretext = Colorization(losses={"l2": 1.0})
    loss = pretext.losses(constant([0.0, 0.0], stride=4), images, DRAWS)["l2"]
    ab = rgb_to_lab(images)[:, 1:].view(2, 2, 4, 4, 4, 4).mean(dim=(3, 5)) / 110
    torch.testing.assert_close(loss, ab.square().mean())


@torch.no_grad()
def test_decode_keeps_lightness_and_size():
    images = pictures() * 0.3 + 0.35
    pretext = Colorization()
    decoded = pretext.decode(constant([0.05, -0.05], stride=4), images)
    assert decoded.shape == images.shape
    expected = torch.tensor([0.05, -0.05]).tanh() * 110
    lab = rgb_to_lab(decoded)
    torch.testing.assert_close(lab[:, :1], rgb_to_lab(images)[:, :1], atol=0.01, rtol=0)
    torch.testing.assert_close(lab.mean(dim=(0, 2, 3))[1:], expected, atol=0.01, rtol=0)


def test_prepare_uses_the_given_images():
    pretext = Colorization(ColorBins(soft=True, rebalance=0.5))
    with pytest.raises(ValueError, match="call prepare"):
        pretext.losses(network(313), pictures(), DRAWS)
    pretext.prepare([gray_pictures(), pictures()])
    bins = pretext.output.bins
    prior = bins.prior(rgb_to_lab(torch.cat((gray_pictures(), pictures())))[:, 1:])
    torch.testing.assert_close(pretext.output.weights, bins.rebalancing_weights(prior, 0.5))
    assert list(pretext.state_dict()) == ["output.weights"]
    Colorization().prepare([pictures()])


def test_lpips_decides_whether_it_is_label_free_and_is_not_saved():
    lpips = Lpips(weights="random")
    pretext = Colorization(losses={"l1": 1, "lpips": 1}, lpips=lpips)
    assert pretext.label_free
    assert not pretext.state_dict()
    assert not list(pretext.parameters())
    lpips.label_free = False
    assert not Colorization(losses={"lpips": 1}, lpips=lpips).label_free


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"losses": {"cross_entropy": 1.0}}, "needs classes"),
        ({"losses": {"lpips": 1.0}}, "lpips=Lpips"),
        ({"losses": {"l3": 1.0}}, "unknown loss term"),
        ({"losses": {}}, "at least one"),
        ({"inputs": "rgb[0,1]"}, "show the colour"),
        ({"inputs": "L/50-1,ab/110"}, "show the colour"),
        ({"output": Regression(3, 1)}, "2 channels"),
    ],
)
def test_refusals(settings, message):
    with pytest.raises(ValueError, match=message):
        Colorization(**settings)


def test_mixed_precision_keeps_colours_and_losses_in_float32():
    images, model = pictures(), network(313)
    lpips = Lpips(weights="random")
    pretext = Colorization(ColorBins(), {"cross_entropy": 1, "l1": 1, "lpips": 1}, lpips=lpips)
    exact, decoded = pretext.losses(model, images, DRAWS), pretext.decode(model, images)
    with torch.autocast("cpu", torch.bfloat16):
        assert model(network_input(images, pretext.inputs)).dtype == torch.bfloat16
        mixed = pretext.losses(model, images, DRAWS)
        assert pretext.decode(model, images).dtype == torch.float32
        torch.testing.assert_close(pretext.decode(model, images), decoded, atol=0.02, rtol=0)
    torch.testing.assert_close(mixed, exact, atol=1e-3, rtol=1e-2)
