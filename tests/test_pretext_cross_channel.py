"""Both directions at once equal each direction alone."""

import pytest
import torch
from torch import nn

from models.losses import Lpips
from models.outputs import ColorBins, LightnessBins
from models.pretext.colorization import Colorization
from models.pretext.cross_channel import CrossChannel
from models.pretext.lightness import Lightness

DRAWS = torch.empty(2, 0)


class Halves(nn.Module):
    """Two convolutions, one for each half of the input channels."""

    def __init__(self, in_channels: tuple[int, int], out_channels: tuple[int, int]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(in_channels[0], out_channels[0], 3, padding=1, stride=2)
        self.second = nn.Conv2d(in_channels[1], out_channels[1], 3, padding=1, stride=2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the raw outputs of the halves."""
        lightness, ab = x.split((self.first.in_channels, self.second.in_channels), dim=1)
        return self.first(lightness), self.second(ab)


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def pretexts() -> list[CrossChannel]:
    return [
        CrossChannel(),
        CrossChannel(Colorization(ColorBins()), Lightness(LightnessBins())),
        CrossChannel(Colorization(losses={"l1": 2, "l2": 1}), Lightness(LightnessBins())),
    ]


@pytest.mark.parametrize("index", range(3))
def test_losses_and_decoding_are_those_of_the_halves(index):
    pretext, images = pretexts()[index], pictures()
    model = Halves(pretext.in_channels, pretext.out_channels)
    losses = pretext.losses(model, images, DRAWS)
    ab = pretext.colorization.losses(model.first, images, DRAWS)
    lightness = pretext.lightness.losses(model.second, images, DRAWS)
    expected = {f"ab_{k}": v for k, v in ab.items()} | {f"L_{k}": v for k, v in lightness.items()}
    torch.testing.assert_close(losses, expected)
    decoded = pretext.decode(model, images)
    torch.testing.assert_close(decoded, pretext.colorization.decode(model.first, images))
    sum(losses.values()).backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in model.parameters())


def test_channels_and_inputs():
    plain, classes, _ = pretexts()
    assert plain.inputs == "L/50-1,ab/110"
    assert (plain.in_channels, plain.out_channels) == ((1, 2), (2, 1))
    assert (classes.in_channels, classes.out_channels) == ((1, 2), (313, 50))
    assert (plain.n_draws, plain.label_free) == (0, True)


def test_prepare_reaches_the_rebalancing_of_colours():
    pretext = CrossChannel(Colorization(ColorBins(rebalance=0.5)))
    pretext.prepare(iter([pictures()]))
    assert list(pretext.state_dict()) == ["colorization.output.weights"]
    assert pretext.colorization.output.weights.isfinite().all()


def test_not_label_free_if_a_half_is_not():
    lpips = Lpips(weights="random")
    lpips.label_free = False
    half = Colorization(losses={"lpips": 1}, lpips=lpips)
    assert not CrossChannel(half).label_free
