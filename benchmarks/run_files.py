"""The folder of a run as the commands around it read it: what is missing or torn is said."""

import csv
import json
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from benchmarks.errors import ConfigError, DataError, IntegrityError
from benchmarks.store import Store

TEXT = ["exp", "method", "classifier", "tap", "task", "classes", "key", "split", "commit"]
RUN = ["fold", "seed", "draw"]
TABLES = {  # files beside rows.csv, and the columns that commands read
    "encoders.csv": ("method", "fold", "seed", "key", "latents"),
    "cost.csv": ("method", "fold", "seed", "seconds", "images_seen"),
    "selection.csv": ("method", "classifier", "task", "labels_per_class", "fold", "seed", "draw",
                      "candidate", "trial", "score", "chosen"),
}  # fmt: skip
AGAIN = "give the run's command again"


@dataclass(frozen=True)
class RunFiles:
    """A run's folder; each part is read when it is asked for. ConfigError if it is no such folder.

    Records of the run, where they still are, lie in the cache beside it: OUT/runs/RUN, OUT/cache
    (or beside the run itself, if that was moved to OUT/RUN).
    """

    folder: Path
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        if not (self.folder / "rows.csv").is_file():
            told = Path("results").glob("**/run.json")
            known = sorted(str(p.parent) for p in told if p.with_name("rows.csv").is_file())
            raise ConfigError(
                f"{self.folder} is not the folder of a run: it has no rows.csv",
                f"known: {', '.join(known[:10]) or 'none'}",
            )
        above = self.folder.resolve().parents
        beside = above[0] / "cache"
        cache = beside if beside.is_dir() else above[1] / "cache"
        object.__setattr__(self, "store", Store(cache))

    @cached_property
    def rows(self) -> pd.DataFrame:
        """rows.csv, its values to the last digit, its names as text whatever they look like."""
        text = dict.fromkeys(TEXT, str)
        try:
            rows = pd.read_csv(
                self.folder / "rows.csv", dtype=text, keep_default_na=False,
                na_values={"value": [""]}, float_precision="round_trip",
            )  # fmt: skip
        except ValueError as error:
            raise DataError(f"{self.folder / 'rows.csv'} is damaged: {error}", self.again) from None
        lacking = {*TEXT, *RUN, "labels_per_class", "metric", "value", "n_test"} - set(rows)
        if lacking:
            raise DataError(f"rows.csv lacks {', '.join(sorted(lacking))}", self.again)
        return rows

    @cached_property
    def facts(self) -> dict[str, Any]:
        """run.json; DataError if it is missing or damaged."""
        try:
            return dict(json.loads((self.folder / "run.json").read_text()))
        except (OSError, ValueError):
            raise DataError(f"{self.folder / 'run.json'} is missing or damaged", AGAIN) from None

    @cached_property
    def config(self) -> DictConfig:
        """config.yaml; DataError if it is missing or damaged."""
        try:
            config = OmegaConf.load(self.folder / "config.yaml")
        except (OSError, YAMLError, OmegaConfBaseException):
            config = None
        if not isinstance(config, DictConfig):
            raise DataError(f"{self.folder / 'config.yaml'} is missing or damaged", self.again)
        return config

    @property
    def again(self) -> str:
        """A remedy: the command that fills the folder."""
        try:
            return f"run it again: {self.facts['command']}"
        except (DataError, KeyError):
            return AGAIN

    @property
    def unseen(self) -> dict[int, list[int]]:
        """The unseen classes of each fold."""
        return {int(k): list(v) for k, v in self.facts.get("unseen_classes", {}).items()}

    @property
    def has_predictions(self) -> bool:
        """Whether the folder has predictions of single images; committed folders need not."""
        return any((self.folder / "predictions").glob("*.npz"))

    def predictions(self, key: str) -> dict[str, np.ndarray]:
        """The ids, labels and predicted classes of a record; a key is a plain name, no path."""
        path = self.folder / "predictions" / f"{key}.npz"
        if not re.fullmatch(r"\w[\w.-]*", key) or not path.is_file():
            raise IntegrityError(f"record {key!r} has no predictions", self.again)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in ("ids", "label", "predicted")}
        except Exception as error:  # a torn archive fails in many ways
            said = " ".join(str(error).split())[:100]
            raise IntegrityError(f"predictions/{key}.npz is damaged: {said}", self.again) from None

    def table(self, name: str) -> list[dict[str, str]]:
        """The lines of a CSV of the folder as texts; [] where it has none; DataError if torn."""
        path = self.folder / name
        if not path.is_file():
            return []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file, strict=True)
                header, lines = reader.fieldnames, list(reader)
        except (csv.Error, UnicodeDecodeError) as error:
            raise DataError(f"{path} is damaged: {error}", self.again) from None
        lacking = sorted({*TABLES.get(name, ())} - {*(header or ())})
        if lacking and header:  # a table without lines has no header
            raise DataError(f"{path} is damaged: it lacks {', '.join(lacking)}", self.again)
        for number, line in enumerate(lines, 2):
            if None in line or None in line.values():
                raise DataError(f"{path} is damaged: line {number} is not whole", self.again)
        return lines
