"""Folders of finished runs, as far as claims need them."""

import json
import re
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.claims.declarations import SPLIT_DIGITS, Run
from benchmarks.errors import DataError, IntegrityError

TEXT = ["method", "classifier", "task", "classes", "key", "endpoint", "metric", "commit", "split"]
DEPTHS = ("", "*/", "*/*/")  # below a root; not deeper, where the cache has its records


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
            raise DataError(
                f"{path / 'run.json'} is damaged: {error}", "rerun its command"
            ) from error

    @cached_property
    def rows(self) -> pd.DataFrame:
        """rows.csv."""
        return self.table("rows.csv")

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
    found = {
        path.parent.resolve(): path.parent
        for root in roots
        for depth in DEPTHS
        for path in sorted(root.glob(f"{depth}run.json"))
        if (path.parent / "rows.csv").is_file()
    }
    return [RunFolder(path) for path in found.values()]
