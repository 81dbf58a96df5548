"""Which labels a pretext gets that asks for some."""

from dataclasses import replace

import numpy as np

from benchmarks.pretext_labels import pretext_labels


def test_labels_of_a_pretext_are_those_of_the_pretrain_split(at):
    true = pretext_labels("true", at)
    labels = at.images.labels[at.split.pretrain]
    assert at.split.seen[true].tolist() == labels.tolist()
    shuffled = pretext_labels("shuffled", at)
    assert sorted(shuffled) == sorted(true)
    assert not np.array_equal(shuffled, true)
    assert np.array_equal(shuffled, pretext_labels("shuffled", at))
    assert not np.array_equal(shuffled, pretext_labels("shuffled", replace(at, seed=at.seed + 1)))
    assert not pretext_labels("constant", at).any()
    assert pretext_labels(None, at) is None
