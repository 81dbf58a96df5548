import numpy as np
import torch

from probes.color_statistics import ColorStatistics, cell_moments, color_histogram


def _pixels(n=5, side=8):
    return np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def test_moments_are_those_of_numpy_in_each_cell():
    pixels = _pixels()
    cells = pixels.reshape(5, 2, 4, 2, 4, 3) / 255
    means = cells.mean((2, 4)).transpose(0, 3, 1, 2).reshape(5, 12)
    deviations = cells.std((2, 4)).transpose(0, 3, 1, 2).reshape(5, 12)
    moments = cell_moments(torch.from_numpy(pixels), grid=2).numpy()
    np.testing.assert_allclose(moments, np.concatenate([means, deviations], axis=1), atol=1e-5)


def test_histogram_is_that_of_numpy():
    pixels = _pixels()
    expected = [
        np.histogramdd(image.reshape(-1, 3), bins=4, range=[(0, 256)] * 3)[0].ravel() / 64
        for image in pixels
    ]
    reached = color_histogram(torch.from_numpy(pixels), bins=4).square().numpy()
    np.testing.assert_allclose(reached, expected, atol=1e-6)


def test_histogram_ignores_where_a_colour_is():
    pixels = _pixels()
    mixed = pixels.reshape(5, 64, 3)[:, ::-1].reshape(pixels.shape)
    both = [color_histogram(torch.from_numpy(p.copy()), bins=4) for p in (pixels, mixed)]
    torch.testing.assert_close(*both)


def test_features_are_moments_then_histogram():
    features = ColorStatistics(grid=2, bins=3)._features(_pixels())
    assert features.shape == (5, 6 * 4 + 27)


def test_folds_are_validated_together_as_one_by_one():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8), np.arange(24) % 3
    folds = [(np.arange(24) % 4 != i, np.arange(24) % 4 == i) for i in range(4)]
    folds = [(np.flatnonzero(a), np.flatnonzero(b)) for a, b in folds]
    probe = ColorStatistics(weight_decays=(1.0, 0.1))
    apart = [probe.validate(X[a], y[a], X[b], y[b]) for a, b in folds]
    np.testing.assert_array_equal(probe.validate_folds(X, y, folds), apart)
