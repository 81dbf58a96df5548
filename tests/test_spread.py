"""What turns tell of one number."""

from benchmarks.timing.spread import ratios, spread


def test_the_median_is_the_middle_and_not_the_mean():
    found = spread([1.0, 100.0, 2.0])
    assert (found.median, found.least, found.most) == (2.0, 1.0, 100.0)


def test_ratios_are_of_the_same_turn():
    found = ratios([10.0, 40.0, 30.0], [1.0, 2.0, 10.0])
    assert (found.median, found.least, found.most) == (10.0, 3.0, 20.0)
