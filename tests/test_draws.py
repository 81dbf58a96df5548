"""Order and augmentation are functions of seed, epoch and sample, and of nothing else."""

import numpy as np

from benchmarks.draws import generator, order, uniforms


def test_same_arguments_same_numbers_and_any_difference_tells():
    one = generator(0, "a", 1).random(4)
    np.testing.assert_array_equal(one, generator(0, "a", 1).random(4))
    for other in (generator(1, "a", 1), generator(0, "b", 1), generator(0, "a", 2)):
        assert not np.array_equal(one, other.random(4))


def test_order_is_a_permutation_that_changes_with_the_epoch():
    assert sorted(order(0, 3, 50)) == list(range(50))
    assert not np.array_equal(order(0, 3, 50), order(0, 4, 50))


def test_uniforms_are_uniform_and_keyed_by_sample():
    numbers = uniforms(0, 0, 20_000, 2)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.01
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 0.03
