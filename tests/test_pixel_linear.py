import numpy as np

from probes.linear import LinearProbe
from probes.pixel_linear import PixelLinear


def test_is_the_linear_probe_of_averaged_pixels():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (30, 8, 8, 3), dtype=np.uint8), np.arange(30) % 3
    small = X.reshape(30, 4, 2, 4, 2, 3).mean((2, 4)).round().reshape(30, -1) / 255
    expected = (
        LinearProbe().fit(small.astype(np.float32), y, 2).predict_proba(small.astype(np.float32))
    )
    reached = PixelLinear(size=4).fit(X, y, 2).predict_proba(X)
    np.testing.assert_allclose(reached, expected, atol=1e-5)


def test_folds_are_validated_together_as_one_by_one():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (24, 8, 8, 3), dtype=np.uint8), np.arange(24) % 3
    folds = [(np.arange(24) % 4 != i, np.arange(24) % 4 == i) for i in range(4)]
    folds = [(np.flatnonzero(a), np.flatnonzero(b)) for a, b in folds]
    probe = PixelLinear(size=4, weight_decays=(1.0, 0.1))
    apart = [probe.validate(X[a], y[a], X[b], y[b]) for a, b in folds]
    np.testing.assert_array_equal(probe.validate_folds(X, y, folds), apart)
