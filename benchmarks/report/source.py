"""The files of a run's folder, which are all that a report is made from."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.errors import DataError, IntegrityError
from benchmarks.significance import CELL, Read, Unseen, checked_record, half_widths

HANDLE = ["method", "classifier"]
OTHER_ROWS = ("pixels", "finetune", "shuffled")  # classifiers that are no choice of a probe
TEXT = [*HANDLE, "candidate", "commit"]  # a commit may be digits alone


@dataclass(frozen=True)
class Source:
    """A run as it lies on disk; optional files that are missing are empty."""

    rows: pd.DataFrame
    run: dict[str, Any]
    config: str
    history: pd.DataFrame
    cost: pd.DataFrame
    selection: pd.DataFrame
    quality: pd.DataFrame
    examples: dict[str, np.ndarray]
    read_predictions: Read
    read_quality: Read
    unseen: Unseen
    duplicates: pd.DataFrame = field(default_factory=pd.DataFrame)
    duplicate_pictures: dict[str, np.ndarray] = field(default_factory=dict)
    fits: pd.DataFrame = field(default_factory=pd.DataFrame)
    extremes: dict[str, np.ndarray] = field(default_factory=dict)
    neighbours: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def endpoint(self) -> dict[str, Any]:
        """The primary endpoint: task, classes and labels_per_class (-1 where none is declared)."""
        unsaid = {"task": "all", "classes": "all", "labels_per_class": -1}
        return unsaid | dict(self.run.get("primary") or {})

    @property
    def probe(self) -> str:
        """The probe that charts and places show: of the first comparison, else one that has rows.

        "linear" where neither is there.
        """
        named = [handle[1] for pair in self.run.get("comparisons", [])[:1] for handle in pair]
        there = list(map(str, self.rows["classifier"].unique()))
        asked = [name for name in named if name != "pixels" and name in there]
        others = [name for name in there if name not in OTHER_ROWS and "@" not in name]
        return next(iter([*asked, *others]), "linear")

    def endpoint_rows(self) -> pd.DataFrame:
        """The top-1 rows of every method and classifier at the primary endpoint."""
        wanted = {"metric": "top1", **self.endpoint}
        same = [self.rows[name] == value for name, value in wanted.items()]
        return self.rows[np.logical_and.reduce(same)]

    def images(self, row: Mapping[Any, Any]) -> dict[str, np.ndarray]:
        """Ids, labels and correctness of the test images behind a top-1 row (`checked_record`)."""
        read = self.read_predictions
        return checked_record(row, row["key"], row["value"], read, self.unseen)

    def class_name(self, label: Any) -> str:
        """The name of a class where the run's folder has it, else its number."""
        names = self.examples.get("class_names", ())
        return str(names[label]) if 0 <= label < len(names) else f"class {label}"


def read(run_dir: Path) -> Source:
    """Return what a run's folder holds, rows with the half width of single runs' intervals.

    DataError where rows.csv or run.json, the two that a report needs, are missing.
    """
    for name in ("rows.csv", "run.json"):
        if not (run_dir / name).is_file():
            raise DataError(f"{run_dir} has no {name}", "give the folder of a finished run")
    run = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))
    unseen = {int(fold): list(ids) for fold, ids in run.get("unseen_classes", {}).items()}
    read_predictions = _reader(run_dir / "predictions")
    rows = _rows(run_dir / "rows.csv")
    config = run_dir / "config.yaml"
    return Source(
        rows=with_half_widths(rows, read_predictions, unseen),
        run=run,
        config=config.read_text(encoding="utf-8") if config.is_file() else "",
        history=_table(run_dir / "history.csv"),
        cost=_table(run_dir / "cost.csv"),
        selection=_table(run_dir / "selection.csv"),
        quality=_table(run_dir / "quality.csv"),
        examples=_arrays(run_dir / "examples.npz"),
        read_predictions=read_predictions,
        read_quality=_reader(run_dir / "quality"),
        unseen=unseen,
        duplicates=_table(run_dir / "duplicates.csv"),
        duplicate_pictures=_arrays(run_dir / "duplicates.npz"),
        fits=_table(run_dir / "fits.csv"),
        extremes=_arrays(run_dir / "extremes.npz"),
        neighbours=_arrays(run_dir / "neighbours.npz"),
    )


def with_half_widths(rows: pd.DataFrame, read_predictions: Read, unseen: Unseen) -> pd.DataFrame:
    """Return the rows with `half_width`: of the 95 % interval, where a cell has a single run.

    A run is a fold and seed: each of its draws has the half width of its own.
    """
    top1 = rows[rows["metric"] == "top1"]
    cells = top1.groupby([*HANDLE, *CELL], dropna=False)[["fold", "seed"]]
    single = top1.index[(cells.transform("nunique") == 1).all(axis=1)]
    widths = half_widths(rows.loc[single], read_predictions, seed=0, unseen=unseen)
    return rows.assign(half_width=pd.Series(widths, index=single, dtype=float))


def _rows(path: Path) -> pd.DataFrame:
    """Rows with names kept as text, whatever they look like."""
    text = dict.fromkeys(["exp", *HANDLE, "tap", "task", "classes", "key", "split", "commit"], str)
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values={"value": [""]})


def _table(path: Path) -> pd.DataFrame:
    """A table in which only an empty cell is no value: a class may be called None or NA."""
    if not path.is_file() or path.stat().st_size < 2:
        return pd.DataFrame()
    text = dict.fromkeys(TEXT, str)
    return pd.read_csv(path, dtype=text, keep_default_na=False, na_values=[""])


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        return {}
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


def _reader(folder: Path) -> Callable[[str], Mapping[str, np.ndarray]]:
    def read_predictions(key: str) -> Mapping[str, np.ndarray]:
        """Arrays of one record; a key is a plain name, never a path."""
        path = folder / f"{key}.npz"
        if not re.fullmatch(r"\w[\w.-]*", key) or not path.is_file():
            raise IntegrityError(
                f"a table names a record without {folder.name}: {key!r}",
                "rerun the experiment: finished records are reused",
            )
        return _arrays(path)

    return read_predictions
