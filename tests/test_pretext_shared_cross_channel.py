"""One network for both directions: what it sees, what it cannot see, what it weighs."""

import pytest
import torch
from torch import nn

from models.color import lab_to_rgb, network_input, rgb_to_lab
from models.pretext.shared_cross_channel import SharedCrossChannel, only_ab, only_lightness
from models.whole_alexnet import whole_alexnet

DRAWS = torch.empty(2, 0)
WEIGHTS = (0.5, 1 / 3, 0.1)


def pictures(seed: int = 0) -> torch.Tensor:
    return torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(seed))


def normalised(images: torch.Tensor) -> torch.Tensor:
    return network_input(images, "L/50-1,ab/110")


def network() -> nn.Module:
    torch.manual_seed(0)
    return whole_alexnet(3, 3, stride=2, fc_width=8, width=0.1).eval()


def seen_by(pretext: SharedCrossChannel, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What the network is shown in one step, view by view, as images x channels."""
    shown, model = [], network()
    model.register_forward_pre_hook(lambda _model, args: shown.append(args[0]))
    pretext.losses(model, images, DRAWS)
    (batch,) = shown
    return batch.split(len(images))


def test_a_view_hides_what_is_to_be_predicted():
    x = normalised(pictures())
    both, all_three = (seen_by(SharedCrossChannel(weight), pictures()) for weight in WEIGHTS[:2])
    assert (len(both), len(all_three)) == (2, 3)
    for from_l, from_ab, *_ in (both, all_three):
        assert torch.equal(from_l[:, :1], x[:, :1]) and not from_l[:, 1:].any()
        assert torch.equal(from_ab[:, 1:], x[:, 1:]) and not from_ab[:, :1].any()
    assert torch.equal(all_three[2], x)


@pytest.mark.parametrize(
    ("view", "hidden", "kept"), [(only_lightness, [1, 2], [0]), (only_ab, [0], [1, 2])]
)
def test_the_raw_output_does_not_follow_what_is_hidden(view, hidden, kept):
    model, x = network(), normalised(pictures())
    other, opposite = x.clone(), x.clone()
    other[:, hidden] = normalised(pictures(1))[:, hidden]
    opposite[:, kept] = normalised(pictures(1))[:, kept]
    assert torch.equal(model(view(x)), model(view(other)))
    assert not torch.allclose(model(view(x)), model(view(opposite)))


def test_other_colours_move_the_target_and_not_the_prediction():
    model, pretext = network(), SharedCrossChannel()
    lab = rgb_to_lab(0.4 + 0.1 * pictures())
    moved = lab + torch.tensor([0.0, 8.0, -6.0]).view(3, 1, 1)
    raw = model(only_lightness(normalised(lab_to_rgb(lab)))).tanh()[:, 1:]
    found = pretext.losses(model, lab_to_rgb(moved), DRAWS)["ab_l2"]
    target = nn.functional.adaptive_avg_pool2d(moved[:, 1:] / 110, raw.shape[-1])
    torch.testing.assert_close(found, 0.5 * (raw - target).square().mean(), atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize("weight", WEIGHTS)
def test_terms_are_weighted_losses_of_three_tasks(weight):
    model, images = network(), pictures()
    x = normalised(images)
    hide_ab, hide_l = x.clone(), x.clone()
    hide_ab[:, 1:], hide_l[:, :1] = 0, 0
    target = x.view(2, 3, 2, 8, 2, 8).mean(dim=(3, 5))
    ab = (model(hide_ab).tanh() - target)[:, 1:].square().mean()
    lightness = (model(hide_l).tanh() - target)[:, :1].square().mean()
    whole = (model(x).tanh() - target).square().mean()
    losses = SharedCrossChannel(weight).losses(model, images, DRAWS)
    expected = {"ab_l2": weight * ab, "L_l2": weight * lightness}
    if weight < 0.5:
        expected["Lab_l2"] = (1 - 2 * weight) * whole
    torch.testing.assert_close(losses, expected)
    if weight == 1 / 3:
        torch.testing.assert_close(sum(losses.values()), (ab + lightness + whole) / 3)
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_decode_has_the_true_lightness_and_ab_from_lightness_alone():
    images, pretext, model = 0.4 + 0.1 * pictures(), SharedCrossChannel(1 / 3), network()
    with torch.no_grad():
        model.fc8.weight.zero_()
        model.fc8.bias.copy_((torch.tensor([40.0, 11.0, -22.0]) / 110).atanh())
        shown = []
        model.register_forward_pre_hook(lambda _model, args: shown.append(args[0]))
        lab = rgb_to_lab(pretext.decode(model, images))
    expected = torch.tensor([11.0, -22.0]).view(1, 2, 1, 1).expand(2, 2, 16, 16)
    torch.testing.assert_close(lab[:, 1:], expected, atol=0.1, rtol=0)
    torch.testing.assert_close(lab[:, :1], rgb_to_lab(images)[:, :1], atol=0.1, rtol=0)
    assert torch.equal(shown[0], only_lightness(normalised(images)))


def test_decode_may_leave_the_gamut():
    model, pretext = network(), SharedCrossChannel()
    with torch.no_grad():
        model.fc8.bias.copy_(torch.tensor([0.0, 1.0, 1.0]))
        free = pretext.decode(model, pictures(), clip=False)
        assert free.max() > 1 or free.min() < 0
        assert torch.equal(pretext.decode(model, pictures()), free.clamp(0, 1))


def test_facts_and_refusals():
    pretext = SharedCrossChannel()
    pretext.prepare([])
    assert (pretext.inputs, pretext.in_channels, pretext.out_channels) == ("L/50-1,ab/110", 3, 3)
    assert (pretext.n_draws, pretext.label_free) == (0, True)
    for weight in (0.0, -0.1, 0.6, float("nan")):
        with pytest.raises(ValueError, match=r"in \(0, 0.5\]"):
            SharedCrossChannel(weight)
