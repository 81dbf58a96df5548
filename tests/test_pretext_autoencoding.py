"""Reproduction of the input: what it sees, what it is compared with, what it shows."""

import pytest
import torch
from torch import nn

from models.color import input_channels, network_input, rgb_to_lab
from models.pretext.autoencoding import Autoencoding, dropped

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


@torch.no_grad()
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
    for share in (-0.1, 1.0):
        with pytest.raises(ValueError, match="expected drop in"):
            Autoencoding(drop=share)


def test_drop_hides_half_of_the_input_and_keeps_the_target_whole():
    pretext, images, shown = Autoencoding("L/50-1,ab/110", loss="l2", drop=0.5), pictures(32), []
    model = network(3)
    model.register_forward_pre_hook(lambda _model, args: shown.append(args[0]))
    draws = torch.tensor([[0.25], [0.75]])
    assert pretext.n_draws == 1
    found = pretext.losses(model, images, draws)["l2"]
    x = network_input(images, "L/50-1,ab/110")
    torch.testing.assert_close(found, (model(shown[0]).tanh() - x).square().mean())
    hidden = shown[0] == 0
    # 3 x 1,024 coins a picture: a share of 0.5 has a standard deviation of 0.009.
    assert ((hidden.flatten(1).float().mean(1) - 0.5).abs() < 0.04).all()
    assert torch.equal(shown[0][~hidden], 2 * x[~hidden])


def test_decode_sees_everything_with_drop_too():
    model, images = network(3), pictures()
    plain, dropping = Autoencoding(INPUTS[1]), Autoencoding(INPUTS[1], drop=0.5)
    assert torch.equal(plain.decode(model, images), dropping.decode(model, images))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_dropped_values_are_like_independent_coins(share):
    draws = torch.arange(64) / 2**24  # neighbours among all draws that a sample can have
    kept = dropped(torch.ones(64, 3, 16, 16), draws, share=share)
    torch.testing.assert_close(kept.unique(), torch.tensor([0, 1 / (1 - share)]))
    coins = (kept == 0).float().flatten(1)
    n, spread = coins.numel(), (share * (1 - share)) ** 0.5
    assert abs(coins.mean() - share) < 5 * spread / n**0.5
    places = (share * (1 - share) / len(coins)) ** 0.5
    assert (coins.mean(0) - share).abs().max() < 6 * places, "no place is favoured"
    centred = (coins - share) / spread
    for lag in (1, 16, 256):
        assert abs((centred[:, lag:] * centred[:, :-lag]).mean()) < 5 / n**0.5
    between = centred @ centred.T / centred.shape[1]
    assert (between - torch.diag(between.diagonal())).abs().max() < 6 / centred.shape[1] ** 0.5


def test_what_is_dropped_follows_from_the_draw_alone():
    x, draws = torch.rand(4, 3, 8, 8) + 1, torch.tensor([0.1, 0.7, 0.1, 0.3])
    first = dropped(x, draws, share=0.5)
    assert torch.equal(first[2:], dropped(x[2:], draws[2:], share=0.5)), "not from the batch"
    assert torch.equal(first[0] == 0, first[2] == 0) and not torch.equal(
        first[0] == 0, first[1] == 0
    )
    last = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(first, dropped(last, draws, share=0.5)), "not from the layout"
