"""The folder of one run: everything that its report is made from, as plain files."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from omegaconf import DictConfig, OmegaConf

from benchmarks import protocol
from benchmarks.audit import write_duplicates
from benchmarks.code_stages import stages
from benchmarks.contest import Round
from benchmarks.controls import controls
from benchmarks.data import ImageStore
from benchmarks.encoders import MethodEncoder
from benchmarks.nearest import write_neighbours
from benchmarks.partition import Split, manifest
from benchmarks.provenance import commit, device_name
from benchmarks.settings import build, plain
from benchmarks.shown_pictures import write_examples, write_extremes
from benchmarks.store import Store, atomic_write

CELL = ("method", "classifier", "task", "labels_per_class", "fold", "seed", "draw")


def write(
    folder: Path,
    cfg: DictConfig,
    rows: list[dict[str, Any]],
    *,
    encoders: list[MethodEncoder],
    rounds: list[Round],
    command: str,
    quality: Sequence[dict[str, Any]] = (),
) -> None:
    """Fill `folder` with everything the report reads."""
    stamped = [{"exp": cfg.name, **row} for row in rows]
    write_rows(folder, stamped, rounds[0].store)
    write_quality(folder, [{"exp": cfg.name, **row} for row in quality], rounds[0].store)
    write_encoders(folder, encoders, rounds[0].images)
    if encoders:
        write_extremes(folder / "extremes.npz", encoders, quality)
        write_neighbours(
            folder / "neighbours.npz", encoders, rows, comparisons=plain(cfg.comparisons),
            budget=(plain(cfg.primary) or {}).get("labels_per_class"),
        )  # fmt: skip
    write_duplicates(folder, rounds)
    write_facts(folder, cfg, stamped, encoders, rounds=rounds, command=command)


def write_rows(folder: Path, rows: list[dict[str, Any]], store: Store) -> None:
    """Write rows.csv, selection.csv, fits.csv and the predictions of every row's record."""
    atomic_write(folder / "rows.csv", pd.DataFrame(rows).to_csv(index=False).encode())
    choices, fits = [], []
    for row in {row["key"]: row for row in rows}.values():
        record = store.root / "rows" / row["key"]
        target = folder / "predictions" / f"{row['key']}.npz"
        atomic_write(target, (record / "predictions.npz").read_bytes())
        choices += _candidates(row, json.loads((record / "choice.json").read_text()))
        result = json.loads((record / "result.json").read_text())
        warned = {name: result.get(name) for name in ("converged", "at_edge")}
        fits.append({name: row[name] for name in (*CELL, "key")} | warned)
    atomic_write(folder / "fits.csv", pd.DataFrame(fits).to_csv(index=False).encode())
    atomic_write(folder / "selection.csv", pd.DataFrame(choices).to_csv(index=False).encode())
    _remove_others(folder / "predictions", {f"{row['key']}.npz" for row in rows})


def write_quality(folder: Path, rows: list[dict[str, Any]], store: Store) -> None:
    """Write quality.csv and each record's values by picture; neither is left where none was."""
    if rows:
        atomic_write(folder / "quality.csv", pd.DataFrame(rows).to_csv(index=False).encode())
    else:
        (folder / "quality.csv").unlink(missing_ok=True)
    keys = {row["key"] for row in rows}
    for key in keys:
        values = store.path("quality", key) / "values.npz"
        atomic_write(folder / "quality" / f"{key}.npz", values.read_bytes())
    _remove_others(folder / "quality", {f"{key}.npz" for key in keys})


def write_encoders(folder: Path, encoders: list[MethodEncoder], data: ImageStore) -> None:
    """Write history.csv, cost.csv, examples.npz and, where the weights are, encoders.csv."""
    history, costs, keys = [], [], []
    for encoder in encoders:
        names = {"method": encoder.name, "fold": encoder.at.fold, "seed": encoder.at.seed}
        cost = json.loads((encoder.folder / "cost.json").read_text())
        keys.append({**names, "key": encoder.key, "latents": encoder.latents_key})
        costs.append({**names, **cost, "label_free": encoder.label_free})
        for entry in json.loads((encoder.folder / "history.json").read_text()):
            at = {"step": entry.pop("step"), "images": entry.pop("images")}
            history += [{**names, **at, "term": k, "value": v} for k, v in entry.items()]
    columns = ["method", "fold", "seed", "step", "images", "term", "value"]
    table = pd.DataFrame(history, columns=columns).to_csv(index=False)
    atomic_write(folder / "history.csv", table.encode())
    atomic_write(folder / "cost.csv", pd.DataFrame(costs).to_csv(index=False).encode())
    places = pd.DataFrame(keys, columns=["method", "fold", "seed", "key", "latents"])
    atomic_write(folder / "encoders.csv", places.to_csv(index=False).encode())
    if encoders:
        write_examples(folder / "examples.npz", encoders, data)


def write_facts(
    folder: Path,
    cfg: DictConfig,
    rows: list[dict[str, Any]],
    encoders: list[MethodEncoder],
    *,
    rounds: list[Round],
    command: str,
) -> None:
    """Write config.yaml, split-FOLD.tsv and run.json: what was asked, of what, by what."""
    images, split = rounds[0].images, rounds[0].split
    splits = {at.fold: at.split for at in rounds}
    counts = {str(fold): _sides(made) for fold, made in splits.items()}
    for fold, made in splits.items():
        atomic_write(folder / f"split-{fold}.tsv", manifest(made, images.hashes).encode())
    for e in encoders:
        if e.split is not e.at.split:
            name = f"exposed-{e.at.fold}-{e.at.seed}.tsv"
            atomic_write(folder / name, manifest(e.split, images.hashes).encode())
    kept = OmegaConf.masked_copy(cfg, [str(key) for key in cfg if key != "out"])
    atomic_write(folder / "config.yaml", OmegaConf.to_yaml(kept).encode())
    seconds = sum({row["key"]: row["seconds"] for row in rows}.values())
    seconds += pretraining_seconds(encoders)
    asked = ("name", "title", "question", "folds", "seeds", "selection", "exploratory", "defects",
             "notes")  # fmt: skip
    facts = {
        **{key: plain(cfg[key]) for key in asked},
        "primary": plain(cfg.primary),
        "comparisons": plain(cfg.comparisons),
        "controls": controls(cfg),
        "preset": cfg.preset_name,
        "data": images.name,
        "fingerprint": images.fingerprint,
        "code": stages(),
        "protocol": protocol.card(),
        "image_size": int(images.images.shape[1]),
        "classes": {
            "all": len(split.seen) + len(split.unseen),
            "seen": len(split.seen),
            "unseen": len(split.unseen),
        },
        **_sides(split),
        "images": counts,
        "bad": list(images.bad),
        "split": ", ".join(made.manifest_hash[:12] for made in splits.values()),
        "unseen_classes": {str(fold): made.unseen.tolist() for fold, made in splits.items()},
        "test_reads": sum({row["key"]: row["test_reads"] for row in rows}.values()),
        "device": device_name(str(cfg.device)),
        "quality_notes": build(cfg.quality).notes if cfg.quality else [],
        "hours": round(seconds / 3600, 3),
        "commit": commit(),
        "command": command,
    }
    atomic_write(folder / "run.json", json.dumps(facts, indent=1).encode())


def pretraining_seconds(encoders: Sequence[Any]) -> float:
    """What training the encoders took, and those on record that they start from, each once."""
    found = {}
    for encoder in encoders:
        link = encoder
        while link is not None:
            found[link.key] = link
            link = link.start
    there = [e for e in found.values() if e.at.store.has("encoders", e.key)]
    return float(sum(json.loads((e.folder / "cost.json").read_text())["seconds"] for e in there))


def _sides(split: Split) -> dict[str, int]:
    """How many images stand on each side."""
    return {
        "n_pretrain": len(split.pretrain),
        "n_pool": len(split.pool),
        "n_test": len(split.test),
        "dropped": len(split.dropped),
    }


def _candidates(row: dict[str, Any], choice: dict[str, Any]) -> list[dict[str, Any]]:
    """One line for every tap and trial that selection saw."""
    names = {name: row[name] for name in CELL}
    return [
        {**names, "candidate": tap, "trial": trial, "score": score,
         "chosen": tap == choice["tap"] and trial == choice["trial"]}
        for tap, scores in choice["scores"].items()
        for trial, score in enumerate(scores)
    ]  # fmt: skip


def _remove_others(folder: Path, names: set[str]) -> None:
    """Drop predictions of records that this run no longer has."""
    for path in folder.glob("*.npz"):
        if path.name not in names:
            path.unlink()
