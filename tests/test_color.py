"""Colour conversion against scikit-image, and the named ranges."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.color import lab2rgb, rgb2lab

from models.color import (
    NORMALISATIONS,
    as_floats,
    as_images,
    denormalise,
    gray,
    input_channels,
    input_spaces,
    lab_to_rgb,
    network_input,
    normalise,
    rgb_to_lab,
    split_lab,
)


def pictures(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Random colours, near-black ones, the eight corners and grays, as (n, 3, 8, 8)."""
    generator = torch.Generator().manual_seed(0)
    random = torch.rand(4, 3, 8, 8, generator=generator, dtype=dtype)
    dark = 0.06 * torch.rand(2, 3, 8, 8, generator=generator, dtype=dtype)
    levels = torch.tensor([0.0, 1.0], dtype=dtype)
    corners = torch.cartesian_prod(levels, levels, levels)
    grays = torch.linspace(0, 1, 56, dtype=dtype)[:, None].expand(-1, 3)
    special = torch.cat((corners, grays)).T.reshape(1, 3, 8, 8)
    return torch.cat((random, dark, special))


def channels_last(x: torch.Tensor) -> np.ndarray:
    return x.permute(0, 2, 3, 1).double().numpy()


def test_rgb_to_lab_agrees_with_scikit_image():
    expected = rgb2lab(channels_last(pictures()))
    np.testing.assert_allclose(channels_last(rgb_to_lab(pictures())), expected, atol=1e-3)


@pytest.mark.parametrize("side", [8, 7])
@pytest.mark.parametrize("stored_as", ["channels first", "channels last"])
def test_lab_of_bytes_agrees_with_scikit_image(side, stored_as):
    """Of every byte in every channel; an odd number of them is looked up one by one."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (5, 3, side, side), dtype=torch.uint8, generator=generator)
    images[1] = images[1, :1]  # grays
    images[2:] //= 8  # near black
    if stored_as == "channels last":
        images = images.contiguous(memory_format=torch.channels_last)
    expected = rgb2lab(images.permute(0, 2, 3, 1).numpy())
    np.testing.assert_allclose(channels_last(rgb_to_lab(images)), expected, atol=5e-4)
    torch.testing.assert_close(rgb_to_lab(images), rgb_to_lab(as_floats(images)), atol=1e-3, rtol=0)


@pytest.mark.parametrize("side", [8, 7])
def test_lab_does_not_depend_on_what_is_converted_together(side, monkeypatch):
    images = torch.randint(256, (7, 3, side, side), dtype=torch.uint8)
    expected = rgb_to_lab(images)
    close = {"atol": 1e-4, "rtol": 0}  # the last bits follow from where a vector ends
    torch.testing.assert_close(rgb_to_lab(images[1:]), expected[1:], **close)
    monkeypatch.setattr("models.color.CHUNK", 3 * side**2)
    torch.testing.assert_close(rgb_to_lab(images), expected, **close)


@pytest.mark.parametrize("inputs", ["L/50-1,ab/110", "gray[0,1]", "rgb[-1,1],L-50"])
def test_networks_see_bytes_as_they_see_floats(inputs):
    images = torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8)
    seen = network_input(images, inputs)
    assert seen.dtype == torch.float32
    torch.testing.assert_close(seen, network_input(as_floats(images), inputs), atol=1e-3, rtol=0)


def test_lab_to_rgb_agrees_with_scikit_image():
    lab = torch.from_numpy(rgb2lab(channels_last(pictures()))).permute(0, 3, 1, 2).float()
    np.testing.assert_allclose(
        channels_last(lab_to_rgb(lab)), lab2rgb(channels_last(lab)), atol=1e-3
    )


@pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB")
def test_lab_to_rgb_agrees_with_scikit_image_outside_the_gamut():
    generator = torch.Generator().manual_seed(1)
    lab = torch.rand(4, 3, 8, 8, generator=generator) * torch.tensor([100, 220, 220]).view(3, 1, 1)
    lab = lab - torch.tensor([0, 110, 110]).view(3, 1, 1)
    expected = lab2rgb(channels_last(lab))
    np.testing.assert_allclose(channels_last(lab_to_rgb(lab)), expected, atol=1e-3)
    assert lab_to_rgb(lab, clip=False).max() > 1


def test_white_black_and_gray_have_no_chroma():
    levels = torch.linspace(0, 1, 11).view(11, 1, 1, 1).expand(-1, 3, 1, 1)
    lightness, ab = split_lab(rgb_to_lab(levels))
    torch.testing.assert_close(ab, torch.zeros_like(ab), atol=5e-3, rtol=0)
    assert lightness[0].item() == pytest.approx(0, abs=1e-4)
    assert lightness[-1].item() == pytest.approx(100, abs=1e-3)
    assert (lightness.flatten().diff() > 0).all()


def test_float64_round_trip():
    images = pictures(torch.float64)
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(images)), images, atol=1e-6, rtol=0)


channel = st.floats(-200, 200, width=32)


@settings(max_examples=200, deadline=None)
@given(st.tuples(st.floats(-50, 150, width=32), channel, channel))
def test_lab_to_rgb_has_finite_gradients_everywhere(colour):
    lab = torch.tensor(colour).view(1, 3, 1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(lab_to_rgb(lab).sum(), lab)
    assert gradient.isfinite().all()


def test_rgb_to_lab_refuses_to_be_differentiated():
    with pytest.raises(RuntimeError, match="differentiation"):
        rgb_to_lab(torch.rand(1, 3, 2, 2, requires_grad=True))


def test_pieces_that_are_converted_in_turn_are_as_if_converted_alone(monkeypatch):
    images = pictures()
    whole = rgb_to_lab(images), lab_to_rgb(rgb_to_lab(images))
    monkeypatch.setattr("models.color.CHUNK", 3 * 64)  # three of the seven images at a time
    torch.testing.assert_close(rgb_to_lab(images), whole[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(lab_to_rgb(whole[0]), whole[1], rtol=0, atol=1e-6)
    channels_last = images.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(rgb_to_lab(channels_last), whole[0], rtol=0, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_autocast_does_not_lower_the_precision(dtype):
    expected = rgb_to_lab(pictures(dtype))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(rgb_to_lab(pictures(dtype)), expected)


def test_gradient_at_black_is_that_of_the_straight_segment():
    lab = torch.zeros(1, 3, 1, 1, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(lab_to_rgb(lab, clip=False).sum(), lab)
    step = torch.tensor([1e-4, 0, 0], dtype=torch.float64).view(1, 3, 1, 1)
    secant = (lab_to_rgb(lab + step, clip=False) - lab_to_rgb(lab, clip=False)).sum() / 1e-4
    assert gradient[0, 0].item() == pytest.approx(secant.item(), rel=1e-3)
    assert gradient[0, 0].item() > 0


def test_as_images_keeps_memory_layout_and_values():
    pixels = torch.arange(2 * 4 * 5 * 3, dtype=torch.uint8).view(2, 4, 5, 3)
    images = as_images(pixels)
    assert images.shape == (2, 3, 4, 5)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert images[1, 2, 3, 4].item() == pytest.approx(pixels[1, 3, 4, 2].item() / 255)


def test_gray_weights():
    images = torch.eye(3).view(1, 3, 1, 3)
    torch.testing.assert_close(gray(images).flatten(), torch.tensor([0.2989, 0.587, 0.114]))


@pytest.mark.parametrize("name", list(NORMALISATIONS))
def test_normalisations_invert(name):
    x = torch.rand(2, input_channels(name), 4, 4) * 80
    torch.testing.assert_close(denormalise(normalise(x, name), name), x)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("L/100", 100, 1),
        ("L/50-1", 0, -1),
        ("(L-50)/100", 100, 0.5),
        ("L-50", 20, -30),
        ("ab/128", -64, -0.5),
        ("ab/110", 110, 1),
        ("gray[0,1]", 0.3, 0.3),
        ("gray[-1,1]", 0, -1),
        ("rgb[0,1]", 0.7, 0.7),
        ("rgb[-1,1]", 0.75, 0.5),
    ],
)
def test_normalisations_mean_what_their_names_say(name, value, expected):
    x = torch.full((1, input_channels(name), 1, 1), float(value))
    torch.testing.assert_close(normalise(x, name), torch.full_like(x, expected))


def test_network_input_joins_in_order():
    images = pictures()
    lab = rgb_to_lab(images)
    expected = torch.cat((lab[:, :1] / 50 - 1, lab[:, 1:] / 110), dim=1)
    torch.testing.assert_close(network_input(images, "L/50-1,ab/110"), expected)
    torch.testing.assert_close(network_input(images, "L/50-1,ab/110", lab=lab), expected)
    torch.testing.assert_close(network_input(images, "rgb[-1,1]"), images * 2 - 1)
    mixed = network_input(images, "gray[-1,1], ab/128,rgb[0,1]")
    assert mixed.shape[1] == input_channels("gray[-1,1], ab/128,rgb[0,1]") == 6
    torch.testing.assert_close(mixed[:, :1], gray(images) * 2 - 1)
    torch.testing.assert_close(mixed[:, 1:3], lab[:, 1:] / 128)
    assert input_spaces("ab/110,gray[0,1]") == ("ab", "gray")


@pytest.mark.parametrize("inputs", ["", "L", "L/50-1,", "rgb[0,1],hue"])
def test_unknown_input_names_the_known(inputs):
    with pytest.raises(ValueError, match=r"unknown input .*L/50-1.*rgb\[-1,1\]"):
        network_input(pictures(), inputs)
