import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from models.flat_unet import FlatUNet


def small(in_channels: int = 1, out_channels: int = 3, **settings) -> FlatUNet:
    torch.manual_seed(0)
    return FlatUNet(in_channels, out_channels, **({"width": 0.125} | settings))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def whole() -> FlatUNet:
    with torch.device("meta"):
        return FlatUNet(1, 3)


def test_parameters_are_those_of_the_original():
    assert count(whole()) == 1_406_403


def test_layers_are_those_of_the_original():
    convs = [m for m in whole().modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    layers = [(m.in_channels, m.out_channels, m.kernel_size[0], m.padding[0]) for m in convs]
    assert layers == [
        *((1, 16, 5, 0), (16, 32, 3, 0), (32, 32, 3, 0)),
        *((32, 32, 5, 0), (32, 64, 3, 0), (64, 64, 3, 0)),
        *((64, 64, 5, 0), (64, 128, 3, 0), (128, 128, 3, 0)),
        (128, 128, 3, 1),
        *((256, 128, 3, 0), (128, 128, 3, 0), (128, 64, 5, 0)),
        *((128, 64, 3, 0), (64, 64, 3, 0), (64, 32, 5, 0)),
        *((64, 32, 3, 0), (32, 32, 3, 0), (32, 3, 5, 0)),
    ]


def test_maps_at_the_originals_120_px():
    with torch.device("meta"):
        x = torch.empty(2, 1, 120, 120)
        maps = {tap: tuple(of.shape[1:]) for tap, of in whole().encode(x).items()}
        assert whole()(x).shape == (2, 3, 120, 120)
    assert maps == {
        "enc1": (32, 112, 112),
        "enc2": (64, 104, 104),
        "enc3": (128, 96, 96),
        "bottleneck": (128, 96, 96),
    }


@pytest.mark.parametrize(("height", "width"), [(25, 25), (32, 27), (40, 33)])
def test_output_has_the_size_of_the_input_even_if_odd(height, width):
    model = small()
    x = torch.randn(2, 1, height, width)
    assert model(x).shape == (2, 3, height, width)
    assert model.encode(x)["bottleneck"].shape[-2:] == (height - 24, width - 24)


@pytest.mark.parametrize(
    ("tap", "field"), [("enc1", 9), ("enc2", 17), ("enc3", 25), ("bottleneck", 27)]
)
def test_receptive_field(tap, field):
    model = small().double()
    x = torch.randn(1, 1, 61, 61, dtype=torch.float64, requires_grad=True)
    of = model.encode(x)[tap]
    middle = of.shape[-1] // 2
    of[..., middle, middle].sum().backward()
    rows, columns = x.grad[0, 0].nonzero().unbind(1)
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (field, field)


def test_levels_are_leaky_and_the_bottleneck_is_bounded():
    model, x = small(), 1e6 * torch.randn(1, 1, 25, 25)
    maps, by_hand = model.encode(x), x
    for conv in (m for m in model.downs[0] if isinstance(m, nn.Conv2d)):
        raw = F.conv2d(by_hand, conv.weight, conv.bias)
        by_hand = torch.where(raw > 0, raw, 0.3 * raw)
    torch.testing.assert_close(maps["enc1"], by_hand)
    assert maps["enc3"].abs().max() > 1 >= maps["bottleneck"].abs().max()


def test_the_way_back_by_hand():
    model, x = small(), torch.randn(1, 1, 26, 26)
    enc1, enc2, enc3, y = model.encode(x).values()
    last = [m for m in model.modules() if isinstance(m, nn.ConvTranspose2d)][-1]
    for skip, up in zip((enc3, enc2, enc1), model.ups, strict=True):
        y = torch.cat((y, skip), dim=1)
        for layer in (m for m in up if isinstance(m, nn.ConvTranspose2d)):
            y = F.conv_transpose2d(y, layer.weight, layer.bias)
            y = y if layer is last else y.clamp(min=0)
    torch.testing.assert_close(model(x), y)


def test_output_is_raw():
    assert small()(torch.randn(2, 1, 32, 32)).min() < 0, "the last ReLU is the pretext's"


def test_width_and_depth_scale():
    model, x = small(2, 5, depth=1, width=0.25), torch.randn(1, 2, 16, 16)
    maps = model.encode(x)
    assert tuple(maps) == model.taps == ("enc1", "bottleneck")
    assert {tap: of.shape[1] for tap, of in maps.items()} == model.channels
    assert model.channels == {"enc1": 8, "bottleneck": 8}
    assert model(x).shape == (1, 5, 16, 16)
    assert small(width=0.5).channels == {"enc1": 16, "enc2": 32, "enc3": 64, "bottleneck": 64}


def test_it_learns_to_brighten():
    model = small()
    x = torch.rand(4, 1, 28, 28)
    target = (0.2 + 0.6 * x).expand(4, 3, 28, 28)
    solver, found = torch.optim.Adam(model.parameters(), lr=3e-3), []
    for _ in range(30):
        loss = F.mse_loss(model(x), target)
        solver.zero_grad()
        loss.backward()
        solver.step()
        found.append(loss.item())
    assert found[-1] < 0.3 * found[0]
    assert all(p.grad.any() for p in model.parameters())


def test_initial_weights_are_glorots_and_biases_zero():
    layer = FlatUNet(1, 3).middle[0]
    bound = (6 / (2 * 128 * 9)) ** 0.5
    assert 0.99 * bound < layer.weight.abs().max() <= bound
    assert not layer.bias.any()


def test_sizes_of_which_nothing_would_be_left_are_refused():
    with pytest.raises(ValueError, match=r"at least 25 x 25 pixels, got 24 x 60; enlarge"):
        small()(torch.randn(1, 1, 24, 60))
    with pytest.raises(ValueError, match="at least 9 x 9 pixels, got 8 x 8"):
        small(depth=1)(torch.randn(1, 1, 8, 8))
    with pytest.raises(ValueError, match="depth >= 1, got 0: 3"):
        small(depth=0)
