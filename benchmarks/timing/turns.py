"""Pipelines in turn, and what the turns tell, row by row."""

from typing import Any

from benchmarks.progress import Meter
from benchmarks.timing.counts import Unit
from benchmarks.timing.units import Bench

Turns = dict[str, list[dict[Unit, float]]]  # of each pipeline, a turn's seconds by unit


def take_turns(bench: Bench, turns: int) -> Turns:
    """Measure N0, N1, ours, N0, N1, ours, ...: `turns` times each, after what none of them owns."""
    plan = {pipeline.name: list(bench.jobs(pipeline)) for pipeline in bench.pipelines}
    found: Turns = {name: [] for name in plan}
    with Meter("speed", turns * sum(map(len, plan.values())), "measurements") as meter:
        for _ in range(turns):
            for name, jobs in plan.items():
                turn: dict[Unit, float] = {}
                for _, job in jobs:
                    turn |= job()
                    meter.advance(1)
                found[name].append(turn)
    return found


def rows(found: Turns, counted: dict[str, Any]) -> list[dict[str, Any]]:
    """One row for each turn, pipeline and unit, with its count in the whole table."""
    return [
        {"turn": turn, "pipeline": name, "phase": unit[0], "of": unit[1],
         "seconds": seconds, "count_in_table": counted[name].get(unit, 0)}
        for name, turns in found.items()
        for turn, units in enumerate(turns)
        for unit, seconds in units.items()
    ]  # fmt: skip
