"""Data sets of the Hub, by id or from a local copy of their parquet files."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from benchmarks.errors import DataError
from benchmarks.folder import stamp
from benchmarks.sources import Catalogue


class HubSource:
    """A data set of the Hub by its id, or a local folder of its parquet files.

    A Hub data set is fetched when its store is first built; `revision` pins a commit.
    """

    def __init__(
        self,
        path: str,
        *,
        image_key: str,
        label_key: str,
        train_split: str = "train",
        test_split: str = "test",
        size: int,
        fit: str = "crop",
        revision: str = "main",
    ) -> None:
        self.path, self.name = path, Path(path).resolve().name
        self.image_key, self.label_key = image_key, label_key
        self.splits = (train_split, test_split)
        self.size, self.fit, self.revision = size, fit, revision

    def identity(self) -> dict[str, Any]:
        """Hub id and revision, or a stamp of the local files; and the keys that are read."""
        keys = {"keys": [self.image_key, self.label_key], "splits": self.splits}
        if not self._is_local():
            return {"hub": self.path, "revision": self.revision, **keys}
        root = Path(self.path)
        files = [file for split in self.splits for file in self._files(split)]
        return {"files": stamp(root, files), **keys}

    def open(self) -> Catalogue:
        """Load the tables (never the whole pixels) of both splits; DataError if they are unfit."""
        from datasets import ClassLabel, Image, concatenate_datasets

        parts = self._load()
        for part in parts:
            absent = {self.image_key, self.label_key} - set(part.column_names)
            if absent or not isinstance(part.features[self.label_key], ClassLabel):
                raise DataError(
                    f"{self.path} has columns {part.features}, not image {self.image_key!r} and "
                    f"class label {self.label_key!r}",
                    "set data.image_key and data.label_key",
                )
        raw = [part.cast_column(self.image_key, Image(decode=False)) for part in parts]
        rows = concatenate_datasets([r.select_columns([self.image_key]) for r in raw])
        sizes = [len(part) for part in parts]
        return Catalogue(
            names=[f"{s}/{i}" for s, n in zip(self.splits, sizes, strict=True) for i in range(n)],
            labels=np.concatenate([self._labels(part) for part in parts]),
            is_test=np.repeat([False, True], sizes),
            class_names=tuple(parts[0].features[self.label_key].names),
            read=lambda a, b: [image["bytes"] or b"" for image in rows[a:b][self.image_key]],
        )

    def _labels(self, part: Any) -> Int64[np.ndarray, " n"]:
        return np.array(part.select_columns([self.label_key])[:][self.label_key], np.int64)

    def _is_local(self) -> bool:
        """Whether `path` is a folder here; DataError if it is neither that nor a Hub id."""
        if Path(self.path).is_dir():
            return True
        if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", self.path):
            raise DataError(f"data folder {self.path} does not exist", "give data.path=DIR")
        return False

    def _files(self, split: str) -> list[Path]:
        root = Path(self.path)
        files = sorted(root.rglob(f"{split}-*.parquet"))
        if not files:
            raise DataError(
                f"no {split}-*.parquet in {root}",
                "give data.path=DIR with parquet files of the Hub, "
                "or data=imagefolder data.path=DIR for folders of images",
            )
        if len(folders := {file.parent for file in files}) > 1:
            raise DataError(
                f"{root} holds {split}-*.parquet in {len(folders)} folders",
                f"choose one: data.path={files[0].parent}",
            )
        return files

    def _load(self) -> list[Any]:
        """The two splits as `datasets.Dataset`s, from the files or from the Hub."""
        import datasets

        if self._is_local():
            # Prepared anew: the cache of `datasets` trusts size and date of a file.
            files = {split: [str(f) for f in self._files(split)] for split in self.splits}
            options: dict[str, Any] = {"download_mode": "reuse_cache_if_exists"}
            loaded = datasets.load_dataset("parquet", data_files=files, **options)
        else:
            self._ask_hub()
            try:
                loaded = datasets.load_dataset(self.path, revision=self.revision)
            except (ConnectionError, FileNotFoundError) as error:
                raise self._unfetched(error) from error
        if absent := [split for split in self.splits if split not in loaded]:
            raise DataError(
                f"{self.path} has no split {absent[0]!r}, it has {', '.join(loaded)}",
                "set data.train_split and data.test_split",
            )
        return [loaded[split] for split in self.splits]

    def _ask_hub(self) -> None:
        """Fail at once if the Hub cannot be reached: `datasets` alone would retry for long."""
        from huggingface_hub import HfApi
        from huggingface_hub.errors import OfflineModeIsEnabled

        try:
            HfApi().dataset_info(self.path, revision=self.revision, timeout=10)
        except OfflineModeIsEnabled:
            return  # asked for by the user: what was fetched before is used
        # The client's exceptions differ between its versions; all mean that there is no data.
        except Exception as error:
            raise self._unfetched(error) from error

    def _unfetched(self, error: Exception) -> DataError:
        reason = " ".join(str(error).split())[:200]
        return DataError(
            f"{self.path} is no folder and cannot be fetched from the Hub: {reason}",
            "connect to the network, or copy its parquet files here and give data.path=DIR",
        )
