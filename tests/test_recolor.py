"""L stays, ab is replaced: against scikit-image, and strips against the whole."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from skimage.color import lab2rgb, rgb2lab

from benchmarks import recolor
from benchmarks.recolor import gray, recolored, reflected, without_color, working_size

# Out of the gamut scikit-image clips as we do, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB:UserWarning")
RNG = np.random.default_rng(0)
STEP = 0.25  # L: what rounding to 8 bits can make of it; half a step of all channels is 0.22


def picture(height: int, width: int) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)


def in_gamut(height: int, width: int) -> np.ndarray:
    """A picture whose L leaves room for any ab up to 15."""
    return rgb_of(RNG.uniform(35, 75, (height, width)), RNG.uniform(-10, 10, (height, width, 2)))


def rgb_of(lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
    lab = np.concatenate([lightness[..., None], ab], axis=-1)
    return (lab2rgb(lab) * 255).round().astype(np.uint8)


def flat(a: float, b: float) -> torch.Tensor:
    return torch.tensor([a, b]).view(1, 2, 1, 1)


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [
        ((480, 640), 48, (48, 64)), ((640, 480), 48, (64, 48)), ((37, 91), 16, (16, 39)),
        ((8, 8), 64, (64, 64)), ((1, 1), 16, (16, 16)), ((10, 40), 16, (16, 64)),
        ((10, 80), 16, (8, 64)), ((1, 10_000), 16, (1, 64)), ((10_000, 1), 16, (64, 1)),
    ],
)  # fmt: skip
def test_the_shorter_side_is_the_working_side_and_none_is_over_four_times(size, side, expected):
    assert working_size(*size, side) == expected


@pytest.mark.parametrize("size", [(5, 7), (6, 7), (9, 20), (1, 64), (40, 1)])
def test_reflection_is_numpys_symmetric_padding(size):
    height, width = size
    image = torch.from_numpy(RNG.random((1, 3, min(5, height), min(7, width)), np.float32))
    grown = [(0, 0), (0, 0), (0, height - image.shape[2]), (0, width - image.shape[3])]
    expected = np.pad(image.numpy(), grown, mode="symmetric")
    np.testing.assert_array_equal(reflected(image, height, width).numpy(), expected)


def test_the_network_gets_no_colour_but_the_true_lightness():
    pixels = in_gamut(12, 20)
    seen = without_color(pixels, 12, 20)
    assert (seen - seen[:, :1]).abs().max() < 1e-4
    lightness = rgb2lab(seen[0].permute(1, 2, 0).double().numpy())[..., 0]
    np.testing.assert_allclose(lightness, rgb2lab(pixels)[..., 0], atol=2e-3)
    assert without_color(pixels, 5, 9).shape == (1, 3, 5, 9)


def test_lightness_stays_and_ab_becomes_what_was_given():
    pixels = in_gamut(37, 91)
    lab = rgb2lab(recolored(pixels, flat(12.0, -9.0)))
    assert np.abs(lab[..., 0] - rgb2lab(pixels)[..., 0]).max() < STEP
    np.testing.assert_allclose(lab[..., 1:].mean((0, 1)), (12, -9), atol=0.1)
    assert np.abs(lab[..., 0] - rgb2lab(gray(pixels))[..., 0]).max() < 2 * STEP


@pytest.mark.parametrize("size", [(7, 11), (3, 40), (40, 3), (23, 29), (1, 1)])
def test_strips_give_what_the_whole_picture_gives(size, monkeypatch):
    monkeypatch.setattr(recolor, "STRIP", 60)
    pixels, ab = picture(*size), torch.from_numpy(RNG.normal(0, 30, (1, 2, 6, 9)))
    whole = F.interpolate(ab, size=size, mode="bilinear", align_corners=False)
    expected = rgb_of(rgb2lab(pixels)[..., 0], whole[0].permute(1, 2, 0).numpy())
    out = recolored(pixels, ab.float())
    assert out.shape == pixels.shape and out.dtype == np.uint8
    assert np.abs(out.astype(int) - expected).max() <= 1
    monkeypatch.undo()
    np.testing.assert_array_equal(recolored(pixels, ab.float()), out)


@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("ab", [(60.0, 60.0), (-70.0, 40.0), (5.0, -80.0), (110.0, 110.0)])
def test_colours_outside_the_gamut_are_clipped_and_never_wrap(level, ab):
    pixels = np.full((4, 5, 3), level, np.uint8)
    out = recolored(pixels, flat(*ab))
    expected = rgb_of(np.full((4, 5), 100 * level / 255), np.broadcast_to(ab, (4, 5, 2)))
    assert np.abs(out.astype(int) - expected).max() <= 1
    # Wrapping would put a channel that is too high at the other end.
    assert (out.max() == 255) if level else (out.min() == 0)


def test_gray_is_neutral_and_keeps_a_gray_picture():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    np.testing.assert_array_equal(gray(ramp), ramp)
    assert np.ptp(gray(picture(9, 9)).astype(int), axis=-1).max() == 0
