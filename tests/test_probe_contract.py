"""Every probe and baseline keeps the same contract, on a tiny separable problem."""

from functools import partial

import numpy as np
import pytest
from torch import nn

from probes.chance import Chance
from probes.color_statistics import ColorStatistics
from probes.conv_head import ConvHead
from probes.finetune import Finetune
from probes.knn import KnnProbe
from probes.linear import LinearProbe
from probes.mlp import MlpProbe
from probes.pixel_linear import PixelLinear
from probes.scratch import ScratchClassifier


class _Network(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.head = nn.Linear(8, n_classes)

    def forward(self, images):
        return self.head(self.encoder(images).mean((2, 3)))


_SHORT = {"steps": 40, "batch_size": 16, "n_trials": 2}
LATENT = {
    "linear": LinearProbe,
    "mlp": partial(MlpProbe, width=16, **_SHORT),
    "knn": KnnProbe,
    "conv_head": partial(ConvHead, **_SHORT),
    "chance": Chance,
}
PIXEL = {
    "scratch": partial(ScratchClassifier, network=_Network, lr=3e-2, **_SHORT),
    "finetune": partial(Finetune, network=_Network, lr=3e-2, encoder_lr_scale=0.5, **_SHORT),
    "pixel_linear": partial(PixelLinear, size=4),
    "color_statistics": partial(ColorStatistics, grid=2, bins=2),
}
ALL = LATENT | PIXEL


def _data(name, n=24, seed=0):
    """Return inputs of the probe's kind in which one channel gives the class away."""
    rng, y = np.random.default_rng(seed), np.arange(n) % 3
    if name in PIXEL:
        pixels = rng.integers(0, 120, (n, 8, 8, 3), dtype=np.uint8)
        pixels[np.arange(n), :, :, y] += 100
        return pixels, y
    latents = rng.normal(size=(n, 4, 3, 3)).astype(np.float32)
    latents[np.arange(n), y] += 3
    return latents, y


@pytest.fixture(params=list(ALL))
def name(request):
    return request.param


def test_fit_returns_self_and_rows_are_distributions(name):
    (X, y), (X_test, _) = _data(name), _data(name, 11, seed=1)
    probe = ALL[name]()
    assert 0 <= probe.default < len(probe.trials)
    assert probe.fit(X, y, probe.default) is probe
    proba = probe.predict_proba(X_test)
    assert proba.shape == (11, 3) and (proba >= 0).all()
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-6)


def test_same_seed_gives_identical_predictions(name):
    (X, y), (X_test, _) = _data(name), _data(name, 11, seed=1)
    first, second = (ALL[name](seed=3).fit(X, y, 0).predict_proba(X_test) for _ in range(2))
    assert np.array_equal(first, second)


def test_validate_scores_every_trial(name):
    probe = ALL[name]()
    scores = probe.validate(*_data(name), *_data(name, 30, seed=1))
    assert scores.shape == (len(probe.trials),)
    assert (scores >= 0).all() and (scores <= 1).all()
    if name != "chance":
        assert scores[probe.default] > 0.6


def test_labels_must_be_zero_to_c(name):
    X, y = _data(name)
    for labels in (y + 1, np.where(y == 1, 5, y)):
        with pytest.raises(ValueError, match=r"labels must be 0\.\.c-1"):
            ALL[name]().fit(X, labels, 0)


def test_one_label_a_class_is_enough(name):
    (X, y), (X_test, _) = _data(name, 3), _data(name, 5, seed=1)
    probe = ALL[name]()
    proba = probe.fit(X, y, probe.default).predict_proba(X_test)
    assert np.isfinite(proba).all() and proba.shape == (5, 3)


def test_an_input_is_judged_alone(name):
    if name == "chance":
        pytest.skip("chance knows positions only")
    (X, y), (X_test, _) = _data(name), _data(name, 9, seed=1)
    probe = ALL[name]().fit(X, y, 0)
    whole, part = probe.predict_proba(X_test), probe.predict_proba(X_test[4:6])
    np.testing.assert_allclose(part, whole[4:6], atol=1e-5)
