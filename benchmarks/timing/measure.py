"""The benchmark from its command line to its files."""

import json
import logging
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.settings import load_config, resolve
from benchmarks.store import atomic_write
from benchmarks.timing import table
from benchmarks.timing.counts import Unit, counts
from benchmarks.timing.feed import Fed, feeding
from benchmarks.timing.machine import ceilings, highest, machine, rates
from benchmarks.timing.material import Material, Sample
from benchmarks.timing.naive_table import naive_table
from benchmarks.timing.roofline import method_flops, original_step, roofline, share
from benchmarks.timing.spread import spread
from benchmarks.timing.turns import Turns, rows, take_turns
from benchmarks.timing.units import Bench

MINUTES = 10  # that --quick may take: our whole table is made if there is time for it
LARGE = Sample(
    photos=4096, large=1024, colors=2048, bins=512, warm=5, steps=40, scratch=20, images=1024
)


def measure(
    overrides: Sequence[str], out: Path, *, turns: int, quick: bool, device: str, begun: float
) -> str:
    """The page of the measurement, which is also written to `out` with its rows and the machine.

    `overrides` change the table, which is that of exp=quickstart; `begun` is the monotonic time at
    which the command started. Raises ColorprobeError.
    """
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    cfg = resolve(load_config([*overrides, f"device={device}"]))
    facts = machine(str(cfg.device))
    before = rates(str(cfg.device))
    with tempfile.TemporaryDirectory(prefix="colorprobe-speed-") as root:
        material = Material(cfg, Path(root), Sample() if quick else LARGE)
        bench = Bench(material)
        bench.prepare()
        found = take_turns(bench, turns)
        facts["rates"] = highest(before, rates(str(cfg.device)))
        facts["ceilings"] = ceilings(facts["rates"])
        shares = _shares(bench, found, facts["ceilings"])
        counted = {name: counts(material, name) for name in found}
        ours = spread(table.totals(found["ours"], counted["ours"], "whole table")).median
        in_time = time.monotonic() - begun + ours < MINUTES * 60
        made = (["ours"] if in_time else []) if quick else ["N1", "ours"]
        executed, heads = _executed(bench, made), bench.heads
    fed = {step["name"]: _fed(step, found["ours"]) for step in shares}
    sections = {"What feeds a step": feeding(fed, str(cfg.device))}
    if heads:
        sections |= {"Heads at once": heads.section(found["ours"])}
    sections |= {"Roofline": roofline(facts["rates"], shares)}
    facts["minutes"] = round((time.monotonic() - begun) / 60, 2)
    page = table.markdown(found, counted, machine=facts, executed=executed, sections=sections)
    facts |= {"command_overrides": list(overrides), "turns": turns, "quick": quick}
    facts |= {"executed_seconds": executed, "training_steps": shares}
    frame = pd.DataFrame(rows(found, counted))
    atomic_write(out / "rows.csv", frame.to_csv(index=False).encode())
    atomic_write(out / "machine.json", json.dumps(facts, indent=1).encode())
    atomic_write(out / "table.md", page.encode())
    return page


def _executed(bench: Bench, names: Sequence[str]) -> dict[str, float]:
    """Seconds of whole tables that were really made, once each."""
    seconds = {}
    for pipeline in bench.pipelines:
        if pipeline.name in names:
            begun = time.perf_counter()
            if pipeline is bench.suite:
                bench.suite.table()
            else:
                naive_table(pipeline)  # type: ignore[arg-type]
            seconds[pipeline.name] = time.perf_counter() - begun
    return seconds


def _shares(bench: Bench, found: Turns, peaks: dict[str, float]) -> list[dict[str, Any]]:
    """Of each training step of ours the FLOPs and the share of the measured peaks."""
    steps: list[dict[str, Any]] = []
    for name in bench.material.trained:
        seconds = spread(turn["step", name] for turn in found["ours"]).median
        counted, precision = method_flops(bench.material, name), bench.suite.chosen[name]
        steps.append({"name": name, "seconds": seconds, "flops": counted, "precision": precision})
    original = original_step(bench.suite, bench.pictures)
    named = f"Oganov's network, {bench.side} px, batch {original['batch']}"
    steps.append({"name": named, **original})
    return [{**step, **share(step, peaks)} for step in steps]


def _fed(step: Mapping[str, Any], turns: Sequence[Mapping[Unit, float]]) -> list[Fed]:
    """Turn by turn what feeds a step: of the one outside the table there is one turn."""
    keys = [(kind, step["name"]) for kind in ("step", "batch", "colours")]
    if keys[0] in turns[0]:
        return [Fed(*(turn[key] for key in keys)) for turn in turns]
    return [Fed(step["seconds"], step["batch_seconds"], step["colours_seconds"])]
