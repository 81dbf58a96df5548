import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

import probes.linear
from probes.linear import WEIGHT_DECAYS, LinearProbe


def _data(n, d, c, seed=0, noise=1.0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % c
    X = rng.normal(size=(c, d))[y] + noise * rng.normal(size=(n, d))
    return X.astype(np.float32), y


def _collinear():
    X, y = _data(90, 6, 3)
    return np.concatenate([X, 2 * X, X[:, :1] * 1e-3 + 5], axis=1), y


def _standardised(X):
    std = X.std(0, dtype=np.float64)
    return (X - X.mean(0, dtype=np.float64)) / np.where(std > 0, std, 1)


def _objective(weight, bias, X, y, decay):
    logits = X @ weight + bias
    logits = logits - logits.max(1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    return -log_p[np.arange(len(y)), y].mean() + decay / 2 * np.square(weight).sum()


CASES = {
    "n > d": _data(200, 12, 5, noise=3.0),
    "d > n": _data(40, 150, 4, noise=3.0),
    "one label a class": _data(10, 64, 10),
    "few labels": _data(30, 20, 10, noise=2.0),
    "collinear": _collinear(),
}


@pytest.mark.parametrize("decay", [1.0, 1e-2, WEIGHT_DECAYS[-1]])
@pytest.mark.parametrize("case", CASES)
def test_objective_is_that_of_scikit_learn(case, decay):
    X, y = CASES[case]
    Z = _standardised(X.astype(np.float64))
    reference = LogisticRegression(C=1 / (len(y) * decay), max_iter=20000, tol=1e-9).fit(Z, y)
    expected = _objective(reference.coef_.T, reference.intercept_, Z, y, decay)
    probe = LinearProbe(weight_decays=[decay]).fit(X, y, 0)
    weight, bias, _ = probe.solution_
    reached = _objective(weight.double().numpy(), bias.double().numpy(), Z, y, decay)
    assert probe.converged_
    assert reached == pytest.approx(expected, rel=1e-4)


def test_raw_features_and_their_probabilities_are_those_of_scikit_learn():
    X, y = _data(150, 10, 4, noise=2.0)
    X = X * np.linspace(0.2, 4, 10, dtype=np.float32) + 3
    reference = LogisticRegression(C=1 / (len(y) * 0.05), max_iter=20000, tol=1e-9)
    expected = reference.fit(X.astype(np.float64), y).predict_proba(X.astype(np.float64))
    probe = LinearProbe(weight_decays=[0.05], normalise=["none"], tol=1e-7).fit(X, y, 0)
    np.testing.assert_allclose(probe.predict_proba(X), expected, atol=2e-3)


@pytest.mark.parametrize("name", ["l2", "standardise+l2"])
def test_latents_of_unit_length_are_classified_as_by_scikit_learn(name):
    X, y = _data(150, 10, 4, noise=2.0)
    X = X * np.linspace(0.2, 4, 10, dtype=np.float32) + 3
    first = [StandardScaler()] if name.startswith("standardise") else []
    reference = LogisticRegression(C=1 / (100 * 1.5e-3), max_iter=20000, tol=1e-9)
    pipeline = make_pipeline(*first, Normalizer(), reference).fit(
        X[:100].astype(np.float64), y[:100]
    )
    probe = LinearProbe(weight_decays=[1.5e-3], normalise=[name], tol=1e-7).fit(X[:100], y[:100], 0)
    expected = pipeline.predict_proba(X[100:].astype(np.float64))
    np.testing.assert_allclose(probe.predict_proba(X[100:]), expected, atol=2e-3)


def test_every_normalisation_meets_every_decay():
    X, y = _data(60, 8, 3, noise=3.0)
    X = X * np.linspace(0.1, 9, 8, dtype=np.float32)
    both = LinearProbe(weight_decays=[1.0, 0.01], normalise=["none", "standardise+l2"])
    assert [trial["normalise"] for trial in both.trials] == 2 * ["none"] + 2 * ["standardise+l2"]
    part = np.arange(60) // 3 % 3
    folds = [(np.flatnonzero(part != i), np.flatnonzero(part == i)) for i in range(3)]
    scores = both.validate_folds(X, y, folds)
    for i, name in enumerate(both.normalise):
        alone = LinearProbe(weight_decays=[1.0, 0.01], normalise=[name])
        np.testing.assert_array_equal(
            scores[:, 2 * i : 2 * i + 2], alone.validate_folds(X, y, folds)
        )
    assert not np.array_equal(scores[:, :2], scores[:, 2:])
    with pytest.raises(ValueError, match="unknown normalisation 'l3'"):
        LinearProbe(normalise=["l3"]).fit(X, y, 0)


def test_path_agrees_with_single_fits():
    X, y = _data(120, 15, 6, noise=4.0)
    X_val, y_val = _data(90, 15, 6, noise=4.0)
    probe = LinearProbe(tol=1e-6)
    scores = probe.validate(X, y, X_val, y_val)
    single = [
        (probe.fit(X, y, t).predict_proba(X_val).argmax(1) == y_val).mean()
        for t in range(len(probe.trials))
    ]
    np.testing.assert_allclose(scores, single, atol=1.01 / len(y_val))


@pytest.mark.parametrize(("n", "d"), [(90, 12), (40, 60), (83, 70)])
@pytest.mark.parametrize("chunk_bytes", [1, 2**28])
def test_folds_together_score_as_each_alone(monkeypatch, n, d, chunk_bytes):
    monkeypatch.setattr(probes.linear, "_CHUNK_BYTES", chunk_bytes)
    X, y = _data(n, d, 4, noise=3.0)
    part = np.arange(n) // 4 % 3
    folds = [(np.flatnonzero(part != f), np.flatnonzero(part == f)) for f in range(3)]
    probe = LinearProbe()
    together = probe.validate_folds(X, y, folds)
    alone = [probe.validate(X[a], y[a], X[b], y[b]) for a, b in folds]
    assert together.shape == (3, len(probe.trials))
    np.testing.assert_allclose(together, alone, atol=1.01 / (n // 3))
    assert np.mean(together == alone) > 0.9


def test_decays_need_not_be_equally_spaced():
    X, y = _data(60, 10, 3, noise=3.0)
    X_val, y_val = _data(90, 10, 3, noise=3.0)
    probe = LinearProbe(weight_decays=[1.0, 1.0, 0.9, 1e-4], tol=1e-6)
    scores = probe.validate(X, y, X_val, y_val)
    single = [
        (probe.fit(X, y, t).predict_proba(X_val).argmax(1) == y_val).mean()
        for t in range(len(probe.trials))
    ]
    np.testing.assert_allclose(scores, single, atol=1.01 / len(y_val))


def test_trials_run_from_strong_to_weak_and_edges_are_noted():
    X, y = _data(20, 4, 2)
    probe = LinearProbe(weight_decays=[0.1, 10.0, 1.0])
    assert [trial["weight_decay"] for trial in probe.trials] == [10.0, 1.0, 0.1]
    assert probe.default == 1
    assert [probe.fit(X, y, t).at_edge_ for t in range(3)] == [True, False, True]
    assert not LinearProbe(weight_decays=[1.0]).fit(X, y, 0).at_edge_


def test_latents_that_do_not_vary_give_even_probabilities():
    X, y = np.full((20, 7), 0.3, dtype=np.float32), np.arange(20) % 4
    probe = LinearProbe().fit(X, y, 0)
    np.testing.assert_allclose(probe.predict_proba(X + 5), 0.25, atol=1e-6)


def test_degenerate_latents_are_refused():
    X, y = _data(20, 4, 2)
    X[3, 1] = np.inf
    with pytest.raises(ValueError, match="degenerate latents"):
        LinearProbe().fit(X, y, 0)


def test_decay_must_be_positive():
    with pytest.raises(ValueError, match="weight_decays must be positive"):
        LinearProbe(weight_decays=[1.0, 0.0])


def test_unfinished_solution_says_so():
    X, y = _data(200, 12, 5, noise=3.0)
    assert not LinearProbe(weight_decays=[1e-5], max_iter=1).fit(X, y, 0).converged_
