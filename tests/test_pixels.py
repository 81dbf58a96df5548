import numpy as np
import pytest
import torch

from probes.pixels import Augmenter, downsample, keyed_generator, to_images


def _pixels(n=6, side=8, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def test_downsampling_averages_areas():
    pixels = _pixels()
    expected = pixels.reshape(6, 4, 2, 4, 2, 3).mean((2, 4))
    assert np.abs(downsample(pixels, 4).numpy() - expected).max() <= 0.5
    assert np.array_equal(downsample(pixels, None).numpy(), pixels)


def test_upsampling_is_refused():
    with pytest.raises(ValueError, match="smaller than size=16"):
        downsample(_pixels(), 16)


def test_images_are_rgb_in_zero_to_one():
    pixels = torch.from_numpy(_pixels())
    images = to_images(pixels)
    assert images.shape == (6, 3, 8, 8)
    assert float(images[2, 1, 3, 4]) == pytest.approx(float(pixels[2, 3, 4, 1]) / 255)


@pytest.mark.parametrize("augment", ["flip_crop", "trivial"])
def test_a_view_does_not_depend_on_the_batch(augment):
    pixels = torch.from_numpy(_pixels(20, 16))
    views = Augmenter(augment, seed=1, epoch=2, n_samples=20)
    whole = views(pixels, torch.arange(20))
    part = torch.tensor([7, 3])
    assert torch.equal(views(pixels[part], part), whole[part])
    other = Augmenter(augment, seed=1, epoch=3, n_samples=20)(pixels, torch.arange(20))
    assert not torch.equal(whole, other) and not torch.equal(whole, pixels)


def test_shifts_and_flips_are_those_of_the_draws():
    pixels = torch.from_numpy(_pixels(1, 8))
    views = Augmenter("flip_crop", seed=0, epoch=0, n_samples=1)
    views.draws = torch.tensor([[0.99, 0.5, 0.9]])
    shifted = views(pixels, torch.arange(1))
    assert torch.equal(shifted[:, :7], pixels[:, 1:]) and torch.equal(shifted[:, 7], pixels[:, 7])
    views.draws = torch.tensor([[0.5, 0.5, 0.1]])
    assert torch.equal(views(pixels, torch.arange(1)), pixels.flip(2))


def test_augmentation_leaves_the_global_generator_alone():
    pixels = torch.from_numpy(_pixels(4))
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    Augmenter("trivial", seed=0, epoch=0, n_samples=4)(pixels, torch.arange(4))
    assert torch.equal(torch.rand(1), expected)


def test_generators_differ_with_any_part_of_the_key():
    draws = {
        float(torch.rand(1, generator=keyed_generator(*key))) for key in [(0, 1), (1, 0), (0,)]
    }
    assert len(draws) == 3
