import numpy as np
import pytest
import torch
from torch import nn

from probes.scratch import ScratchClassifier


class _Network(nn.Sequential):
    def __init__(self, n_classes):
        super().__init__(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, n_classes),
        )


def _pictures(n=24, side=8, seed=0):
    """Pictures whose class is the brightest channel."""
    rng, y = np.random.default_rng(seed), np.arange(n) % 3
    X = rng.integers(0, 120, (n, side, side, 3), dtype=np.uint8)
    X[np.arange(n), :, :, y] += 100
    return X, y


@pytest.mark.parametrize("augment", ["none", "flip_crop", "trivial"])
def test_learns_from_pixels(augment):
    probe = ScratchClassifier(
        network=_Network, size=4, steps=60, batch_size=8, lr=1e-2, n_trials=1, augment=augment
    )
    X_val, y_val = _pictures(seed=1)
    accuracy = (probe.fit(*_pictures(), 0).predict_proba(X_val).argmax(1) == y_val).mean()
    assert accuracy > 0.8


def test_network_sees_the_small_pictures_in_zero_to_one():
    seen = []

    class Watching(_Network):
        def forward(self, x):
            seen.append((tuple(x.shape), float(x.min()), float(x.max())))
            return super().forward(x)

    probe = ScratchClassifier(network=Watching, size=4, steps=1, batch_size=64, augment="none")
    probe.fit(*_pictures(), 0)
    shape, low, high = seen[0]
    assert shape == (24, 3, 4, 4) and 0 <= low < 0.5 < high <= 1


def test_first_trial_is_the_given_one():
    probe = ScratchClassifier(network=_Network, lr=7e-4, weight_decay=0.03, n_trials=4)
    assert probe.trials[0] == {"lr": 7e-4, "weight_decay": 0.03} and probe.default == 0
    assert len(probe.trials) == 4


def test_best_epoch_is_passed_on():
    probe = ScratchClassifier(
        network=_Network, steps=6, batch_size=8, n_trials=1, select_epoch="best_on_val"
    )
    probe.validate(*_pictures(), *_pictures(seed=1))
    assert 1 <= probe.classifier_.best_epochs_[0][0] <= 2


def test_batch_order_and_start_are_the_seeds():
    def weights(seed):
        probe = ScratchClassifier(network=_Network, steps=5, batch_size=8, seed=seed)
        return torch.cat(
            [p.flatten() for p in probe.fit(*_pictures(), 0).classifier_.network_.parameters()]
        )

    assert torch.equal(weights(1), weights(1)) and not torch.equal(weights(1), weights(2))
