import pytest
import torch
from torch import nn

from models.block_autoencoder import BlockAutoencoder


def small(in_channels: int = 1, out_channels: int = 3) -> BlockAutoencoder:
    torch.manual_seed(0)
    return BlockAutoencoder(
        in_channels, out_channels, block_channels=(8, 16, 16), layers_per_block=1, latent_channels=4
    )


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "expected"),
    [
        (1, 3, 1_287_631),
        (1, 2, 1_287_342),
        (2, 1, 1_287_341),
        (3, 3, 1_288_207),
        (1, 313, 1_377_221),
        (2, 50, 1_301_502),
    ],
)
def test_parameters_are_those_of_the_published_network(in_channels, out_channels, expected):
    with torch.device("meta"):
        model = BlockAutoencoder(in_channels, out_channels)
    assert count(model) == expected


def test_parts_of_the_default_have_their_published_sizes():
    with torch.device("meta"):
        model = BlockAutoencoder(1, 3)
    parts = (model.encoder, model.quant_conv, model.decoder)
    assert [count(part) for part in parts] == [533_544, 36, 754_051]


def test_maps_of_the_default_at_128_px_follow_the_published_table():
    with torch.device("meta"):
        model = BlockAutoencoder(1, 3)
        x = torch.empty(2, 1, 128, 128)
        maps = {tap: tuple(value.shape[1:]) for tap, value in model.encode(x).items()}
        assert model(x).shape == (2, 3, 128, 128)
    assert maps == {
        "conv_in": (32, 128, 128),
        "down0": (32, 64, 64),
        "down1": (64, 32, 32),
        "down2": (64, 32, 32),
        "mid": (64, 32, 32),
        "bottleneck": (4, 32, 32),
    }


@pytest.mark.parametrize("size", [32, 64, 96])
def test_latent_is_a_quarter_of_the_size(size):
    with torch.device("meta"):
        latent = BlockAutoencoder(1, 3).encode(torch.empty(1, 1, size, size))["bottleneck"]
    assert latent.shape == (1, 4, size // 4, size // 4)


def test_walk_over_the_encoder_equals_its_forward():
    model, x = small(), torch.randn(2, 1, 16, 16)
    maps = model.encode(x)
    torch.testing.assert_close(maps["bottleneck"], model.quant_conv(model.encoder(x)))
    torch.testing.assert_close(model(x), model.decoder(maps["bottleneck"]))
    torch.testing.assert_close(maps["conv_in"], model.encoder.conv_in(x))


def test_encode_runs_the_encoder_once_and_the_decoder_never():
    model, calls = small(), []
    for name in ("encoder.conv_in", "encoder.mid_block", "decoder.conv_in"):
        module = model.get_submodule(name)
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
    model.encode(torch.randn(1, 1, 8, 8))
    assert calls == ["encoder.conv_in", "encoder.mid_block"]


@pytest.mark.parametrize("block_channels", [(8, 8), (16, 32, 32), (24, 48)])
def test_any_widths_work_and_taps_agree_with_channels(block_channels):
    model = BlockAutoencoder(2, 5, block_channels=block_channels, latent_channels=3)
    x = torch.randn(1, 2, 8, 12)
    maps = model.encode(x)
    assert tuple(maps) == model.taps == tuple(model.channels)
    assert {tap: value.shape[1] for tap, value in maps.items()} == model.channels
    assert model.channels[model.bottleneck] == 3
    assert model(x).shape == (1, 5, 8, 12)


def test_narrow_network_keeps_one_channel_a_group_in_the_first_block():
    groups = BlockAutoencoder(1, 1, block_channels=(16, 32, 32)).encoder.conv_norm_out.num_groups
    default = BlockAutoencoder(1, 1).encoder.conv_norm_out.num_groups
    assert (groups, default) == (16, 32)


def test_no_attention_removes_the_attention_of_encoder_and_decoder():
    with torch.device("meta"):
        with_attention, without = BlockAutoencoder(1, 3), BlockAutoencoder(1, 3, attention=False)
    # Twice: group norm, then query, key, value and output at 64 channels with bias.
    assert count(with_attention) - count(without) == 2 * (2 * 64 + 4 * (64 * 64 + 64))


def test_output_is_unbounded():
    model = small()
    with torch.no_grad():
        model.decoder.conv_out.bias.fill_(5.0)
        assert model(torch.randn(1, 1, 8, 8)).max() > 1.5


def test_channels_last_gives_the_same_values():
    model, x = small(), torch.randn(2, 1, 16, 16)
    expected = model(x)
    model = model.to(memory_format=torch.channels_last)
    actual = model(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def test_bfloat16_autocast_trains_and_stays_near_float32():
    model, x = small(), torch.randn(2, 1, 16, 16)
    expected = model(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = model(x)
    actual.float().square().mean().backward()
    assert actual.dtype == torch.bfloat16
    assert (actual.float() - expected).abs().max() < 0.1 * expected.abs().max()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_size_that_would_lose_rows_is_refused():
    with pytest.raises(ValueError, match="multiples of 4, got 30 x 32"):
        small().encode(torch.randn(1, 1, 30, 32))
