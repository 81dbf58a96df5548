"""Numbers in words: the unit in which a time is read, a ratio with its range, a table."""

import pytest

from benchmarks.timing.spread import Spread
from benchmarks.timing.wording import grid_of, ratio, readable


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(2.5e-5, "25 µs"), (0.25, "250 ms"), (90.0, "90 s"), (600.0, "10 min"), (9000.0, "2.5 h")],
)
def test_a_time_is_in_the_unit_in_which_it_is_read(seconds, said):
    assert readable(seconds) == said


def test_a_ratio_has_its_range():
    assert ratio(Spread(8.126, 7.0, 12.0)) == "8.13 (7 to 12)"


def test_a_table_of_markdown():
    assert grid_of(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
