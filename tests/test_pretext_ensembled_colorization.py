"""Two colorizations of one input equal each of them alone."""

import torch
from torch import nn

from models.color import rgb_to_lab
from models.ensemble import Ensemble
from models.outputs import ColorBins
from models.pretext.colorization import Colorization
from models.pretext.ensembled_colorization import EnsembledColorization

DRAWS = torch.empty(2, 0)


class Member(nn.Conv2d):
    """A convolution that is an encoder of one tap."""

    taps, bottleneck = ("map",), "map"

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, stride=2)
        self.channels = {"map": out_channels}


def pictures() -> torch.Tensor:
    return 0.4 + 0.1 * torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(pretext: EnsembledColorization) -> Ensemble:
    torch.manual_seed(0)
    return Ensemble(pretext.in_channels, pretext.out_channels, member=Member)


def test_losses_are_those_of_the_members():
    pretext, images = EnsembledColorization(), pictures()
    model = network(pretext)
    losses = pretext.losses(model, images, DRAWS)
    as_classes = Colorization(ColorBins(soft=False, rebalance=None), {"cross_entropy": 1.0})
    as_values = Colorization(losses={"l2": 1.0})
    expected = {
        "cl_cross_entropy": as_classes.losses(model.members[0], images, DRAWS)["cross_entropy"],
        "reg_l2": as_values.losses(model.members[1], images, DRAWS)["l2"],
    }
    torch.testing.assert_close(losses, expected)
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in model.parameters())


@torch.no_grad()
def test_decode_shows_the_mean_of_both():
    pretext, images = EnsembledColorization(), pictures()
    model = network(pretext)
    for member in model.members:
        nn.init.zeros_(member.weight)
        nn.init.zeros_(member.bias)
    bins = pretext.classes.output.bins.centers.tolist()
    model.members[0].bias.data[bins.index([20.0, 10.0])] = 50.0
    model.members[1].bias.data = (torch.tensor([0.0, -10.0]) / 110).atanh()
    lab = rgb_to_lab(pretext.decode(model, images))
    expected = torch.tensor([10.0, 0.0]).view(1, 2, 1, 1).expand(2, 2, 8, 8)
    torch.testing.assert_close(lab[:, 1:], expected, atol=0.1, rtol=0)
    torch.testing.assert_close(lab[:, :1], rgb_to_lab(images)[:, :1], atol=0.1, rtol=0)


def test_decode_may_leave_the_gamut():
    pretext, images = EnsembledColorization(), torch.ones_like(pictures())  # no colour fits white
    model = network(pretext)
    model.members[1].bias.data = torch.tensor([2.0, 2.0])
    free = pretext.decode(model, images, clip=False)
    assert free.max() > 1 or free.min() < 0
    assert torch.equal(pretext.decode(model, images), free.clamp(0, 1))


def test_facts():
    pretext = EnsembledColorization()
    pretext.prepare([])
    assert (pretext.inputs, pretext.in_channels, pretext.out_channels) == ("L/50-1", 1, (313, 2))
    assert (pretext.n_draws, pretext.label_free, list(pretext.state_dict())) == (0, True, [])
