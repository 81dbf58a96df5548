import numpy as np
import pytest
import torch
from torch import nn

from probes.network_classifier import NetworkClassifier, draw_trials
from probes.training import Training


def _classifier(trials, *, select_epoch="last", steps=40):
    training = Training(
        steps=steps, max_epochs=20, batch_size=8, lr=1e-2, weight_decay=0.0, schedule="constant"
    )
    return NetworkClassifier(
        lambda trial, n_classes, X: nn.Sequential(
            nn.Linear(X.shape[1], 8), nn.Linear(8, n_classes)
        ),
        trials,
        training,
        select_epoch=select_epoch,
    )


def _data(n=32, seed=0):
    X = torch.from_numpy(np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32))
    return X, (X[:, 0] > 0).long().numpy()


def test_trials_replace_the_rate_and_divergence_scores_nothing():
    classifier = _classifier([{"lr": 1e-2}, {"lr": 1e30}, {"lr": 0.0}])
    scores = classifier.validate(*_data(), *_data(seed=1))
    assert scores[0] > 0.8 and scores[1] == 0
    start = _classifier([{"lr": 0.0}], steps=1).fit(*_data(), 0).network_
    still = classifier.fit(*_data(), 2).network_
    assert torch.equal(start[0].weight, still[0].weight)
    with pytest.raises(ValueError, match="lower the learning rate"):
        classifier.fit(*_data(), 1)


def test_validation_scores_the_fitted_network():
    classifier = _classifier([{"lr": 1e-3}, {"lr": 1e-2}])
    X_val, y_val = _data(seed=1)
    scores = classifier.validate(*_data(), X_val, y_val)
    for trial in range(2):
        proba = classifier.fit(*_data(), trial).predict_proba(X_val)
        assert scores[trial] == (proba.argmax(1) == y_val).mean()


def test_best_epoch_is_reported_and_refitted():
    X_val, y_val = _data(9, seed=3)
    flipped = 1 - y_val
    last = _classifier([{}]).validate(*_data(), X_val, flipped)
    best = _classifier([{}], select_epoch="best_on_val")
    scores = best.validate(*_data(), X_val, flipped)
    # Learning the opposite of the validation labels: an early epoch is the best one.
    assert scores[0] > last[0] and best.best_epochs_[0][0] < 10
    proba = best.fit(*_data(), 0).predict_proba(X_val)
    assert (proba.argmax(1) == flipped).mean() == scores[0]


def test_draws_are_distinct_and_nested():
    grid = {"lr": (1.0, 2.0, 3.0), "dropout": (0.0, 0.5)}
    default = {"lr": 2.0, "dropout": 0.5}
    trials = draw_trials(default, grid, 6)
    assert trials[0] == default and draw_trials(default, grid, 3) == trials[:3]
    assert len({tuple(trial.values()) for trial in trials}) == 6
    with pytest.raises(ValueError, match="at least 1"):
        draw_trials(default, grid, 0)


def test_draws_beyond_the_grid_lie_between_its_ends():
    grid = {"lr": (1e-4, 1e-2), "dropout": (0.0, 0.5)}
    trials = draw_trials({"lr": 1e-4, "dropout": 0.0}, grid, 2004)
    assert trials[:50] == draw_trials(trials[0], grid, 50)
    rates, dropouts = (np.array([trial[name] for trial in trials[4:]]) for name in grid)
    assert rates.min() >= 1e-4 and rates.max() <= 1e-2 and np.ptp(dropouts) < 0.5
    assert abs(np.mean(np.log10(rates)) + 3) < 0.05, "log-uniform"
    assert abs(dropouts.mean() - 0.25) < 0.01, "uniform"
