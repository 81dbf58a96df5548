"""`run.py ... plan=true`: what would be computed and what is there; nothing is trained or written.

Keys are those of the run's own code (benchmarks/planned.py); hours, disk (benchmarks/forecast.py)
and the smallest detectable effect (benchmarks/detectable.py) come from finished records, or are
said to be unknown.
"""

import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import forecast
from benchmarks.contest import Round
from benchmarks.detectable import detectable
from benchmarks.encoders import MethodEncoder
from benchmarks.planned import Job, ReadingStore, jobs, rounds

STAGES = {
    "encoders": "encoders", "latents": "latents", "rows": "cells of the table",
    "quality": "colorizations measured",
}  # fmt: skip
SHOWN = 12  # encoders named that would be trained


def plan(cfg: Any, folder: Path) -> str:
    """The plan of the run that `cfg` asks for, in lines for a terminal."""
    out = Path(cfg.out)
    store = ReadingStore(out / "cache")
    found, known = rounds(cfg, store)
    asked = [job for at in found for job in jobs(cfg, at, known=known)]
    runs = forecast.earlier_runs(out)
    state = "there" if (folder / "rows.csv").is_file() else "not there yet"
    size = f"{len(cfg.folds)} folds x {len(cfg.seeds)} seeds x {cfg.draws} label draws"
    lines = [
        f"plan of {cfg.name}: {size}, nothing is started",
        f"run folder: {folder} ({state})",
        "",
        *_counts(asked, known),
        *_named([job for job in asked if job.stage == "encoders" and not job.there]),
        "",
        _hours(cfg, asked, found, runs) if known else "hours: not known before images are decoded",
        _disk(cfg, asked, found) if known else "disk: not known before images are decoded",
        f"smallest detectable effect: {detectable(cfg, found, runs)}",
    ]
    return "\n".join(lines)


def _counts(asked: Sequence[Job], known: bool) -> list[str]:
    there = Counter(job.stage for job in asked if job.there)
    missing = Counter(job.stage for job in asked if not job.there)
    lines = [f"{'':<24}{'to compute':>10}{'there':>8}"]
    lines.append(f"{'images decoded':<24}{int(not known):>10}{int(known):>8}")
    for stage, words in STAGES.items():
        if there[stage] + missing[stage]:
            lines.append(f"{words:<24}{missing[stage]:>10}{there[stage]:>8}")
    return lines


def _named(missing: Sequence[Job]) -> list[str]:
    if not missing:
        return []
    names = [f"{job.name} (fold {job.fold}, seed {job.seed})" for job in missing]
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return [f"to pretrain: {', '.join(names[:SHOWN])}{more}"]


def _methods(cfg: Any, at: Round) -> list[MethodEncoder]:
    how = {"recipe": cfg.pretrain, "max_features": cfg.max_features}
    return [MethodEncoder(name, method, at, **how) for name, method in cfg.methods.items()]


def _hours(cfg: Any, asked: Sequence[Job], found: Sequence[Round], runs: list[Any]) -> str:
    missing = [job for job in asked if not job.there]
    if not missing:
        return "hours: 0, all is there"
    images = {m.name: forecast.images_seen(m, found[0]) for m in _methods(cfg, found[0])}
    seconds = forecast.seconds_by_kind(runs)
    total, unknown = forecast.hours(missing, cfg, seconds, images)
    counts = Counter(job.stage for job in unknown)
    said = ", ".join(f"{n} {STAGES[stage]}" for stage, n in counts.items())
    timed = len([job for job in missing if job.stage != "latents"])
    if len(unknown) == timed:
        return "hours: not known, no finished record of the same kind on this device"
    beside = f"; not known for {said}, of whose kind no record is finished" if unknown else ""
    return f"hours: {total:.2g} by finished records of the same kind{beside}; latents not counted"


def _disk(cfg: Any, asked: Sequence[Job], found: Sequence[Round]) -> str:
    sizes = {m.name: forecast.footprint(m, found[0]) for m in _methods(cfg, found[0])}
    missing = [job for job in asked if not job.there]
    total = sum(sizes[job.name][job.stage] for job in missing
                if job.stage in ("encoders", "latents") and job.name in sizes)  # fmt: skip
    n_test = len(found[0].split.test)
    total += sum(2 * n_test * forecast.ID_BYTES for job in missing if job.stage == "rows")
    free = shutil.disk_usage(_existing(Path(cfg.out))).free
    return f"disk: about {total / 2**20:,.0f} MB to write, {free / 2**20:,.0f} MB free"


def _existing(path: Path) -> Path:
    """The nearest folder above `path`, or itself, that is there."""
    path = path.resolve()
    return next(place for place in (path, *path.parents) if place.is_dir())
