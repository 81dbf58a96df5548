"""Pictures for a report, small and few, beside the numbers of a run's folder."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from PIL import Image

from benchmarks.batches import load
from benchmarks.data import ImageStore
from benchmarks.encoders import MethodEncoder
from benchmarks.painters import method_painter
from benchmarks.store import atomic_write

SIDE = 96  # pixels at most of a best or worst picture
AT_EACH_END = 2  # pictures, of seen and of unseen classes
METHODS = 2


def of_first_round(encoders: Sequence[MethodEncoder]) -> list[MethodEncoder]:
    """Return the encoders of the first fold and seed."""
    at = encoders[0].at
    return [e for e in encoders if (e.at.fold, e.at.seed) == (at.fold, at.seed)]


def write_examples(path: Path, encoders: Sequence[MethodEncoder], data: ImageStore) -> None:
    """Write pictures of the first fold and seed: gray, truth and each method's colorization."""
    first = of_first_round(encoders)
    made = {e.name: np.load(e.folder / "examples.npz") for e in first}
    ids = made[first[0].name]["ids"]
    truth = data.images[ids]
    side = truth.shape[1]
    arrays = {f"method__{name}": sized(made[name]["colored"], side) for name in made}
    save_arrays(
        path, gray=_gray(truth), truth=truth, label=data.labels[ids],
        seen=np.isin(data.labels[ids], first[0].at.split.seen),
        class_names=np.array(data.class_names), **arrays,
    )  # fmt: skip


def write_extremes(
    path: Path, encoders: Sequence[MethodEncoder], quality: Sequence[Mapping[str, Any]]
) -> None:
    """Write the test pictures that the first two methods colour best and worst, by ab error.

    Of the first fold and seed, two at each end of seen and of unseen classes. Nothing is written
    where no method's colorizations were measured, or on one picture of a group alone.
    """
    first = of_first_round(encoders)
    at = first[0].at
    keys = {row["method"]: row["key"] for row in quality
            if (row["fold"], row["seed"]) == (at.fold, at.seed)}  # fmt: skip
    shown = [e for e in first if e.name in keys][:METHODS]
    arrays: dict[str, np.ndarray] = {"methods": np.array([e.name for e in shown])}
    for i, encoder in enumerate(shown):
        with np.load(at.store.path("quality", keys[encoder.name]) / "values.npz") as values:
            ids, label, error = (values[name] for name in ("ids", "label", "ab_mae"))
        seen = np.isin(label, at.split.seen)
        picked, best = ends(error, seen)
        if not len(picked):  # one picture of a group has no ends
            return
        truth = at.images.images[ids[picked]]
        side = min(SIDE, truth.shape[1])
        told = {
            "label": label[picked], "seen": seen[picked], "error": error[picked], "best": best,
            "truth": sized(truth, side), "gray": sized(_gray(truth), side),
            "colored": sized(_painted(encoder, ids[picked]), side),
        }  # fmt: skip
        arrays |= {f"{name}_{i}": array for name, array in told.items()}
    if shown:
        save_arrays(path, **arrays)


def ends(
    error: Float[np.ndarray, " n"], seen: Bool[np.ndarray, " n"]
) -> tuple[Int64[np.ndarray, " p"], Bool[np.ndarray, " p"]]:
    """Return places of the smallest, then the largest errors, of seen, then of unseen classes.

    Beside them, which are the smallest. A group of few pictures has fewer at each end.
    """
    picked: list[int] = []
    best: list[bool] = []
    for group in (np.flatnonzero(seen), np.flatnonzero(~seen)):
        order = group[np.argsort(error[group], kind="stable")]
        n = min(AT_EACH_END, len(order) // 2)
        picked += [*order[:n], *order[len(order) - n :]]
        best += [True] * n + [False] * n
    return np.array(picked, np.int64), np.array(best, bool)


def sized(pictures: UInt8[np.ndarray, "e _h _w 3"], side: int) -> UInt8[np.ndarray, "e s s 3"]:
    """Return pictures `side` pixels high and wide."""
    if pictures.shape[1:3] == (side, side):
        return pictures
    return np.stack([np.asarray(Image.fromarray(p).resize((side, side))) for p in pictures])


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Replace `path` by a compressed .npz of `arrays`, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    atomic_write(path, buffer.getvalue())


def _gray(pictures: UInt8[np.ndarray, "e h w 3"]) -> UInt8[np.ndarray, "e h w 3"]:
    weights = np.array([0.299, 0.587, 0.114])  # ITU-R 601
    return np.repeat((pictures @ weights).round().astype(np.uint8)[..., None], 3, axis=-1)


@torch.no_grad()
def _painted(encoder: MethodEncoder, ids: Int64[np.ndarray, " e"]) -> UInt8[np.ndarray, "e h w 3"]:
    painter = method_painter(encoder)
    if painter is None:
        raise ValueError(f"{encoder.name} has rows of quality and guesses no colour")
    painted = painter.paint(load(encoder.at.images.images, ids, encoder.at.device), ids).clamp(0, 1)
    return (255 * painted).round().byte().permute(0, 2, 3, 1).cpu().numpy()
