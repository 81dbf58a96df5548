"""Parts of a split against loops that say the rule in another way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.errors import ConfigError
from benchmarks.partition import stratified_pool, without_duplicates


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=1, max_size=40))
def test_duplicates_against_a_loop(images):
    hashes = np.array([str(content) for content, _ in images])
    is_test = np.array([test for _, test in images])
    tested = {h for h, t in zip(hashes, is_test, strict=True) if t}
    kept, met = [], set()
    for i, (content, test) in enumerate(zip(hashes, is_test, strict=True)):
        if not test and content not in tested and content not in met:
            kept.append(i)
            met.add(content)
    np.testing.assert_array_equal(without_duplicates(is_test, hashes), np.array(kept, int))


def test_pool_is_a_fraction_of_each_class():
    labels = np.repeat([0, 1, 2], [1, 14, 200])
    kept = np.flatnonzero(np.arange(215) % 7 != 6)
    pool = stratified_pool(labels, kept, fraction=0.1, seed=3)
    assert np.isin(pool, kept).all()
    assert len(np.unique(pool)) == len(pool)
    expected = [max(1, round(0.1 * (labels[kept] == c).sum())) for c in range(3)]
    np.testing.assert_array_equal(np.bincount(labels[pool]), expected)
    with pytest.raises(ConfigError):
        stratified_pool(labels, kept, fraction=1.5, seed=0)
