import numpy as np

from probes.chance import Chance


def test_ranking_is_uniform_and_independent_of_the_images():
    y, X = np.arange(40) % 4, np.zeros((4000, 2), dtype=np.float32)
    proba = Chance(seed=1).fit(X[:40], y, 0).predict_proba(X)
    assert np.array_equal(proba, Chance(seed=1).fit(X[:40] + 1, y, 0).predict_proba(X + 9))
    assert not np.array_equal(proba, Chance(seed=2).fit(X[:40], y, 0).predict_proba(X))
    # Four standard deviations of a binomial share.
    for share in (np.bincount(proba.argmax(1)) / 4000, np.bincount(proba.argsort(1)[:, -2]) / 4000):
        assert np.abs(share - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / 4000)


def test_likelihood_is_that_of_chance():
    y = np.arange(40) % 4
    proba = Chance().fit(np.zeros((40, 1), dtype=np.float32), y, 0).predict_proba(np.zeros((40, 1)))
    np.testing.assert_allclose(-np.log(proba[np.arange(40), y]).mean(), np.log(4), atol=1e-3)
