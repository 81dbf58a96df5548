"""Colorization quality on test pictures of seen and of unseen classes: measured once, on record.

Methods and references meet the same pictures in one pass. The values of every picture are kept, so
that any difference can be tested, paired, from the records alone. Nothing is chosen by them.
"""

import json
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from benchmarks.batches import load
from benchmarks.contest import Round
from benchmarks.draws import generator
from benchmarks.errors import DataError
from benchmarks.instruments import Instruments, Measures
from benchmarks.painters import (
    Colorizer,
    Painter,
    annealed_painters,
    method_painter,
    reference_painters,
)
from benchmarks.picture_distances import FrechetDistance
from benchmarks.picture_metrics import out_of_gamut, pooled
from benchmarks.progress import Meter
from benchmarks.provenance import code_hash, commit, device_name
from benchmarks.settings import build
from benchmarks.store import atomic_write, content_key

BATCH = 32
TIMED = 5  # batches, after one to warm up
MEASURED_BY = [
    f"benchmarks/{name}.py"
    for name in (
        *("batches", "draws", "instruments", "painters", "picture_distances", "picture_metrics"),
        "reconstruct",
    )
]
Groups = dict[str, Bool[np.ndarray, " n"]]


def all_quality_rows(methods: Sequence[Colorizer], at: Round, node: Any) -> list[dict[str, Any]]:
    """Rows of every method and reference of a round, by the instruments that `node` configures.

    [] where it configures none.
    """
    if not node:
        return []
    instruments = build(node)
    rows = [row for method in methods for row in quality_rows(method, instruments=instruments)]
    return [*rows, *reference_rows(at, instruments=instruments)]


def quality_rows(method: Colorizer, *, instruments: Instruments) -> list[dict[str, Any]]:
    """Rows of one trained method: each metric on seen and on unseen classes, speed on all.

    What predicts classes of colour has rows at each of the instruments' temperatures, too. [] for
    a method that guesses no colour (painters.colorizes). DataError if it paints pixels that are
    not finite.
    """
    painter = method_painter(method)
    if painter is None:
        return []
    painters = [painter, *annealed_painters(method, instruments.temperatures)]
    return [row for painter in painters for row in _rows(painter, method.at, instruments)]


def reference_rows(at: Round, *, instruments: Instruments) -> list[dict[str, Any]]:
    """Rows of gray, random_colours and truth, which need no training."""
    return [row for painter in reference_painters(at) for row in _rows(painter, at, instruments)]


def even_subset(
    ids: Int64[np.ndarray, " t"], labels: Int64[np.ndarray, " n"], size: int | None
) -> Int64[np.ndarray, " m"]:
    """At most `size` of `ids`, sorted, as many of each class give or take one; None takes all.

    The same for every fold and seed; larger subsets contain smaller ones.
    """
    if size is None:
        return np.sort(ids)
    classes, of = np.unique(labels[ids], return_inverse=True)
    rank = np.empty(len(ids), np.int64)
    for position, label in enumerate(classes):
        here = np.flatnonzero(of == position)
        rank[here] = generator(0, "quality subset", int(label)).permutation(len(here))
    # The first of every class, then the second: which classes have one more is drawn, too.
    turn = generator(0, "quality classes").permutation(len(classes))
    return np.sort(ids[np.lexsort((turn[of], rank))[:size]])


@torch.no_grad()
def seconds_per_image(
    painter: Painter,
    images: Float[Tensor, "n 3 h w"],
    ids: Int64[np.ndarray, " n"],
) -> float:
    """The median over TIMED batches of the time to paint `images`, one by number, when warm."""
    seconds = []
    for _ in range(1 + TIMED):
        _synchronise(images)
        start = time.perf_counter()
        painter.paint(images, ids)
        _synchronise(images)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:])) / len(images)


def _rows(painter: Painter, at: Round, instruments: Instruments) -> list[dict[str, Any]]:
    """Rows from the record, which is made if it is missing."""
    key = content_key(
        stage="quality",
        painter=painter.key,
        made_of=instruments.made_of(at),
        data=at.images.fingerprint,
        split=at.split.manifest_hash,
        device=at.device,
        code=code_hash("models", *MEASURED_BY),
    )
    with at.store.writing("quality", key) as folder:
        if folder is not None:
            _record(painter, at, instruments, folder)
    result = json.loads((at.store.path("quality", key) / "result.json").read_text())
    names = {
        "method": painter.name, "label_free": painter.label_free,
        "fold": at.fold, "seed": at.seed, "split": at.split.manifest_hash,
    }  # fmt: skip
    made = {name: result[name] for name in ("seconds", "device", "commit")}
    return [{**names, **metric, **made, "key": key} for metric in result["metrics"]]


def _record(painter: Painter, at: Round, instruments: Instruments, folder: Path) -> None:
    """Write values.npz, a number for each picture and measure, and result.json."""
    start = time.monotonic()
    ids = even_subset(at.split.test, at.images.labels, instruments.max_images)
    labels = at.images.labels[ids]
    sides = {"seen": at.split.seen, "unseen": at.split.unseen}
    groups = {name: np.isin(labels, classes) for name, classes in sides.items()}
    groups = {name: among for name, among in groups.items() if among.any()}
    measures, fid = Measures(instruments, at), instruments.fid
    fids = {name: FrechetDistance(fid, at.device) for name in groups} if fid else {}
    values = _values(painter, at, measures, ids, groups=groups, fids=fids)
    np.savez(folder / "values.npz", ids=ids, label=labels, **values)  # type: ignore[arg-type]
    found = [
        {"classes": name, "metric": metric, "value": value, "n_test": int(among.sum())}
        for name, among in groups.items()
        for metric, value in pooled({k: of[among] for k, of in values.items()}).items()
    ]
    found += [
        {"classes": name, "metric": distance.metric, "value": value, "n_test": distance.count}
        for name, distance in fids.items()
        if (value := distance.compute()) is not None
    ]
    result = {
        "metrics": [*found, *_speed(painter, at, ids[:BATCH])],
        "seconds": round(time.monotonic() - start, 2),
        "device": device_name(at.device),
        "commit": commit(),
    }
    atomic_write(folder / "result.json", json.dumps(result).encode())


@torch.no_grad()
def _values(
    painter: Painter,
    at: Round,
    measures: Measures,
    ids: Int64[np.ndarray, " n"],
    *,
    groups: Groups,
    fids: dict[str, FrechetDistance],
) -> dict[str, Float[np.ndarray, " n"]]:
    """Each picture's value by measure; the Frechet distances are fed on the way."""
    values: dict[str, list[Tensor]] = defaultdict(list)
    with Meter(f"quality {painter.name} (fold {at.fold}, seed {at.seed})", len(ids)) as meter:
        for first in range(0, len(ids), BATCH):
            chunk = slice(first, first + BATCH)
            truth = load(at.images.images, ids[chunk], at.device)
            painted = painter.paint(truth, ids[chunk])
            _check_finite(painted, painter.name)
            predicted = painted.clamp(0, 1)
            found = measures(predicted, truth, at.images.labels[ids[chunk]])
            if painter.unclipped:
                found["out_of_gamut"] = out_of_gamut(painted)
            for name, of in found.items():
                values[name].append(of.cpu())
            for name, fid in fids.items():
                among = torch.from_numpy(groups[name][chunk]).to(truth.device)
                fid.update(predicted[among], truth[among])
            meter.advance(len(truth))
    return {name: torch.cat(of).numpy() for name, of in values.items()}


def _speed(painter: Painter, at: Round, ids: Int64[np.ndarray, " n"]) -> list[dict[str, Any]]:
    if not painter.timed:
        return []
    seconds = seconds_per_image(painter, load(at.images.images, ids, at.device), ids)
    found = {"ms_per_image": 1000 * seconds, "images_per_second": 1 / seconds}
    shared = {"classes": "all", "n_test": len(ids)}
    return [{**shared, "metric": metric, "value": value} for metric, value in found.items()]


def _check_finite(painted: Tensor, name: str) -> None:
    bad = int((~torch.isfinite(painted)).flatten(1).any(1).sum())
    if bad:
        raise DataError(
            f"{bad} of {len(painted)} pictures of {name} have pixels that are not finite",
            "look at its training loss; lower its learning rate",
        )


def _synchronise(images: Tensor) -> None:
    """Wait for the accelerator, which works ahead of its clock."""
    if images.is_cuda:
        torch.cuda.synchronize(images.device)
