"""The curves and products behind Lab, against the formulas of IEC 61966-2-1 and CIE 15."""

import numpy as np
import pytest
import torch

from models.cie import lab_of_linear, linear_of_bytes, linear_of_floats, rgb_of_lab


def linear_by_formula(srgb: np.ndarray) -> np.ndarray:
    return np.where(srgb > 0.04045, ((srgb + 0.055) / 1.055) ** 2.4, srgb / 12.92)


def every_pair() -> torch.Tensor:
    """Pictures of two pixels, each channel one pair of bytes."""
    first, second = torch.meshgrid(torch.arange(256), torch.arange(256), indexing="ij")
    return torch.stack((first, second) * 3, -1).byte().view(-1, 3, 1, 2)


@pytest.mark.parametrize("width", [2, 1])  # three bytes are looked up one by one
def test_bytes_are_looked_up_in_their_order(width):
    images = every_pair()[..., :width]
    linear = torch.full(images.shape, torch.nan)
    linear_of_bytes(images, out=linear)
    np.testing.assert_allclose(linear.numpy(), linear_by_formula(images.numpy() / 255), rtol=1e-6)


def test_floats_go_through_the_same_curve():
    images = torch.linspace(0, 1, 3 * 40 * 25).view(1, 3, 40, 25)
    linear, scratch = torch.empty_like(images), torch.empty_like(images)
    linear_of_floats(images, out=linear, scratch=scratch)
    np.testing.assert_allclose(linear, linear_by_formula(images.double().numpy()), atol=3e-7)


@pytest.mark.parametrize(
    ("linear", "lab"),
    [((0, 0, 0), (0, 0, 0)), ((1, 1, 1), (100, 0, 0)), ((1, 0, 0), (53.2408, 80.0925, 67.2032))],
)
def test_lab_of_known_colours(linear, lab):
    given = torch.tensor(linear, dtype=torch.float32).view(1, 3, 1, 1)
    found = torch.empty_like(given)
    lab_of_linear(given.clone(), out=found)
    torch.testing.assert_close(found.flatten(), torch.tensor(lab).float(), atol=6e-3, rtol=0)
    back = rgb_of_lab(found).double().numpy()
    np.testing.assert_allclose(linear_by_formula(back), given.numpy(), atol=1e-4)
