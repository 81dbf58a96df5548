import numpy as np
import pytest

from probes.mlp import MlpProbe


def test_trials_are_drawn_once_and_start_with_the_default():
    few, many = MlpProbe(n_trials=3, seed=0), MlpProbe(n_trials=27, seed=5)
    assert few.trials == many.trials[:3] and few.default == 0
    assert few.trials[0] == {"lr": 1e-3, "weight_decay": 1e-2, "dropout": 0.5}
    assert len({tuple(trial.values()) for trial in many.trials}) == 27
    assert MlpProbe(n_trials=30).trials[:27] == many.trials


def test_learns_what_no_line_separates():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(200, 2)).astype(np.float32) * [1, 1000] + [0, 5000]
    X = X.astype(np.float32)
    y = ((X[:, 0] > 0) ^ (X[:, 1] > 5000)).astype(np.int64)
    probe = MlpProbe(n_trials=1, width=64, steps=300).fit(X, y, 0)
    assert (probe.predict_proba(X).argmax(1) == y).mean() > 0.9


def data(n=90, d=6, n_classes=3):
    y = np.arange(n) % n_classes
    signal = np.pad(np.eye(n_classes)[y], ((0, 0), (0, d - n_classes)))
    X = np.random.default_rng(0).normal(size=(n, d)) + signal
    return X.astype(np.float32), y


def test_network_has_one_hidden_layer_with_the_trials_dropout():
    X, y = np.random.default_rng(0).normal(size=(12, 2, 2, 2)).astype(np.float32), np.arange(12) % 3
    probe = MlpProbe(n_trials=2, width=16, steps=2).fit(X, y, 1)
    assert sum(p.numel() for p in probe.network_.parameters()) == 8 * 16 + 16 + 16 * 3 + 3
    assert probe.network_.rates.tolist() == [[probe.trials[1]["dropout"]]]


def test_a_trial_scores_as_if_it_were_trained_alone():
    X, y = data()
    probe = MlpProbe(n_trials=4, width=8, steps=40, batch_size=16)
    scores = probe.validate(X[:45], y[:45], X[45:], y[45:])
    for trial, score in enumerate(scores):
        alone = MlpProbe(n_trials=4, width=8, steps=40, batch_size=16).fit(X[:45], y[:45], trial)
        assert (alone.predict_proba(X[45:]).argmax(1) == y[45:]).mean() == score
    assert len(set(scores)) > 1


def test_a_trial_that_diverges_scores_0_and_spoils_no_other():
    X, y = data()
    probe = MlpProbe(n_trials=2, width=8, steps=40, batch_size=16)
    sound = probe.validate(X, y, X, y)
    probe.trials[1]["lr"] = 1e30
    with_wild = probe.validate(X, y, X, y)
    assert with_wild.tolist() == [sound[0], 0.0]
    with pytest.raises(ValueError, match="loss became"):
        probe.fit(X, y, 1)
    probe.trials[0]["lr"] = 1e30
    assert probe.validate(X, y, X, y).tolist() == [0.0, 0.0]
