"""Nearest neighbours in latent space: test images beside the pool images that they lie next to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float, Int64

from benchmarks.contest import Round
from benchmarks.encoders import MethodEncoder
from benchmarks.shown_pictures import of_first_round, save_arrays, sized

QUERIES = 6  # test images of seen classes, and as many of unseen ones
NEAREST = 5
SIDE = 64  # pixels at most
CHUNK = 512  # pool images in memory at a time


@runtime_checkable
class Reads(Protocol):
    """What is read of latents."""

    def take(self, tap: str, ids: Int64[np.ndarray, " m"]) -> np.ndarray:
        """Latents of the images `ids` at `tap`, in that order."""


def write_neighbours(
    path: Path,
    encoders: Sequence[MethodEncoder],
    rows: Sequence[Mapping[str, Any]],
    *,
    comparisons: Sequence[Any],
    budget: int | float | None,
) -> None:
    """Write test images of the first fold and seed with their nearest images of the pool.

    In the latents of the first method compared, at the tap that its probe chose at `budget`.
    Nothing is written where that method has no latents on record, or where the file is of these
    latents and this tap: to read gigabytes of latents again takes longer than the report.
    """
    handle = list(comparisons[0][0]) if comparisons else [encoders[0].name, ""]
    found = [e for e in of_first_round(encoders) if e.name == handle[0]]
    if not found or not found[0].at.store.has("latents", found[0].latents_key):
        return
    encoder, at = found[0], found[0].at
    tap = _tap(encoder, rows, handle[1], budget)
    if _is_of(path, encoder.latents_key, tap):
        return
    ids = queries(at)
    near, similarity = nearest(encoder.latents, tap, ids, at.split.pool)
    shown = np.concatenate([ids[:, None], near], axis=1)
    pictures, labels = at.images.images[shown.ravel()], at.images.labels[shown]
    side = min(SIDE, pictures.shape[1])
    save_arrays(
        path, method=np.array(encoder.name), tap=np.array(tap), ids=shown, label=labels,
        latents=np.array(encoder.latents_key), similarity=similarity,
        seen=np.isin(labels[:, 0], at.split.seen),
        pictures=sized(pictures, side).reshape(*shown.shape, side, side, 3),
    )  # fmt: skip


def queries(at: Round) -> Int64[np.ndarray, " q"]:
    """Return the first test image of each of evenly spaced seen, then unseen classes."""
    labels, chosen = at.images.labels[at.split.test], []
    for classes in (at.split.seen, at.split.unseen):
        there = np.intersect1d(classes, labels)
        spaced = np.linspace(0, len(there) - 1, min(QUERIES, len(there))).round().astype(int)
        chosen += [at.split.test[labels == name][0] for name in there[spaced]]
    return np.array(chosen, dtype=np.int64)


def nearest(
    latents: Reads, tap: str, ids: Int64[np.ndarray, " q"], pool: Int64[np.ndarray, " m"]
) -> tuple[Int64[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
    """Return the pool images nearest to each of `ids` by cosine, the nearest first, and cosines.

    Latents are standardised on the pool, which takes constant ones out.
    """
    parts = np.array_split(pool, max(1, -(-len(pool) // CHUNK)))
    read = (_flat(latents.take(tap, part)) for part in parts)
    total = sum(np.stack([x.sum(0), np.square(x).sum(0)]) for x in read)
    mean, square = np.asarray(total) / len(pool)
    variance = square - mean**2
    alive = variance > 1e-9 * (square + 1e-30)
    scale = np.where(alive, 1 / np.sqrt(np.where(alive, variance, 1)), 0)
    query = _unit((_flat(latents.take(tap, ids)) - mean) * scale)
    cosine = np.concatenate(
        [query @ _unit((_flat(latents.take(tap, part)) - mean) * scale).T for part in parts], axis=1
    )
    order = np.argsort(-cosine, axis=1, kind="stable")[:, :NEAREST]
    return pool[order], np.take_along_axis(cosine, order, axis=1)


def _tap(
    encoder: MethodEncoder, rows: Sequence[Mapping[str, Any]], classifier: str, budget: Any
) -> str:
    """The tap of the method's row where that is one of latents, else the bottleneck."""
    wanted = {"method": encoder.name, "classifier": classifier, "labels_per_class": budget,
              "task": "all", "fold": encoder.at.fold, "seed": encoder.at.seed}  # fmt: skip
    chosen = [row["tap"] for row in rows if all(row[k] == value for k, value in wanted.items())]
    return str(chosen[0]) if chosen and chosen[0] in encoder.taps else encoder.bottleneck


def _is_of(path: Path, latents: str, tap: str) -> bool:
    """Whether the file is there, whole, and of this tap of these latents."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
            return (str(saved["latents"]), str(saved["tap"])) == (latents, tap)
    except (OSError, ValueError, KeyError, BadZipFile):
        return False


def _flat(latents: np.ndarray) -> Float[np.ndarray, "m d"]:
    return latents.reshape(len(latents), -1).astype(np.float64)


def _unit(x: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "m d"]:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-30)
