import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from models.picture_critic import PictureCritic


def small(in_channels: int = 3, **settings) -> PictureCritic:
    torch.manual_seed(0)
    return PictureCritic(in_channels, **({"width": 0.125} | settings))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def whole() -> PictureCritic:
    with torch.device("meta"):
        return PictureCritic()


def test_parameters_are_those_of_the_original():
    assert count(whole()) == 1_907_905


def test_layers_are_those_of_the_original():
    convs = [m for m in whole().modules() if isinstance(m, nn.Conv2d)]
    linears = [m for m in whole().modules() if isinstance(m, nn.Linear)]
    assert [(m.in_channels, m.out_channels, m.kernel_size[0], m.padding[0]) for m in convs] == [
        *((3, 32, 7, 0), (32, 32, 7, 0), (32, 64, 5, 0), (64, 64, 5, 0)),
        *((64, 128, 3, 0), (128, 128, 3, 0), (128, 256, 3, 0), (256, 256, 3, 0)),
    ]
    assert [(m.in_features, m.out_features) for m in linears] == [
        *((2 * 2 * 256, 512), (512, 128), (128, 16), (16, 1)),
    ]


def test_at_120_px_the_averaging_changes_nothing():
    critic, x = small(), torch.rand(2, 3, 120, 120)
    maps = critic.stages(x)
    assert maps.shape == (2, 32, 2, 2)
    by_hand = x
    for stage in critic.stages:
        for conv in (m for m in stage if isinstance(m, nn.Conv2d)):
            by_hand = F.conv2d(by_hand, conv.weight, conv.bias).clamp(min=0)
        by_hand = F.max_pool2d(by_hand, 2)
    y = by_hand.flatten(1)
    *hidden, last = [m for m in critic.dense if isinstance(m, nn.Linear)]
    for layer in hidden:
        y = (y @ layer.weight.T + layer.bias).clamp(min=0)
    torch.testing.assert_close(critic(x), y @ last.weight.T + last.bias)


@pytest.mark.parametrize(("size", "stages"), [(120, 4), (64, 3), (32, 2), (16, 1)])
def test_a_logit_for_each_picture_at_any_size(size, stages):
    critic = small(size=size)
    logits = critic(torch.rand(3, 3, size, size))
    assert logits.shape == (3, 1)
    assert len(critic.stages) == stages
    logits.sum().backward()
    assert all(p.grad is not None for p in critic.parameters())


@pytest.mark.parametrize(("size", "stages"), [(92, 4), (52, 3), (32, 2), (14, 1)])
def test_a_stage_is_kept_as_long_as_a_pixel_is_left(size, stages):
    """One pixel less, and the same stages would leave nothing: so one of them goes."""
    critic = small(size=size)
    assert len(critic.stages) == stages
    assert critic.stages(torch.rand(1, 3, size, size)).shape[-2:] == (1, 1)
    with pytest.raises(RuntimeError):
        critic.stages(torch.rand(1, 3, size - 1, size - 1))
    if stages > 1:
        assert len(small(size=size - 1).stages) == stages - 1


def test_larger_and_oblong_pictures_go_through():
    assert small(size=32)(torch.rand(2, 3, 50, 33)).shape == (2, 1)


def test_width_scales_all_layers_but_the_last():
    with torch.device("meta"):
        critic = PictureCritic(2, width=0.25)
    linears = [m for m in critic.modules() if isinstance(m, nn.Linear)]
    assert [m.in_features for m in linears] == [2 * 2 * 64, 128, 32, 16]
    assert linears[-1].out_features == 1


def test_it_learns_to_tell_bright_from_dark_with_unbounded_logits():
    critic = small(size=16, width=0.5)
    noise = torch.rand(8, 3, 16, 16)
    pictures, truth = torch.cat((noise, -noise)), torch.ones(16, 1)
    truth[8:] = 0
    solver = torch.optim.Adam(critic.parameters(), lr=3e-3)
    for _ in range(25):
        loss = F.binary_cross_entropy_with_logits(critic(pictures), truth)
        solver.zero_grad()
        loss.backward()
        solver.step()
    logits = critic(pictures)
    assert ((logits > 0) == truth.bool()).all()
    assert logits.max() > 1 and logits.min() < 0, "no sigmoid"


def test_initial_weights_are_glorots_and_biases_zero():
    layer = PictureCritic().dense[1]
    bound = (6 / (1024 + 512)) ** 0.5
    assert 0.99 * bound < layer.weight.abs().max() <= bound
    assert not layer.bias.any()


def test_pictures_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"size >= 14 px, got 13: enlarge"):
        PictureCritic(size=13)
    with pytest.raises(ValueError, match=r"at least 92 x 92 pixels, got 91 x 100: .*size=91"):
        small()(torch.rand(1, 3, 91, 100))
