import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from models.deep_unet import DeepUNet
from models.unet import Pix2PixUNet, UNet, dropping, up_channels

NETWORKS = (UNet, Pix2PixUNet)
EACH = pytest.mark.parametrize("network", NETWORKS)
ALIKE = pytest.mark.parametrize("network", (*NETWORKS, DeepUNet))  # in taps, widths and sizes


def small(network=UNet, in_channels: int = 1, out_channels: int = 2, **settings):
    torch.manual_seed(0)
    return network(in_channels, out_channels, **({"width": 4, "depth": 5} | settings))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def layers(module: nn.Module, kind: type | tuple) -> list:
    return [layer for layer in module.modules() if isinstance(layer, kind)]


@pytest.mark.parametrize(
    ("network", "in_channels", "out_channels", "expected"),
    [
        (UNet, 3, 3, 54_414_467),
        (UNet, 1, 2, 54_410_370),
        (Pix2PixUNet, 1, 2, 54_409_858),
    ],
)
def test_parameters_are_those_of_the_published_networks(
    network, in_channels, out_channels, expected
):
    with torch.device("meta"):
        assert count(network(in_channels, out_channels)) == expected


@ALIKE
def test_maps_at_256_px_follow_the_published_table(network):
    with torch.device("meta"):
        model, x = network(1, 2), torch.empty(1, 1, 256, 256)
        maps = {tap: tuple(value.shape[1:]) for tap, value in model.encode(x).items()}
        assert model(x).shape == (1, 2, 256, 256)
    assert maps == {
        "down1": (64, 128, 128),
        "down2": (128, 64, 64),
        "down3": (256, 32, 32),
        "down4": (512, 16, 16),
        "down5": (512, 8, 8),
        "down6": (512, 4, 4),
        "down7": (512, 2, 2),
        "bottleneck": (512, 1, 1),
    }


def test_channels_of_up_blocks_are_those_of_the_published_table():
    assert up_channels([64, 128, 256, 512, 512, 512, 512, 512]) == [
        (512, 512), (1024, 512), (1024, 512), (1024, 512), (1024, 256), (512, 128), (256, 64),
    ]  # fmt: skip


@ALIKE
@pytest.mark.parametrize(("depth", "height", "width"), [(2, 4, 12), (5, 32, 64), (6, 64, 64)])
def test_scaled_networks_run_and_taps_agree_with_channels(network, depth, height, width):
    model = small(network, 2, 5, width=3, depth=depth)
    x = torch.randn(1, 2, height, width)
    maps = model.encode(x)
    assert tuple(maps) == model.taps == tuple(model.channels)
    assert {tap: value.shape[1] for tap, value in maps.items()} == model.channels
    assert maps[model.bottleneck].shape[-2:] == (height // 2**depth, width // 2**depth)
    assert model(x).shape == (1, 5, height, width)


def test_unet_equals_a_walk_by_hand():
    """Fresh batch norm in evaluation mode only divides by sqrt(1 + 1e-5)."""
    model, x = small().eval(), torch.randn(2, 1, 32, 32)
    still = (1 + 1e-5) ** -0.5
    weights = [layer.weight for layer in layers(model, (nn.Conv2d, nn.ConvTranspose2d))]
    skips, last = [], x
    for level, weight in enumerate(weights[:4]):
        last = F.conv2d(F.pad(last, (1, 1, 1, 1), mode="reflect"), weight, stride=2)
        last = F.leaky_relu(last * (still if level else 1), 0.2)
        skips.append(last)
    last = F.conv2d(last, weights[4], model.downs[-1][0].bias, stride=2, padding=1).relu()
    for weight in weights[5:9]:
        last = (F.conv_transpose2d(last, weight, stride=2, padding=1) * still).relu()
        last = torch.cat((last, skips.pop()), dim=1)
    expected = F.conv_transpose2d(last, weights[9], model.ups[-1].bias, stride=2, padding=1)
    torch.testing.assert_close(model(x), expected)


def test_pix2pix_unet_equals_its_recursive_definition():
    """In the reference every level wraps the next one: down, inner levels, up, joined to itself."""
    model, x = small(Pix2PixUNet).eval(), torch.randn(2, 1, 32, 32)
    downs = layers(model.downs, nn.Conv2d)
    ups = layers(model.ups, nn.ConvTranspose2d)[::-1]
    norms = layers(model.downs, nn.BatchNorm2d), layers(model.ups, nn.BatchNorm2d)[::-1]

    def level(x: torch.Tensor, depth: int) -> torch.Tensor:
        inner = F.conv2d(x if depth == 0 else F.leaky_relu(x, 0.2), downs[depth].weight, None, 2, 1)
        if depth in (1, 2, 3):
            inner = norms[0][depth - 1](inner)
        joined = level(inner, depth + 1) if depth < 4 else inner
        out = F.conv_transpose2d(joined.relu(), ups[depth].weight, ups[depth].bias, 2, 1)
        return out if depth == 0 else torch.cat((norms[1][depth - 1](out), x), dim=1)

    torch.testing.assert_close(model(x), level(x, 0))


@EACH
def test_encode_gives_what_the_up_blocks_are_given(network):
    model, x, given = small(network).eval(), torch.randn(1, 1, 32, 32), []
    for up in model.ups:
        up.register_forward_pre_hook(lambda _, args: given.append(args[0].clone()))
    expected = model.encode(x)
    assert not given  # no up-block ran
    model(x)
    for tap, entered in zip(reversed(model.taps), given, strict=True):
        assert torch.equal(entered[:, -model.channels[tap] :], expected[tap])


@EACH
def test_an_image_alone_gives_the_same_in_evaluation_mode(network):
    model, x = small(network), torch.randn(3, 1, 32, 32)
    with torch.no_grad():
        model(x)  # moves the batch statistics
        batch, alone = model.eval()(x), model(x[1:2])
    torch.testing.assert_close(batch[1:2], alone)


@EACH
def test_one_smallest_image_trains(network):
    model = small(network)
    model(torch.randn(1, 1, 32, 32)).square().mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


@EACH
def test_training_lowers_the_loss(network):
    model, x = small(network, dropout=0), torch.randn(2, 1, 32, 32)
    target, losses = torch.cat((x.cos(), -x), dim=1), []
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(12):
        losses.append(F.l1_loss(model(x), target))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    ("network", "depth", "dropping_ups"),
    [
        (UNet, 8, [0, 1, 2]),
        (UNet, 6, [0, 1]),
        (UNet, 5, [0]),
        (UNet, 4, []),
        (Pix2PixUNet, 8, [1, 2, 3]),
        (Pix2PixUNet, 6, [1]),
        (Pix2PixUNet, 5, []),
    ],
)
def test_dropout_is_in_the_deep_up_blocks(network, depth, dropping_ups):
    with torch.device("meta"):
        model = network(1, 2, width=4, depth=depth)
        without = network(1, 2, width=4, depth=depth, dropout=0)
    assert [i for i, up in enumerate(model.ups) if layers(up, nn.Dropout)] == dropping_ups
    assert not layers(without, nn.Dropout)


def test_dropout_is_random_in_training_only():
    model, x = small(), torch.randn(2, 1, 32, 32)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_only_full_width_drops():
    assert dropping([4, 8, 16, 32, 32, 32, 32, 32]) == 3
    assert dropping([4, 8, 16]) == 0


@pytest.mark.parametrize("model", [(UNet, {"init": "normal"}), (Pix2PixUNet, {})])
def test_normal_init_is_that_of_pix2pix(model):
    network, settings = model
    built = small(network, width=16, **settings)
    weights = [layer.weight for layer in layers(built, (nn.Conv2d, nn.ConvTranspose2d))]
    for weight in weights:
        bound = 4 * 0.02 / weight.numel() ** 0.5  # four standard errors
        assert abs(weight.std() - 0.02) < bound
        assert abs(weight.mean()) < bound
    scales = torch.cat([norm.weight for norm in layers(built, nn.BatchNorm2d)])
    assert 0.015 < scales.std() < 0.025
    assert abs(scales.mean() - 1) < 0.01
    assert not built.ups[-1].state_dict().popitem()[1].any()  # the bias of the last layer


def test_torch_init_is_the_default_of_unet():
    weight = small(width=16).downs[2][0].weight  # uniform within 1 / sqrt(fan in), 32 * 16
    assert abs(weight).max() <= 512**-0.5
    assert weight.std().item() == pytest.approx((512 * 3) ** -0.5, rel=0.05)


@EACH
def test_bfloat16_autocast_and_channels_last_train(network):
    model = small(network).to(memory_format=torch.channels_last)
    x = torch.randn(2, 1, 32, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
    output.float().square().mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


@EACH
def test_output_is_unbounded(network):
    model = small(network)
    last = layers(model.ups[-1], nn.ConvTranspose2d)[0]
    nn.init.constant_(last.bias, 5.0)
    assert model(torch.randn(1, 1, 32, 32)).max() > 1.5


@EACH
def test_what_does_not_fit_is_refused(network):
    with pytest.raises(ValueError, match=r"multiples of 32 .* got 48 x 32.*smaller depth"):
        small(network).encode(torch.randn(1, 1, 48, 32))
    with pytest.raises(ValueError, match="got 32 x 16"):
        small(network).encode(torch.randn(1, 1, 32, 16))
    with pytest.raises(ValueError, match="depth >= 2"):
        small(network, depth=1)


def test_unknown_init_names_the_known():
    with pytest.raises(ValueError, match="torch, normal"):
        small(init="xavier")
