"""What several turns tell of one number: the median with its range, also of ratios."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Median, least and largest of the turns."""

    median: float
    least: float
    most: float


def spread(values: Iterable[float]) -> Spread:
    """Median and range of one number a turn."""
    values = list(values)
    return Spread(statistics.median(values), min(values), max(values))


def ratios(slow: Iterable[float], fast: Iterable[float]) -> Spread:
    """How many times faster, turn by turn."""
    return spread(a / b for a, b in zip(slow, fast, strict=True))
