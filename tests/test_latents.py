"""Latents are the encoder's taps, averaged to a stated size, one pass an image, on disk."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.errors import IntegrityError
from benchmarks.latents import (
    BATCH,
    Latents,
    choose_arithmetic,
    extract_latents,
    grid,
    pool,
    read,
)
from benchmarks.precision import PLAIN, WAYS, Arithmetic, blur
from models.block_autoencoder import BlockAutoencoder
from models.color import as_images
from models.encoder import Encoder, FrozenEncoder, weights_hash

N, MAX = 12, 40


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (N, 16, 16, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def frozen():
    torch.manual_seed(0)
    model = BlockAutoencoder(1, 2, block_channels=(8, 8), norm_groups=4, layers_per_block=1)
    return FrozenEncoder(Encoder(model, "L/50-1"))


@pytest.fixture(scope="module")
def latents(frozen, images, tmp_path_factory):
    folder = tmp_path_factory.mktemp("latents")
    ids = np.array([0, 2, 3, 5, 8, 11])
    extract_latents(frozen, images, ids, folder=folder, max_features=MAX, device="cpu")
    return Latents(folder)


def averaged(maps, side):
    """The mean over each cell of a side x side grid, where `side` divides the map's."""
    n, channels, height, width = maps.shape
    cells = maps.reshape(n, channels, side, height // side, side, width // side)
    return cells.mean((3, 5))


@pytest.mark.parametrize("channels", [1, 4, 7, 64, 300])
@pytest.mark.parametrize("limit", [1, 40, 512, 9216])
def test_the_grid_is_the_largest_that_fits(channels, limit):
    side = grid(channels, 13, limit)
    fitting = [g for g in range(1, 14) if channels * g * g <= limit]
    assert side == max(fitting, default=1)


def test_pooling_is_the_mean_over_cells():
    maps = torch.randn(3, 5, 8, 8)
    torch.testing.assert_close(pool(maps, 5 * 4 * 4), averaged(maps, 4))
    torch.testing.assert_close(pool(maps, 6), maps.mean((2, 3), keepdim=True))
    assert torch.equal(pool(maps, 10**6), maps)


def test_latents_are_the_pooled_taps_by_hand(latents, frozen, images):
    with torch.no_grad():
        taps = frozen.encoder.model.eval().encode(
            torch.from_numpy(_lightness(images[latents.ids])) / 50 - 1
        )
    assert latents.taps == tuple(taps) == frozen.taps
    assert latents.ids.tolist() == [0, 2, 3, 5, 8, 11]
    for tap, maps in taps.items():
        # 8 channels of at most 40 numbers: 2 x 2; 4 channels: 3 x 3, whose cells overlap.
        side = {8: 2, 4: 3}[maps.shape[1]]
        expected = averaged(maps, 2) if side == 2 else nn.functional.adaptive_avg_pool2d(maps, side)
        found = latents.take(tap, latents.ids)
        assert found.dtype == np.float32
        assert found.shape == (6, maps.shape[1], side, side)
        # 2**-11 is the rounding of float16, in which they are kept.
        kept = {"rtol": 2**-11, "atol": 2e-4}
        np.testing.assert_allclose(found, expected.numpy(), **kept, err_msg=tap)


def _lightness(pixels):
    """CIE L of 8-bit sRGB, from the published formulas."""
    rgb = pixels / 255
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    y = linear @ np.array([0.2126729, 0.7151522, 0.0721750])
    f = np.where(y > (6 / 29) ** 3, np.cbrt(y), y / (3 * (6 / 29) ** 2) + 4 / 29)
    return (116 * f - 16)[:, None].astype(np.float32)


def test_every_image_passes_once_whatever_the_number_of_taps(frozen, tmp_path):
    n = BATCH + 5
    images = np.random.default_rng(1).integers(0, 256, (n + 9, 8, 8, 3), dtype=np.uint8)
    ids = np.arange(n) + 4
    seen = []
    hook = frozen.encoder.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    first = frozen.encoder.model.encoder.conv_in.register_forward_hook(
        lambda _, args, out: seen.append(len(out))
    )
    extract_latents(frozen, images, ids, folder=tmp_path, max_features=MAX, device="cpu")
    hook.remove()
    first.remove()
    assert seen[1::2] == [BATCH, 5]  # the network's first layer, too, saw each once
    passed = torch.cat(seen[0::2])
    assert torch.equal(passed, torch.from_numpy(images[ids]).permute(0, 3, 1, 2))
    assert Latents(tmp_path).take("mid", ids[-1:]).shape == (1, 8, 2, 2)


class Stretched(nn.Module):
    """Stands where an encoder stands; its one tap is the mean colour, times and plus a number."""

    taps, bottleneck, channels = ("only",), "only", {"only": 3}

    def __init__(self, times, plus):
        super().__init__()
        self.times, self.plus = times, plus

    def encode(self, x):
        return {"only": x.mean((2, 3), keepdim=True) * self.times + self.plus}


@pytest.mark.parametrize(
    ("times", "plus", "dtype"),
    [(1, -0.5, "float16"), (1, 1000, "float32"), (1e6, 0, "float32"), (1e-9, 0, "float32")],
)
def test_two_bytes_a_number_only_where_they_lose_nothing(images, tmp_path, times, plus, dtype):
    frozen = FrozenEncoder(Encoder(Stretched(times, plus), "rgb[0,1]"))
    extract_latents(frozen, images, np.arange(N), folder=tmp_path, max_features=MAX, device="cpu")
    assert np.load(tmp_path / "only.npy").dtype == dtype
    means = images.mean((1, 2)) / 255 * times + plus
    found = Latents(tmp_path).take("only", np.arange(N))[:, :, 0, 0]
    assert np.abs(found - means).max() < 2e-3 * means.std()


def test_a_later_image_too_large_for_two_bytes_is_told(tmp_path):
    images = np.zeros((BATCH + 1, 2, 2, 3), np.uint8)
    images[:BATCH] = np.random.default_rng(0).integers(0, 2, (BATCH, 2, 2, 3))
    images[BATCH] = 255
    frozen = FrozenEncoder(Encoder(Stretched(1e5, 0), "rgb[0,1]"))
    with pytest.raises(IntegrityError, match="tap only has values up to 1e"):
        extract_latents(frozen, images, np.arange(BATCH + 1), folder=tmp_path,
                        max_features=MAX, device="cpu")  # fmt: skip


def test_bf16_reads_the_same_latents_but_for_its_rounding(frozen, images):
    batch = as_images(torch.from_numpy(images))
    exact = read(frozen, batch, PLAIN, max_features=MAX)
    rough = read(frozen, batch, Arithmetic("bf16-mixed", channels_last=True), max_features=MAX)
    for tap, latents in exact.items():
        assert 0 < blur(latents, rough[tap]) < 0.05, tap  # the network ran in bf16, and agrees
    chosen = choose_arithmetic(frozen, images, np.arange(N), max_features=MAX, device="cpu")
    assert chosen in WAYS


def test_extraction_moves_no_weight_and_no_statistic(frozen, images, tmp_path):
    before = weights_hash(frozen)
    frozen.train()
    extract_latents(frozen, images, np.arange(N), folder=tmp_path, max_features=MAX, device="cpu")
    assert weights_hash(frozen) == before


def test_a_weight_that_moves_is_noticed(images, tmp_path):
    model = BlockAutoencoder(1, 2, block_channels=(8, 8), norm_groups=4, layers_per_block=1)
    frozen = FrozenEncoder(Encoder(model, "L/50-1"))

    def creep(module, args, out):
        module.bias.data += 1e-3

    model.quant_conv.register_forward_hook(creep)
    with pytest.raises(IntegrityError, match="weights changed"):
        extract_latents(
            frozen, images, np.arange(3), folder=tmp_path, max_features=MAX, device="cpu"
        )


def test_ids_may_be_asked_for_in_any_order_and_again(latents):
    whole = latents.take("mid", latents.ids)
    rows = [4, 0, 4, 2]
    assert np.array_equal(latents.take("mid", latents.ids[rows]), whole[rows])
    assert not np.array_equal(whole[4], whole[0])


@pytest.mark.parametrize("foreign", [-1, 1, 7, 12, 10**6])
def test_an_image_without_latents_is_refused(latents, foreign):
    with pytest.raises(KeyError, match="no latents"):
        latents.take("mid", np.array([0, foreign]))
