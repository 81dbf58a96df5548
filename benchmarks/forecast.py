"""What a run will cost, from finished records of the same kind; else not known.

Of the same kind is an encoder of the same definition at the same image size on the same device, and
a cell of the same handles, data, selection, task and budget on the same device.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.contest import Round
from benchmarks.encoders import MethodEncoder
from benchmarks.errors import ColorprobeError
from benchmarks.latents import grid
from benchmarks.planned import Job
from benchmarks.provenance import device_name
from benchmarks.run_files import RunFiles
from benchmarks.settings import build, plain
from benchmarks.store import content_key
from models.encoder import Encoder

TIMED = {"seconds", "device"}  # columns of rows that tell what a record cost
ID_BYTES = 3 * 8  # id, label and prediction of one test image


def earlier_runs(out: Path) -> list[RunFiles]:
    """Finished runs below `out`, committed ones included; what cannot be read is left out."""
    found = []
    for path in sorted([*out.glob("*/rows.csv"), *out.glob("*/*/rows.csv")]):
        run = RunFiles(path.parent)
        try:
            if run.config and run.facts and not TIMED - set(run.rows):
                found.append(run)
        except ColorprobeError:
            continue
    return found


def seconds_by_kind(runs: Iterable[RunFiles]) -> dict[str, float]:
    """Median seconds of each kind of record: of a cell, of a quality record, of an encoder's image.

    An encoder that saw no image, an untrained one, has its seconds in all.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        cells = run.rows.drop_duplicates("key").to_dict("records")
        for cell in cells:
            job = Job("rows", cell["method"], 0, 0, True, cell["classifier"],
                      int(cell["labels_per_class"]), cell["task"])  # fmt: skip
            found[kind(job, run.config, cell["device"])].append(float(cell["seconds"]))
        for line in run.table("cost.csv"):
            job = Job("encoders", line["method"], 0, 0, True)
            images = float(line["images_seen"]) or 1.0
            found[kind(job, run.config, line["device"])].append(float(line["seconds"]) / images)
        for line in {line["key"]: line for line in run.table("quality.csv")}.values():
            job = Job("quality", line["method"], 0, 0, True)
            found[kind(job, run.config, line["device"])].append(float(line["seconds"]))
    return {key: median(values) for key, values in found.items()}


def kind(job: Job, cfg: Any, device: str) -> str:
    """What records must share to be expected to take equally long, as a hash."""
    method, data = plain(cfg.methods.get(job.name)), plain(cfg.data)
    parts = {"stage": job.stage, "method": method, "device": device, "size": data["size"]}
    if job.stage == "encoders":
        recipe = plain(cfg.pretrain) | ((method or {}).get("pretrain") or {})
        recipe = {k: v for k, v in recipe.items() if k != "epochs" or not v}
        return content_key(**parts, recipe=recipe)
    parts["data"] = {k: v for k, v in data.items() if k != "path"}
    if job.stage == "quality":
        return content_key(**parts, quality=plain(cfg.quality))
    probe = cfg.probes.get(job.what.split("@")[0])
    return content_key(
        **parts,
        classifier=[job.what, plain(probe), plain(cfg.baselines.get(job.name))],
        cell=[job.labels_per_class, job.task, cfg.max_features, plain(cfg.selection)],
    )


def hours(
    missing: Sequence[Job], cfg: Any, known: dict[str, float], images: dict[str, int]
) -> tuple[float, list[Job]]:
    """Hours of the missing jobs whose kind is known, and those whose kind is not.

    `images` are those that each method will see in pretraining. Latents have no time on record and
    are left out.
    """
    seconds, unknown, device = 0.0, [], device_name(cfg.device)
    for job in missing:
        if job.stage == "latents":
            continue
        each = known.get(kind(job, cfg, device))
        if each is None or (job.stage == "encoders" and job.name not in images):
            unknown.append(job)
        else:
            seconds += each * (images[job.name] or 1 if job.stage == "encoders" else 1)
    return seconds / 3600, unknown


def images_seen(method: MethodEncoder, at: Round) -> int:
    """Images that a method will see in pretraining, over all passes."""
    size = min(method.recipe.batch_size, len(at.split.pretrain))
    return method.recipe.steps(len(at.split.pretrain) // size) * size


@torch.no_grad()
def footprint(method: MethodEncoder, at: Round) -> dict[str, int]:
    """Bytes on disk of a method's weights and of its latents, of all taps, at two a number."""
    pretext = build(method.method.pretext)
    channels = {"in_channels": pretext.in_channels, "out_channels": pretext.out_channels}
    model = build(method.method.model, **channels).eval()
    side = method.pixels or at.images.images.shape[1]
    maps = Encoder(model, method.inputs)(torch.full((1, 3, side, side), 0.5))
    shapes = [(of.shape[1], grid(of.shape[1], of.shape[-1], method.max_features))
              for of in maps.values()]  # fmt: skip
    n = len(np.union1d(at.split.pool, at.split.test))
    weights = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    return {"encoders": weights, "latents": 2 * n * sum(c * side**2 for c, side in shapes)}
