import pytest
import torch
from torch import nn

from models.alexnet import HalfAlexNet

CONVS = ("conv1", "conv2", "conv3", "conv4", "conv5")


def small(in_channels: int = 1, out_channels: int = 5, **settings) -> HalfAlexNet:
    torch.manual_seed(0)
    return HalfAlexNet(
        in_channels, out_channels, **({"stride": 2, "fc_width": 16, "width": 0.125} | settings)
    )


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "convs", "total"),
    [(1, 313, 934_240, 15_211_161), (2, 50, 940_048, 14_678_082)],
)
def test_parameters_are_those_of_the_paper(in_channels, out_channels, convs, total):
    with torch.device("meta"):
        model = HalfAlexNet(in_channels, out_channels)
    assert sum(count(model.get_submodule(name)) for name in CONVS) == convs
    assert count(model) == total


def test_map_sizes_at_180_px_are_those_of_table_6():
    model, sizes = small(stride=4), {}
    for name, module in model.named_children():
        module.register_forward_hook(
            lambda _module, _args, output, name=name: sizes.update({name: output.shape[-1]})
        )
    model(torch.randn(2, 1, 180, 180))
    assert sizes == {
        "conv1": 45,
        "pool1": 23,
        "conv2": 23,
        "pool2": 12,
        "conv3": 12,
        "conv4": 12,
        "conv5": 12,
        "pool5": 12,
        "fc6": 12,
        "fc7": 12,
        "fc8": 12,
    }


@pytest.mark.parametrize(
    ("stride", "height", "width", "conv1", "output"),
    [(2, 64, 64, (32, 32), (8, 8)), (1, 32, 32, (32, 32), (8, 8)), (4, 65, 33, (17, 9), (5, 3))],
)
def test_sizes_are_divided_and_rounded_up(stride, height, width, conv1, output):
    model, x = small(stride=stride), torch.randn(2, 1, height, width)
    assert model.encode(x)["conv1"].shape[-2:] == conv1
    assert model(x).shape == (2, 5, *output)


def test_taps_agree_with_channels_and_width():
    with torch.device("meta"):
        whole = HalfAlexNet(1, 2).channels
    assert whole == dict(zip(CONVS, (48, 128, 192, 192, 128), strict=True))
    model = small(width=0.25)
    maps = model.encode(torch.randn(2, 1, 32, 32))
    assert tuple(maps) == model.taps == CONVS
    assert {tap: value.shape[1] for tap, value in maps.items()} == model.channels
    assert list(model.channels.values()) == [12, 32, 48, 48, 32]
    assert model.bottleneck == "conv5"


def test_taps_come_after_batch_norm_and_relu_and_before_pooling():
    model, x = small(), 3 + torch.randn(4, 1, 32, 32)
    conv = model.conv1[0]
    raw = nn.functional.conv2d(x, conv.weight, conv.bias, stride=2, padding=5)
    mean, var = raw.mean((0, 2, 3), keepdim=True), raw.var((0, 2, 3), keepdim=True, correction=0)
    expected = ((raw - mean) / (var + 1e-5).sqrt()).clamp(min=0)
    torch.testing.assert_close(model.encode(x)["conv1"], expected, atol=1e-5, rtol=1e-4)


def test_every_layer_but_the_last_has_affine_free_batch_norm():
    model = small()
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 7
    assert not any(norm.affine for norm in norms)
    assert isinstance(model.fc8, nn.Conv2d)
    assert not any(isinstance(module, nn.Dropout) for module in model.modules())


def test_convolution_bias_has_no_effect_before_batch_norm_in_training():
    model, x = small(), torch.randn(4, 1, 32, 32)
    before = model(x)
    with torch.no_grad():
        model.conv3[0].bias.add_(2.0)
    torch.testing.assert_close(model(x), before, atol=1e-4, rtol=1e-4)


def test_encode_stops_at_conv5():
    model, calls = small(), []
    for name, module in model.named_children():
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
    model.encode(torch.randn(2, 1, 16, 16))
    assert calls == ["conv1", "pool1", "conv2", "pool2", "conv3", "conv4", "conv5"]


def test_bfloat16_autocast_and_channels_last_train():
    model = small(2).to(memory_format=torch.channels_last)
    x = torch.randn(4, 2, 32, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
    output.float().square().mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())
