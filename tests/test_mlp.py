import numpy as np
import pytest
import torch

from probes.mlp import MlpProbe


def test_trials_are_drawn_once_and_start_with_the_default():
    few, many = MlpProbe(n_trials=3, seed=0), MlpProbe(n_trials=27, seed=5)
    assert few.trials == many.trials[:3] and few.default == 0
    assert few.trials[0] == {"lr": 1e-3, "weight_decay": 1e-2, "dropout": 0.5}
    assert len({tuple(trial.values()) for trial in many.trials}) == 27
    with pytest.raises(ValueError, match=r"n_trials must be in 1\.\.27"):
        MlpProbe(n_trials=28)


def test_learns_what_no_line_separates():
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, size=(200, 2)).astype(np.float32) * [1, 1000] + [0, 5000]
    X = X.astype(np.float32)
    y = ((X[:, 0] > 0) ^ (X[:, 1] > 5000)).astype(np.int64)
    probe = MlpProbe(n_trials=1, width=64, steps=300).fit(X, y, 0)
    assert (probe.predict_proba(X).argmax(1) == y).mean() > 0.9


def test_network_has_one_hidden_layer_with_the_trials_dropout():
    X, y = np.random.default_rng(0).normal(size=(12, 2, 2, 2)).astype(np.float32), np.arange(12) % 3
    probe = MlpProbe(n_trials=2, width=16, steps=2).fit(X, y, 1)
    network = probe.classifier_.network_
    assert sum(p.numel() for p in network.parameters()) == 8 * 16 + 16 + 16 * 3 + 3
    dropout = next(layer for layer in network if isinstance(layer, torch.nn.Dropout))
    assert dropout.p == probe.trials[1]["dropout"]
