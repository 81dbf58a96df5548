"""Probe or baseline x task x budget -> rows and per-image predictions, one record each.

Selection sees the labelled pool only. Its choice is written to disk, and only then do the test
labels open (contest.py).
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int64

from benchmarks.contest import Contest
from benchmarks.draws import generator
from benchmarks.provenance import commit, device_name
from benchmarks.selection import Features, Selection, select
from benchmarks.store import atomic_write, content_key

CHUNK = 2048  # test images predicted at a time: bounds memory


@dataclass(frozen=True)
class Pixels:
    """The store's images as features; `tap` names what reads them."""

    images: np.ndarray
    taps: Sequence[str] = ("pixels",)

    def take(self, tap: str, ids: Int64[np.ndarray, " m"]) -> np.ndarray:
        """Images `ids`, uint8 (m, h, w, 3)."""
        return self.images[ids]


@dataclass(frozen=True)
class Entrant:
    """One row of the table: a probe on a frozen encoder, or a baseline on pixels.

    `probe(seed)` and `features()` make the real things when they are needed; `made_of` says what
    they come from and is part of the record's key. `default_tap` serves where none can be chosen.
    `shuffle` marks the control that learns permuted labels and must end at chance.
    """

    method: str
    classifier: str
    label_free: bool
    probe: Callable[[int], Any]
    features: Callable[[], Features]
    default_tap: str
    made_of: dict[str, Any]
    shuffle: bool = False


def score(
    entrant: Entrant, contest: Contest, *, labels_per_class: int, draw: int, selection: Selection
) -> list[dict[str, Any]]:
    """Rows of one entrant at one budget, from their record, which is made if it is missing."""
    at = contest.round
    cell = {
        "method": entrant.method, "label_free": entrant.label_free,
        "classifier": entrant.classifier, "task": contest.task,
        "labels_per_class": labels_per_class, "fold": at.fold, "seed": at.seed, "draw": draw,
        "split": at.split.manifest_hash,
    }  # fmt: skip
    key = content_key(
        stage="rows",
        cell=cell,
        made_of=entrant.made_of,
        shuffle=entrant.shuffle,
        selection=asdict(selection),
    )
    with at.store.writing("rows", key) as folder:
        if folder is not None:
            ids = contest.training(labels_per_class, draw=draw)
            y = contest.targets(contest.labels[ids])
            if entrant.shuffle:
                y = generator(at.seed, "shuffled labels", draw).permutation(y)
            _measure(entrant, contest, (ids, y), folder, selection=selection)
    shown = {**cell, "ways": len(contest.classes)}
    return _rows(shown, key, at.store.path("rows", key))


def _measure(
    entrant: Entrant,
    contest: Contest,
    labelled: tuple[Int64[np.ndarray, " m"], Int64[np.ndarray, " m"]],
    folder: Path,
    *,
    selection: Selection,
) -> None:
    """Select, write the choice, refit on all labels, then open the test labels, once.

    A prediction's confidence is the largest probability that the classifier gave.
    """
    seed, lock, held = contest.round.seed, contest.lock(folder / "choice.json"), None
    probe, features = entrant.probe(seed), entrant.features()
    start = time.monotonic()  # the encoder's cost is told apart
    if selection.on_test:
        held = contest.test, contest.targets(lock.break_open())
    choice = select(probe, features, *labelled, selection=selection, seed=seed,
                    default_tap=entrant.default_tap, held=held)  # fmt: skip
    atomic_write(folder / "choice.json", json.dumps(choice).encode())
    ids, y = labelled
    probe.fit(features.take(choice["tap"], ids), y, choice["trial"])
    proba = _predict(probe, features, choice["tap"], contest.test)
    label = lock.open()
    predicted = contest.classes[proba.argmax(1)]
    told = {"label": label, "predicted": predicted, "confidence": proba.max(1).astype(np.float32)}
    np.savez(folder / "predictions.npz", ids=contest.test, **told)
    metrics = [
        {"classes": name, "n_test": int(np.isin(label, classes).sum()), **values}
        for name, classes in contest.groups.items()
        for values in metric_values(proba, contest.targets(label), np.isin(label, classes))
    ]
    # What a report should warn of: no certified optimum, or a grid that ended too early.
    warned = {name: getattr(probe, f"{name}_", None) for name in ("converged", "at_edge")}
    result = {
        "metrics": metrics,
        **warned,
        "test_reads": lock.reads,
        "trials": len(probe.trials) * len(features.taps),
        "seconds": round(time.monotonic() - start, 2),
        "device": device_name(contest.round.device),
        "commit": commit(),
    }
    atomic_write(folder / "result.json", json.dumps(result).encode())


def metric_values(
    proba: Float[np.ndarray, "n c"],
    target: Int64[np.ndarray, " n"],
    among: Bool[np.ndarray, " n"],
) -> list[dict[str, Any]]:
    """Top-1, top-5 (fractions) and negative log-likelihood (nats) on the images `among`."""
    proba, target = proba[among], target[among]
    truth = proba[np.arange(len(target)), target]
    # Ties count against: right in the top 5 only if fewer than 5 others are at least as likely.
    rivals = (proba >= truth[:, None]).sum(1) - 1
    return [
        {"metric": "top1", "value": float((proba.argmax(1) == target).mean())},
        {"metric": "top5", "value": float((rivals < 5).mean())},
        {"metric": "nll", "value": float(-np.log(np.maximum(truth, 1e-12)).mean())},
    ]


def _predict(
    probe: Any, features: Features, tap: str, ids: Int64[np.ndarray, " t"]
) -> Float[np.ndarray, "t c"]:
    chunks = [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
    return np.concatenate([probe.predict_proba(features.take(tap, chunk)) for chunk in chunks])


def _rows(cell: dict[str, Any], key: str, folder: Path) -> list[dict[str, Any]]:
    choice = json.loads((folder / "choice.json").read_text())
    result = json.loads((folder / "result.json").read_text())
    shared = {
        name: result[name] for name in ("trials", "seconds", "test_reads", "device", "commit")
    }
    return [
        {**cell, "tap": choice["tap"], **metric, **shared, "key": key}
        for metric in result["metrics"]
    ]
