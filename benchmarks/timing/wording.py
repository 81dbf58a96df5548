"""Numbers in words, for every page of the benchmark: tables of Markdown, times, ratios."""

from benchmarks.timing.spread import Spread


def grid_of(head: list[str], lines: list[list[str]]) -> str:
    """A table of Markdown."""
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *lines))


def ratio(times: Spread) -> str:
    """How many times, and from least to most."""
    return f"{times.median:.3g} ({times.least:.3g} to {times.most:.3g})"


def readable(seconds: float) -> str:
    """Seconds in the unit in which they are read."""
    for limit, size, name in (
        (1e-3, 1e-6, "µs"),
        (1, 1e-3, "ms"),
        (120, 1, "s"),
        (7200, 60, "min"),
    ):
        if seconds < limit:
            return f"{seconds / size:.3g} {name}"
    return f"{seconds / 3600:.3g} h"
