"""Label budgets and validation folds of benchmarks/splits.py."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.errors import ConfigError, DataError
from benchmarks.splits import label_budget, validation_folds


def pooled() -> tuple[np.ndarray, np.ndarray]:
    """Labels of 5 classes, and a pool of 10 images of each, in no regular order."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(5), 100))
    return labels, np.sort([i for c in range(5) for i in np.flatnonzero(labels == c)[3:100:10]])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 10), st.integers(0, 3), st.integers(0, 3))
def test_budgets_are_nested_and_exact(small, large, draw, seed):
    labels, pool = pooled()
    small, large = min(small, large), max(small, large)
    one, two = (
        label_budget(labels, pool, labels_per_class=k, draw=draw, seed=seed) for k in (small, large)
    )
    assert np.isin(one, two).all()
    assert np.isin(two, pool).all()
    assert (np.bincount(labels[one], minlength=5) == small).all()
    assert (np.bincount(labels[two], minlength=5) == large).all()


def test_draws_differ_and_a_class_does_not_depend_on_the_others():
    labels, pool = pooled()
    draws = [label_budget(labels, pool, labels_per_class=3, draw=d, seed=0) for d in range(4)]
    assert len({tuple(ids) for ids in draws}) == 4
    some = pool[np.isin(labels[pool], [1, 4])]
    alone = label_budget(labels, some, labels_per_class=3, draw=0, seed=0)
    np.testing.assert_array_equal(alone, draws[0][np.isin(labels[draws[0]], [1, 4])])


def test_too_large_a_budget_is_explained():
    labels, pool = pooled()
    with pytest.raises(DataError, match="class a has 10 labelled images, 11 are asked"):
        label_budget(
            labels,
            pool,
            labels_per_class=11,
            draw=0,
            seed=0,
            class_names=tuple("abcde"),
        )
    with pytest.raises(ConfigError):
        label_budget(labels, pool, labels_per_class=0, draw=0, seed=0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=6), st.integers(1, 6), st.integers(0, 3))
def test_validation_folds_are_stratified(counts, n_folds, seed):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    folds = validation_folds(labels, n_folds, seed)
    if min(counts) < 2:
        assert folds == []
        return
    assert len(folds) == (1 if n_folds == 1 else min(n_folds, min(counts)))
    for train, val in folds:
        np.testing.assert_array_equal(np.union1d(train, val), np.arange(len(labels)))
        assert not np.intersect1d(train, val).size
        assert set(labels[train]) == set(labels[val]) == set(range(len(counts)))
    if n_folds > 1:
        everything = np.sort(np.concatenate([val for _, val in folds]))
        np.testing.assert_array_equal(everything, np.arange(len(labels)))
        sizes = [len(val) for _, val in folds]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("labels_each", "kept"), [(5, 5), (10, 5), (25, 2), (75, 1), (2, 2)])
def test_folds_end_with_the_one_that_has_images_enough(labels_each, kept):
    """As in preset=cpu: five folds of 101 classes, until they had 1,000 images."""
    labels = np.repeat(np.arange(101), labels_each)
    whole, first = (
        validation_folds(labels, 5, 0),
        validation_folds(labels, 5, 0, validation_images=1000),
    )
    assert len(first) == kept
    for (train, held), (same_train, same_held) in zip(first, whole, strict=False):
        np.testing.assert_array_equal(train, same_train)
        np.testing.assert_array_equal(held, same_held)
    assert kept == len(whole) or sum(len(held) for _, held in first) >= 1000


def test_no_validation_folds_is_a_mistake():
    with pytest.raises(ConfigError):
        validation_folds(np.array([0, 0, 1, 1]), 0, 0)
