import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from models.deep_unet import DeepUNet


def small(in_channels: int = 1, out_channels: int = 2, **settings) -> DeepUNet:
    torch.manual_seed(0)
    return DeepUNet(in_channels, out_channels, **({"width": 4, "depth": 5} | settings))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def layers(module: nn.Module, kind: type | tuple) -> list:
    return [layer for layer in module.modules() if isinstance(layer, kind)]


def test_parameters_are_those_of_the_published_network():
    with torch.device("meta"):
        assert count(DeepUNet(1, 2)) == 77_197_314


def test_network_equals_a_walk_by_hand():
    """Fresh batch norm in evaluation mode only divides by sqrt(1 + 1e-5)."""
    model, x = small(init="torch").eval(), torch.randn(2, 1, 32, 32)
    still = (1 + 1e-5) ** -0.5
    convs = layers(model, (nn.Conv2d, nn.ConvTranspose2d))
    skips, last = [], x
    for level in range(5):
        halve, conv = convs[2 * level : 2 * level + 2]
        last = F.conv2d(last, halve.weight, None, 2, 1) * (still if level in (1, 2, 3) else 1)
        last = F.conv2d(F.leaky_relu(last, 0.2), conv.weight, conv.bias, padding=1)
        skips.append(F.leaky_relu(last, 0.2))
        last = skips[-1]
    skips.pop()
    for level in range(5, 9):
        double, conv = convs[2 * level : 2 * level + 2]
        last = (F.conv_transpose2d(last, double.weight, None, 2, 1) * still).relu()
        last = F.conv2d(last, conv.weight, conv.bias, padding=1).relu()
        last = torch.cat((last, skips.pop()), dim=1)
    expected = F.conv_transpose2d(last, convs[-1].weight, convs[-1].bias, 2, 1)
    torch.testing.assert_close(model(x), expected)


def test_encode_gives_what_the_up_blocks_are_given():
    model, x, given = small().eval(), torch.randn(1, 1, 32, 32), []
    for up in model.ups:
        up.register_forward_pre_hook(lambda _, args: given.append(args[0].clone()))
    expected = model.encode(x)
    assert not given  # no up-block ran
    model(x)
    for tap, entered in zip(reversed(model.taps), given, strict=True):
        assert torch.equal(entered[:, -model.channels[tap] :], expected[tap])


def test_an_image_alone_gives_the_same_in_evaluation_mode():
    model, x = small(init="torch"), torch.randn(3, 1, 32, 32)
    with torch.no_grad():
        model(x)  # moves the batch statistics
        batch, alone = model.eval()(x), model(x[1:2])
    torch.testing.assert_close(batch[1:2], alone)


def test_one_smallest_image_trains():
    model = small()
    model(torch.randn(1, 1, 32, 32)).square().mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_training_lowers_the_loss():
    model, x = small(dropout=0), torch.randn(2, 1, 32, 32)
    target, losses = torch.cat((x.cos(), -x), dim=1), []
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(12):
        losses.append(F.l1_loss(model(x), target))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    ("depth", "dropping_ups"), [(8, [0, 1, 2]), (6, [0, 1]), (5, [0]), (4, [])]
)
def test_dropout_is_in_the_deep_up_blocks(depth, dropping_ups):
    with torch.device("meta"):
        model = DeepUNet(1, 2, width=4, depth=depth)
        without = DeepUNet(1, 2, width=4, depth=depth, dropout=0)
    assert [i for i, up in enumerate(model.ups) if layers(up, nn.Dropout2d)] == dropping_ups
    assert not layers(without, nn.Dropout2d)


def test_dropout_drops_whole_channels_in_training_only():
    model, seen = small(), []
    layers(model, nn.Dropout2d)[0].register_forward_hook(lambda *args: seen.append(args[2].clone()))
    x = torch.randn(2, 1, 64, 64)
    model(x)
    gone = seen[0] == 0
    assert torch.equal(gone.all(dim=(2, 3)), gone.any(dim=(2, 3)))
    assert 0.2 < gone.float().mean() < 0.8
    model.eval()
    assert torch.equal(model(x), model(x))


def test_normal_init_is_of_weights_alone():
    built = small(width=16)
    convs = layers(built, (nn.Conv2d, nn.ConvTranspose2d))
    for conv in convs:
        bound = 4 * 0.02 / conv.weight.numel() ** 0.5  # four standard errors
        assert abs(conv.weight.std() - 0.02) < bound
        assert abs(conv.weight.mean()) < bound
    assert all(conv.bias.any() for conv in convs if conv.bias is not None)
    assert all((norm.weight == 1).all() for norm in layers(built, nn.BatchNorm2d))


def test_torch_init_is_uniform():
    weight = small(width=16, init="torch").downs[1][3].weight  # fan in 32 * 9
    assert abs(weight).max() <= 288**-0.5
    assert weight.std().item() == pytest.approx((288 * 3) ** -0.5, rel=0.05)


def test_bfloat16_autocast_and_channels_last_train():
    model = small().to(memory_format=torch.channels_last)
    x = torch.randn(2, 1, 32, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
    output.float().square().mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_output_is_unbounded():
    model = small()
    nn.init.constant_(model.ups[-1].bias, 5.0)
    assert model(torch.randn(1, 1, 32, 32)).max() > 1.5


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"multiples of 32 .* got 48 x 32.*smaller depth"):
        small().encode(torch.randn(1, 1, 48, 32))
    with pytest.raises(ValueError, match="depth >= 2"):
        small(depth=1)
    with pytest.raises(ValueError, match="torch, normal"):
        small(init="xavier")
