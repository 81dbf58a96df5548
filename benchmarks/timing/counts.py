"""How often each pipeline does each unit of work in the whole table, and the sum of it all.

A unit is (phase, what): ("step", METHOD) is one update, ("pass", METHOD) one image through an
encoder, ("fit", METHOD@BUDGET) one fit of a head. The projection is the sum over units of count
times measured seconds; nothing else is in it.
"""

from collections import Counter
from collections.abc import Iterator, Mapping

from benchmarks.timing.cells import Cell
from benchmarks.timing.material import Material
from benchmarks.timing.naive import scratch_steps
from benchmarks.timing.notebook import Notebook

Unit = tuple[str, str]
PHASES: dict[str, tuple[str, ...]] = {  # rows of the projected table: the units that they sum
    "decode and store": ("decode",),
    "pretraining": ("start", "step"),
    "encoder passes": ("pass",),
    "probes": ("fit", "visit"),
    "networks from scratch": ("label start", "label step", "predict"),
}


def counts(material: Material, pipeline: str) -> Counter[Unit]:
    """Units of the whole table for "N0", "N1" or "ours"."""
    found: Counter[Unit] = Counter()
    for unit, count in _units(material, pipeline):
        found[unit] += count
    return +found


def project(counted: Mapping[Unit, int], seconds: Mapping[Unit, float]) -> dict[str, float]:
    """Seconds of each phase, and of the "whole table"; KeyError for a unit never measured."""
    found = {
        phase: sum((n * seconds[unit] for unit, n in counted.items() if unit[0] in kinds), 0.0)
        for phase, kinds in PHASES.items()
    }
    return {**found, "whole table": sum((n * seconds[u] for u, n in counted.items()), 0.0)}


def _units(material: Material, pipeline: str) -> Iterator[tuple[Unit, int]]:
    if pipeline == "ours":
        yield ("decode", "table"), len(material.files)  # naive loops decode at every visit
    for name in material.cfg.methods:
        family = material.families[name]
        if name in material.trained:
            yield ("start", name), 1
            yield ("step", name), material.steps(name)
        else:
            yield ("pass", family), material.settling(name)
        if pipeline == "ours":
            split = material.at.split
            yield ("pass", family), len(split.pool) + len(split.test)
    for cell in material.cells:
        yield from _head(material, cell, pipeline)
    for name, baseline in material.networks.items():
        for budget in material.cfg.budgets:
            labelled = len(material.contest.training(budget, draw=0))
            yield ("label start", name), int(pipeline != "ours")
            yield ("label step", name), scratch_steps(baseline, labelled)[0]
            yield ("predict", name), len(material.contest.test)


def _head(material: Material, cell: Cell, pipeline: str) -> Iterator[tuple[Unit, int]]:
    family = material.families.get(cell.reader, cell.reader)
    labelled, test = len(cell.labelled[1]), len(material.contest.test)
    at_budget = f"{family}@{cell.labels_per_class}"
    if pipeline == "N0":
        trials = len(cell.taps) * len(cell.decays)
        yield ("visit", at_budget), Notebook.epochs * (trials * cell.fold_images + labelled)
        yield ("pass", family), test
    else:
        yield ("fit", at_budget), cell.fits
        if pipeline == "N1":
            yield ("pass", family), labelled + test
