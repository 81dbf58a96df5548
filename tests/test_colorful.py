import pytest
import torch
from torch import nn

from models.colorful import ColorfulNet
from models.outputs import ColorBins, Regression
from models.pretext.colorization import Colorization

PUBLISHED = 32_236_011  # the authors' PyTorch form, with its 313 -> 2 convolution
BLOCKS = (64, 128, 256, 512, 512, 512, 512, 256)


def small(in_channels: int = 1, out_channels: int = 5, width: float = 0.125) -> ColorfulNet:
    torch.manual_seed(0)
    return ColorfulNet(in_channels, out_channels, width=width)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def whole(out_channels: int = 313) -> ColorfulNet:
    with torch.device("meta"):
        return ColorfulNet(1, out_channels)


def test_with_the_bin_centres_the_parameters_are_those_of_the_published_network():
    to_ab = nn.Conv2d(313, 2, 1, bias=False)
    centers = ColorBins().bins.centers
    assert count(to_ab) == centers.numel() == 626
    assert count(whole()) == PUBLISHED - 626
    assert count(whole()) + centers.numel() == PUBLISHED


def test_blocks_have_the_sizes_that_the_paper_draws():
    convs = (2, 2, 3, 3, 3, 3, 3)
    expected, before = [], 1
    for channels, layers in zip(BLOCKS, convs, strict=False):
        weights = 9 * before * channels + 9 * channels * channels * (layers - 1)
        expected.append(weights + layers * channels + 2 * channels)
        before = channels
    expected.append(512 * 256 * 16 + 256 + 2 * (256 * 256 * 9 + 256))
    model = whole()
    assert [count(block) for block in model.blocks] == expected
    assert count(model.classes) == 256 * 313 + 313
    assert count(whole(2)) == sum(expected) + 256 * 2 + 2


def test_maps_at_the_papers_176_px():
    with torch.device("meta"):
        x = torch.empty(2, 1, 176, 176)
        maps = {tap: tuple(of.shape[1:]) for tap, of in whole().encode(x).items()}
        assert whole()(x).shape == (2, 313, 44, 44)
    sides = (88, 44, 22, 22, 22, 22, 22, 44)
    assert maps == {
        f"conv{i}": (channels, side, side)
        for i, (channels, side) in enumerate(zip(BLOCKS, sides, strict=True), start=1)
    }


@pytest.mark.parametrize(("height", "width"), [(32, 32), (16, 40), (8, 24)])
def test_output_is_a_quarter_of_the_size(height, width):
    model = small()
    assert model(torch.randn(2, 1, height, width)).shape == (2, 5, height // 4, width // 4)


def test_taps_agree_with_channels_and_width():
    model = small(in_channels=2)
    maps = model.encode(torch.randn(2, 2, 32, 32))
    assert tuple(maps) == model.taps == tuple(model.channels)
    assert {tap: of.shape[1] for tap, of in maps.items()} == model.channels
    assert list(model.channels.values()) == [8, 16, 32, 64, 64, 64, 64, 32]
    assert list(whole().channels.values()) == list(BLOCKS)


def test_the_bottleneck_is_the_last_map_at_the_lowest_resolution():
    model = small()
    maps = model.encode(torch.randn(2, 1, 32, 32))
    lowest = [tap for tap, of in maps.items() if of.shape[-1] == 4]
    assert model.bottleneck == lowest[-1] == "conv7"


def test_batch_norm_ends_conv1_to_conv7_and_relu_ends_conv8():
    model = small()
    kinds = [[type(layer).__name__ for layer in block] for block in model.blocks]
    assert kinds[:2] == [["Conv2d", "ReLU"] * 2 + ["BatchNorm2d"]] * 2
    assert kinds[2:7] == [["Conv2d", "ReLU"] * 3 + ["BatchNorm2d"]] * 5
    assert kinds[7] == ["ConvTranspose2d", "ReLU"] + ["Conv2d", "ReLU"] * 2
    maps = model.encode(torch.randn(4, 1, 32, 32))
    for tap in model.taps[:7]:
        assert maps[tap].min() < 0
        assert maps[tap].mean((0, 2, 3)).abs().max() < 1e-3
    assert maps["conv8"].min() == 0 < maps["conv8"].max()


@pytest.mark.parametrize(("block", "reach"), [(4, 3), (5, 6), (6, 6), (7, 3)])
def test_conv5_and_conv6_are_dilated(block, reach):
    """A bright spot reaches 1 position further a layer, 2 if the layer is dilated."""
    layers = [m for m in small().blocks[block - 1] if isinstance(m, nn.Conv2d)]
    spot = torch.zeros(1, layers[0].in_channels, 21, 21)
    spot[..., 10, 10] = 1
    for layer in layers:
        nn.init.ones_(layer.weight)
        nn.init.zeros_(layer.bias)
        spot = layer(spot)
    lit = spot[0, 0].any(1).nonzero().flatten().tolist()
    assert (lit[0], lit[-1], spot.shape[-1]) == (10 - reach, 10 + reach, 21)


def test_output_comes_from_conv8_and_is_unbounded():
    model = small().eval()
    x = torch.randn(2, 1, 16, 16)
    torch.testing.assert_close(model(x), model.classes(model.encode(x)["conv8"]))
    with torch.no_grad():
        model.classes.bias.fill_(-7.0)
        assert model(x).max() < -1


@pytest.mark.parametrize(
    ("output", "term"),
    [(ColorBins(soft=True, rebalance=0.5), "cross_entropy"), (Regression(2, 110, None), "l2")],
)
def test_it_learns_the_colours_of_a_few_pictures(output, term):
    pretext = Colorization(output, {term: 1.0}, inputs="(L-50)/100")
    model = small(pretext.in_channels, pretext.out_channels)
    halves = torch.tensor([[0.8, 0.2, 0.2], [0.2, 0.3, 0.9], [0.2, 0.7, 0.1], [0.9, 0.8, 0.1]])
    images = halves[:, :, None, None] * torch.linspace(0.5, 1, 32)[None, None, :, None]
    images = images.expand(4, 3, 32, 32).contiguous()
    pretext.prepare([images])
    solver = torch.optim.Adam(model.parameters(), lr=3e-3)
    found = []
    for _ in range(15):
        loss = pretext.losses(model, images, torch.rand(4, 0))[term]
        solver.zero_grad()
        loss.backward()
        solver.step()
        found.append(loss.item())
    assert found[-1] < 0.6 * found[0]
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    assert pretext.decode(model.eval(), images).shape == images.shape


def test_channels_last_gives_the_same_values():
    model, x = small().eval(), torch.randn(2, 1, 16, 16)
    expected = model(x)
    model = model.to(memory_format=torch.channels_last)
    actual = model(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def test_size_that_would_not_give_a_quarter_is_refused():
    with pytest.raises(ValueError, match=r"multiples of 8, got 30 x 32; resize"):
        small()(torch.randn(1, 1, 30, 32))
