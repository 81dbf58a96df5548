"""Which tap and trial `scoring.select` takes, and which images it looks at for that.

Scores are scripted, so that the right choice is known without any fitting.
"""

import numpy as np
import pytest

from benchmarks.selection import Selection, select


class Scripted:
    """A probe that scores as a table says, by tap, part and trial; features are image ids."""

    def __init__(self, scores):
        self.scores, self.calls = scores, []
        self.trials = [{"trial": i} for i in range(np.shape(scores)[-1])]
        self.default = len(self.trials) - 1

    def validate(self, X, y, X_val, y_val):
        tap = int(X[0, 0])
        part = sum(call[0] == tap for call in self.calls)
        self.calls.append((tap, *(set(ids[:, 1].tolist()) for ids in (X, X_val))))
        return np.array(self.scores[tap][part])


class Ids:
    """Features that say from which tap and image they are."""

    def __init__(self, *taps):
        self.taps = taps

    def take(self, tap, ids):
        return np.stack([np.full(len(ids), self.taps.index(tap)), ids], 1)


def chosen(scores, taps=("a", "b"), *, folds=2, each=4, **more):
    probe, y = Scripted(scores), np.repeat([0, 1, 2], each)
    how = {"selection": Selection(folds=folds), "seed": 0, "default_tap": taps[-1]}
    ids = 10 + np.arange(len(y))
    return select(probe, Ids(*taps), ids, y, **how, **more), probe, set(ids.tolist())


def test_no_more_parts_than_have_the_images_asked_for():
    y = np.repeat([0, 1, 2], 10)
    assert len(Selection(folds=5).parts(y, seed=0)) == 5
    assert len(Selection(folds=5, validation_images=7).parts(y, seed=0)) == 2
    assert len(Selection(folds=5, validation_images=6).parts(y, seed=0)) == 1


def test_the_best_mean_over_the_parts_wins():
    choice, probe, ids = chosen([[[0.9, 0.5], [0.1, 0.5]], [[0.6, 0.2], [0.6, 0.3]]])
    assert (choice["tap"], choice["trial"], choice["settings"]) == ("b", 0, {"trial": 0})
    assert choice["scores"] == {"a": [0.5, 0.5], "b": [0.6, pytest.approx(0.25)]}
    assert choice["rule"] == "2 validation part(s) of the pool"
    for _, fitted, held in probe.calls:
        assert fitted | held == ids
        assert not fitted & held
    assert probe.calls[0][2] | probe.calls[1][2] == ids


def test_the_earlier_tap_and_trial_win_a_tie():
    scores = [[[0.1, 0.4, 0.4]], [[0.4, 0.1, 0.1]]]
    choice, probe, _ = chosen(scores, folds=1)
    assert (choice["tap"], choice["trial"]) == ("a", 1)
    assert len(probe.calls) == 2


def test_with_one_label_a_class_the_declared_default_is_taken():
    choice, probe, _ = chosen([[[0.9, 0.1]] * 5] * 2, each=1)
    assert (choice["tap"], choice["trial"], choice["rule"]) == ("b", 1, "declared default")
    assert choice["scores"] == {} and probe.calls == []


def test_with_one_tap_and_one_trial_nothing_is_validated():
    choice, probe, _ = chosen([[[0.9]] * 5], ("only",))
    assert (choice["tap"], choice["trial"], choice["rule"]) == ("only", 0, "nothing to choose")
    assert probe.calls == []


def test_the_test_set_chooses_only_where_that_is_asked_for():
    held = np.array([70, 71]), np.array([0, 1])
    choice, probe, ids = chosen([[[0.2, 0.3]], [[0.1, 0.8]]], held=held)
    assert (choice["tap"], choice["trial"], choice["rule"]) == ("b", 1, "TEST SET")
    assert probe.calls == [(0, ids, {70, 71}), (1, ids, {70, 71})]
