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
