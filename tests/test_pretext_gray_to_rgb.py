"""The distortions against torchvision, image by image, and the terms by hand."""

import pytest
import torch
from torch import nn
from torchvision.transforms.v2 import RandomPhotometricDistort
from torchvision.transforms.v2 import functional as reference

from models.color import gray, rgb_to_lab
from models.losses import Lpips
from models.pretext.gray_to_rgb import (
    GrayToRgb,
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    distorted,
    permute_channels,
    sharpened,
)

N = 64


def pictures(n: int = 6, size: int = 9) -> torch.Tensor:
    images = torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(0))
    # Gray, black, white and saturated pixels, where hue is undefined or at a seam.
    images[:, :, 0, :3] = torch.tensor([0.0, 0.3, 1.0])
    images[:, :, 0, 3:6] = torch.eye(3)
    images[:, :, 0, 6:9] = 1 - torch.eye(3)
    return images


def uniform(n: int, k: int) -> torch.Tensor:
    return torch.rand(n, k, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("ours", "theirs", "low", "high"),
    [
        (adjust_brightness, reference.adjust_brightness, 0.5, 1.5),
        (adjust_contrast, reference.adjust_contrast, 0.5, 1.5),
        (adjust_saturation, reference.adjust_saturation, 0.5, 1.5),
        (adjust_hue, reference.adjust_hue, -0.5, 0.5),
    ],
)
def test_each_adjustment_against_torchvision(ours, theirs, low, high):
    images = pictures()
    factors = low + (high - low) * uniform(len(images), 1)[:, 0]
    found = ours(images, factors.view(-1, 1, 1, 1))
    for image, factor, result in zip(images, factors.tolist(), found, strict=True):
        torch.testing.assert_close(result, theirs(image, factor), atol=2e-6, rtol=0)
        assert not torch.allclose(result, image, atol=1e-3)


def test_sharpening_and_permutation_against_torchvision():
    images = pictures()
    orders = uniform(len(images), 3).argsort(1)
    permuted = permute_channels(images, orders)
    for image, order, result, sharp in zip(
        images, orders, permuted, sharpened(images), strict=True
    ):
        assert torch.equal(result, reference.permute_channels(image, order.tolist()))
        torch.testing.assert_close(sharp, reference.adjust_sharpness(image, 2.0), atol=2e-6, rtol=0)


def torchvision_distorted(image: torch.Tensor, draws: list[float]) -> torch.Tensor:
    """One image through torchvision's own transform, its parameters read from our draws."""
    transform = RandomPhotometricDistort()
    ranges = {"brightness": (0.875, 1.125), "contrast": (0.5, 1.5)}
    ranges |= {"saturation": (0.5, 1.5), "hue": (-0.05, 0.05)}
    params: dict[str, object] = {}
    for i, (name, (low, high)) in enumerate(ranges.items()):
        assert getattr(transform, name) == (low, high)
        on, amount = draws[2 * i : 2 * i + 2]
        params[f"{name}_factor"] = low + (high - low) * amount if on < 0.5 else None
    params["contrast_before"] = draws[8] < 0.5
    order = torch.tensor(draws[10:13]).argsort()
    params["channel_permutation"] = order if draws[9] < 0.5 else None
    image = transform.transform(image, params)
    image = reference.adjust_sharpness(image, 2.0) if draws[13] < 0.5 else image
    return reference.invert(image) if draws[14] < 0.5 else image


def test_the_whole_chain_against_torchvision():
    images, draws = pictures(N), uniform(N, 15)
    found = distorted(images, draws)
    for image, numbers, result in zip(images, draws.tolist(), found, strict=True):
        expected = torchvision_distorted(image, numbers)
        torch.testing.assert_close(result, expected, atol=2e-5, rtol=0)
    assert found.min() >= 0
    assert found.max() <= 1


def test_nothing_happens_when_every_coin_says_no():
    draws = torch.full((6, 15), 0.9)
    assert torch.equal(distorted(pictures(), draws), pictures())


def network(stride: int = 1) -> nn.Conv2d:
    torch.manual_seed(0)
    return nn.Conv2d(1, 3, 3, padding=1, stride=stride)


def test_terms_by_hand():
    model = network()
    nn.init.zeros_(model.weight)
    nn.init.zeros_(model.bias)
    white = torch.ones(2, 3, 64, 64)
    lpips = Lpips(weights="random")
    pretext = GrayToRgb(lpips=lpips, distort=False)
    losses = pretext.losses(model, white, torch.empty(2, 0))
    # The target is 1 in [-1, 1] and the prediction 0.
    assert losses["smooth_l1"].item() == pytest.approx(0.5)
    torch.testing.assert_close(losses["lpips"], lpips(white * 0.5, white))
    half = GrayToRgb({"smooth_l1": 0.5, "lpips": 2}, lpips, distort=False)
    weighted = half.losses(model, white, torch.empty(2, 0))
    torch.testing.assert_close(weighted["smooth_l1"], 0.5 * losses["smooth_l1"])
    torch.testing.assert_close(weighted["lpips"], 2 * losses["lpips"])


def test_input_is_distorted_and_target_is_clean():
    images, draws, model = pictures(), uniform(6, 15), network()
    losses = GrayToRgb({"l2": 1}).losses(model, images, draws)
    predicted = model(gray(distorted(images, draws)) * 2 - 1).tanh()
    torch.testing.assert_close(losses["l2"], (predicted - (images * 2 - 1)).square().mean())
    plain = GrayToRgb({"l2": 1}, distort=False).losses(model, images, torch.empty(6, 0))
    assert not torch.allclose(plain["l2"], losses["l2"])


def test_decode_sees_the_clean_image_and_keeps_its_size():
    images, model = pictures(), network()
    decoded = GrayToRgb({"l1": 1}).decode(model, images)
    torch.testing.assert_close(decoded, model(gray(images) * 2 - 1).tanh() / 2 + 0.5)
    assert GrayToRgb({"l1": 1}).decode(network(3), images).shape == images.shape


def test_gradients_are_finite_and_small_maps_work():
    model = network(stride=3)
    pretext = GrayToRgb(lpips=Lpips(weights="random"))
    sum(pretext.losses(model, pictures(), uniform(6, 15)).values()).backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in model.parameters())


def test_facts_and_refusals():
    pretext = GrayToRgb({"l1": 1})
    pretext.prepare([])
    assert (pretext.inputs, pretext.in_channels, pretext.out_channels) == ("gray[-1,1]", 1, 3)
    assert (pretext.n_draws, GrayToRgb({"l1": 1}, distort=False).n_draws) == (15, 0)
    assert pretext.label_free
    lpips = Lpips(weights="random")
    lpips.label_free = False
    assert not GrayToRgb(lpips=lpips).label_free
    with pytest.raises(ValueError, match="lpips=Lpips"):
        GrayToRgb()
    with pytest.raises(ValueError, match="show the colour"):
        GrayToRgb({"l1": 1}, inputs="rgb[0,1]")


@torch.no_grad()
def test_true_lightness_keeps_the_input_and_takes_only_the_colour():
    images = 0.25 + 0.5 * torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    model = nn.Conv2d(1, 3, 1)
    nn.init.zeros_(model.weight)
    model.bias.data = torch.tensor([0.2, 0.0, -0.2])  # one warm tone everywhere
    plain = rgb_to_lab(GrayToRgb({"l2": 1.0}).decode(model, images))
    kept = rgb_to_lab(GrayToRgb({"l2": 1.0}, true_lightness=True).decode(model, images))
    torch.testing.assert_close(kept[:, :1], rgb_to_lab(images)[:, :1], atol=0.05, rtol=0)
    torch.testing.assert_close(kept[:, 1:], plain[:, 1:], atol=0.05, rtol=0)
    assert plain[:, :1].std() < 1e-3 < kept[:, :1].std()
