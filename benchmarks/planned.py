"""What a run would need, record by record, and which of it is there: the run's own code, unwritten.

The store handed to that code refuses to write, so that the attempt tells what would be made.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import splits, tasks
from benchmarks.contest import WAY_MATCHED, Round
from benchmarks.data import ImageStore, load_images
from benchmarks.encoders import MethodEncoder
from benchmarks.entrants import baseline_entrants, probe_entrants
from benchmarks.painters import colorizes
from benchmarks.partition import Split
from benchmarks.reconstruct import quality_rows, reference_rows
from benchmarks.scoring import Entrant, score
from benchmarks.selection import Selection
from benchmarks.settings import build
from benchmarks.store import Store

REFERENCES = ("gray", "random_colours", "truth")  # painters of quality that need no training


class AbsentRecordError(Exception):
    """A record would have to be made."""


class ReadingStore(Store):
    """Records as they are: where one would be made, AbsentRecordError is raised."""

    @contextlib.contextmanager
    def writing(self, stage: str, key: str) -> Iterator[Path | None]:
        """None where the record is there."""
        if not self.has(stage, key):
            raise AbsentRecordError(f"{stage}/{key}")
        yield None


@dataclass(frozen=True)
class Job:
    """One record that a run needs: what it is of, and whether it is there.

    `name` is of the method or baseline; `what` its classifier, where it is a cell of the table.
    `key` tells encoders that two methods share.
    """

    stage: str
    name: str
    fold: int
    seed: int
    there: bool
    what: str = ""
    labels_per_class: int = 0
    task: str = ""
    key: str = ""


def rounds(cfg: Any, store: Store) -> tuple[list[Round], bool]:
    """The folds and seeds of a run, and whether its images are decoded.

    Where they are not, nothing that depends on them can be there: the rounds hold no image.
    """
    try:
        images, known = load_images(build(cfg.data), store=store, progress=False), True
    except AbsentRecordError:
        images, known = _no_images(int(cfg.data.size)), False
    found = []
    for fold, seed in product(cfg.folds, cfg.seeds):
        split = build(cfg.split)(*images.labelling, fold=fold) if known else _no_split()
        if known:
            splits.audit(split, images.labels, images.hashes)
        found.append(Round(images, split, fold, seed, store, cfg.device))
    return found, known


def jobs(cfg: Any, at: Round, *, known: bool) -> list[Job]:
    """Every record of one fold and seed, in the order in which the run would ask for it."""
    methods = [
        MethodEncoder(name, method, at, recipe=cfg.pretrain, max_features=cfg.max_features)
        for name, method in cfg.methods.items()
    ]
    found: list[Job] = []
    for method in methods:
        method.check()
        # While no image is known, an exposed twin has the key of its original.
        have = {(job.key, known or job.name) for job in found if job.stage == "encoders"}
        found += [job for job in _encoders(method, at) if (job.key, known or job.name) not in have]
        cells = list(_method_cells(cfg, method, at, known))
        found += _latents(cfg, method, at, cells) + cells
    for entrant in baseline_entrants(at.images, cfg.baselines):
        found += _cells(cfg, entrant, at, known)
    return found + (_quality(cfg, methods, at) if cfg.quality else [])


def _encoders(method: MethodEncoder, at: Round) -> list[Job]:
    """The encoder and, where it is missing, those that it starts from."""
    there = at.store.has("encoders", method.key)
    before = [] if there or method.start is None else _encoders(method.start, at)
    return [*before, Job("encoders", method.name, at.fold, at.seed, there, key=method.key)]


def _latents(cfg: Any, method: MethodEncoder, at: Round, cells: list[Job]) -> list[Job]:
    """The latents, where they are there or a cell that is missing reads them."""
    known = _is_there(lambda: method.latents_key)
    there = known and at.store.has("latents", method.latents_key)
    reading = {name for name, handle in cfg.probes.items() if handle.reads != "encoder"}
    asked = any(not cell.there and cell.what.split("@")[0] in reading for cell in cells)
    return [Job("latents", method.name, at.fold, at.seed, there)] if there or asked else []


def _method_cells(cfg: Any, method: MethodEncoder, at: Round, known: bool) -> Iterator[Job]:
    """A job a cell; keys of cells are known once the encoder is."""
    if at.store.has("encoders", method.key):
        for entrant in probe_entrants(method, cfg.probes):
            yield from _cells(cfg, entrant, at, known)
        return
    for name, handle in cfg.probes.items():
        if method.name in (handle.get("methods") or [method.name]):
            each = handle.reads == "each_tap"
            for classifier in [f"{name}@{tap}" for tap in method.taps] if each else [str(name)]:
                yield from _unknown(cfg, at, method.name, classifier)


def _cells(cfg: Any, entrant: Entrant, at: Round, known: bool) -> Iterator[Job]:
    if not known:
        yield from _unknown(cfg, at, entrant.method, entrant.classifier)
        return
    contests = tasks.contests(at, cfg.tasks, cfg.way_matched.draws, max(cfg.budgets))
    matched = cfg.way_matched.classifiers
    asked = tasks.cells([entrant], contests, cfg.budgets, cfg.draws, matched)
    selection = Selection(**cfg.selection)
    for _, contest, budget, draw in asked:
        how: dict[str, Any] = {"labels_per_class": budget, "draw": draw, "selection": selection}
        there = _is_there(partial(score, entrant, contest, **how))
        names = (entrant.method, at.fold, at.seed, there, entrant.classifier)
        yield Job("rows", *names, budget, contest.task)


def _unknown(cfg: Any, at: Round, method: str, classifier: str) -> Iterator[Job]:
    """The cells of an entrant whose keys are not known yet: none of them is there."""
    matched = classifier.split("@")[0] in cfg.way_matched.classifiers
    for task, budget in product(cfg.tasks, cfg.budgets):
        draws = cfg.draws if task != WAY_MATCHED else cfg.way_matched.draws * matched
        for _ in range(draws):
            yield Job("rows", method, at.fold, at.seed, False, classifier, budget, task)


def _quality(cfg: Any, methods: list[MethodEncoder], at: Round) -> list[Job]:
    instruments = build(cfg.quality)
    found = []
    for method in methods:
        if colorizes(build(method.method.pretext)):
            made = _is_there(partial(quality_rows, method, instruments=instruments))
            found.append(Job("quality", method.name, at.fold, at.seed, made))
    made = _is_there(partial(reference_rows, at, instruments=instruments))
    return [*found, *(Job("quality", name, at.fold, at.seed, made) for name in REFERENCES)]


def _is_there(ask: Callable[[], Any]) -> bool:
    """Whether all that `ask` reads is on record."""
    try:
        ask()
    except AbsentRecordError:
        return False
    return True


def _no_images(side: int) -> ImageStore:
    return ImageStore(
        images=np.zeros((0, side, side, 3), np.uint8), labels=np.zeros(0, np.int64),
        is_test=np.zeros(0, bool), hashes=np.zeros(0, "U32"), names=(), class_names=(),
        fingerprint="not decoded", name="not decoded", bad=(),
    )  # fmt: skip


def _no_split() -> Split:
    none = np.zeros(0, np.int64)
    return Split(pretrain=none, pool=none, test=none, seen=none, unseen=none, dropped=none)
