"""Folders of finished runs, as far as claims need them."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.claims.declarations import SPLIT_DIGITS, Run
from benchmarks.errors import ConfigError, DataError, IntegrityError

TEXT = ["method", "classifier", "task", "classes", "key", "endpoint", "metric", "commit", "split"]
DEPTHS = ("", "*/", "*/*/")  # below a root; not deeper, where the cache has its records


ROWS = (
    *("method", "classifier", "task", "classes", "labels_per_class", "fold", "seed", "draw"),
    *("split", "key", "metric", "value", "n_test"),
)


class RunFolder:
    """A finished run as its files say; DataError for a run.json that cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.facts: dict[str, Any] = json.loads((path / "run.json").read_text("utf-8"))
            unseen = self.facts.get("unseen_classes", {})
            self.unseen = {int(fold): list(ids) for fold, ids in unseen.items()}
            self.name = str(self.facts["name"])
        except (ValueError, KeyError) as error:
            raise _damaged(path / "run.json", str(error)) from error

    @cached_property
    def rows(self) -> pd.DataFrame:
        """rows.csv; DataError if it is missing or torn."""
        file = self.path / "rows.csv"
        try:
            whole = file.read_bytes()[-1:] == b"\n"
            rows = self.table("rows.csv")
        except (OSError, ValueError) as error:
            raise _damaged(file, str(error)) from None
        lacking = [name for name in ROWS if name not in rows]
        if lacking or not whole:
            lacks = f"it lacks {', '.join(lacking)}" if lacking else "its last line is not whole"
            raise _damaged(file, lacks)
        return rows

    @cached_property
    def quality(self) -> pd.DataFrame:
        """quality.csv, empty where nothing was measured."""
        return self.table("quality.csv")

    def table(self, name: str) -> pd.DataFrame:
        """A CSV of the folder, names as text; empty where the folder has none."""
        path = self.path / name
        if not path.is_file() or path.stat().st_size < 2:
            return pd.DataFrame()
        return pd.read_csv(
            path, dtype=dict.fromkeys(TEXT, str), keep_default_na=False,
            na_values=[""], float_precision="round_trip",
        )  # fmt: skip

    @cached_property
    def runs(self) -> set[Run]:
        """What it ran."""
        splits = self.rows["split"].str[:SPLIT_DIGITS]
        at = zip(splits, self.rows["fold"], self.rows["seed"], strict=True)
        return {Run(self.name, split, int(fold), int(seed)) for split, fold, seed in at}

    def images_seen(self, method: str) -> int:
        """How many images a run's pretraining of the method saw at most; 0 where none did."""
        cost = self.table("cost.csv")
        if not len(cost):
            return 0
        of_method = zip(cost["method"], cost["images_seen"], strict=True)
        return max([int(seen) for name, seen in of_method if name == method], default=0)

    def has(self, part: str) -> bool:
        """Whether the folder still has single images of `predictions` or of `quality`."""
        return any((self.path / part).glob("*.npz"))

    def predictions(self, key: str) -> Mapping[str, np.ndarray]:
        """Ids, labels and predicted classes of a record."""
        return self._arrays("predictions", key)

    def values(self, key: str) -> Mapping[str, np.ndarray]:
        """Ids, labels and the measures of each picture of a record of quality."""
        return self._arrays("quality", key)

    def _arrays(self, part: str, key: str) -> Mapping[str, np.ndarray]:
        """A key is a plain name, never a path."""
        path = self.path / part / f"{key}.npz"
        if not re.fullmatch(r"\w[\w.-]*", key) or not path.is_file():
            raise IntegrityError(
                f"{self.path} has no {part} of its record {key!r}", "rerun its command"
            )
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)


def run_folders(roots: Iterable[Path]) -> list[RunFolder]:
    """Every finished run at, or up to two folders below, the roots: each once, in their order."""
    return [RunFolder(path) for path in _places(roots)]


def finished_runs(roots: Sequence[Path], *, each: bool = True) -> list[RunFolder]:
    """As `run_folders`, their rows read; a page of verdicts is not to be written without a run.

    ConfigError where no run is found, or, if `each`, where one of the roots does not exist or has
    none; DataError for rows that are torn.
    """
    for root in roots if each else []:
        if not _places([root]):
            what = "has no finished run" if root.is_dir() else "does not exist"
            raise ConfigError(f"--runs {root} {what}", "give the folder of a run, or one of runs")
    found = run_folders(roots)
    if not found:
        told = " and ".join(map(str, roots))
        raise ConfigError(f"there is no finished run in {told}", "give --runs, where runs lie")
    for folder in found:
        _ = folder.rows  # torn ones are told before anything is written
    return found


def _places(roots: Iterable[Path]) -> list[Path]:
    found = {
        path.parent.resolve(): path.parent
        for root in roots
        for depth in DEPTHS
        for path in sorted(root.glob(f"{depth}run.json"))
    }
    return list(found.values())


def _damaged(file: Path, why: str) -> DataError:
    said = " ".join(why.split())[:200]
    return DataError(f"{file} is damaged: {said}", "rerun its command, or take the folder away")
