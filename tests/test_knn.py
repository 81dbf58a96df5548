import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier

from probes.knn import KnnProbe


def _data(n=60, d=8, c=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % c
    return (rng.normal(size=(c, d))[y] + rng.normal(size=(n, d))).astype(np.float32), y


def _by_hand(X, y, queries, k, temperature):
    rows = []
    for query in queries:
        cosine = X @ query / np.linalg.norm(X, axis=1) / np.linalg.norm(query)
        nearest = np.argsort(-cosine)[:k]
        votes = np.zeros(y.max() + 1)
        for index in nearest:
            votes[y[index]] += np.exp(cosine[index] / temperature)
        rows.append(votes / votes.sum())
    return np.array(rows)


def test_votes_are_those_of_a_loop():
    (X, y), (queries, _) = _data(), _data(20, seed=1)
    probe = KnnProbe(neighbours=[7], temperatures=[0.1]).fit(X, y, 0)
    np.testing.assert_allclose(
        probe.predict_proba(queries), _by_hand(X, y, queries, 7, 0.1), atol=1e-5
    )


def test_even_votes_are_those_of_scikit_learn():
    (X, y), (queries, _) = _data(), _data(20, seed=1)
    reference = KNeighborsClassifier(5, metric="cosine").fit(X, y)
    probe = KnnProbe(neighbours=[5], temperatures=[1e6]).fit(X, y, 0)
    np.testing.assert_allclose(
        probe.predict_proba(queries), reference.predict_proba(queries), atol=1e-5
    )


def test_one_search_scores_every_trial_as_its_own_fit():
    (X, y), (X_val, y_val) = _data(), _data(31, seed=2)
    probe = KnnProbe()
    scores = probe.validate(X, y, X_val, y_val)
    for trial in range(len(probe.trials)):
        proba = probe.fit(X, y, trial).predict_proba(X_val)
        assert scores[trial] == (proba.argmax(1) == y_val).mean()


def test_k_is_capped_below_the_number_of_images():
    X, y = _data(4, c=2)
    large = KnnProbe(neighbours=[200], temperatures=[0.1]).fit(X, y, 0).predict_proba(X)
    three = KnnProbe(neighbours=[3], temperatures=[0.1]).fit(X, y, 0).predict_proba(X)
    assert np.array_equal(large, three)


def test_default_is_the_customary_trial_and_larger_k_come_first():
    probe = KnnProbe()
    assert probe.trials[probe.default] == {"k": 20, "temperature": 0.07}
    assert probe.trials[0] == {"k": 200, "temperature": 0.2}
    with pytest.raises(ValueError, match="k must be at least 1"):
        KnnProbe(neighbours=[0])


def test_latents_of_no_length_do_not_crash():
    X, y = np.zeros((6, 3), dtype=np.float32), np.arange(6) % 2
    assert np.isfinite(KnnProbe().fit(X, y, 0).predict_proba(X)).all()
