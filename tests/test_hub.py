"""Parquet in the Hub's layout, written here by `datasets` itself; and the Hub without a network."""

import time
from pathlib import Path

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Image, Value
from PIL import Image as Picture

from benchmarks.decode import decode_image
from benchmarks.errors import DataError
from benchmarks.hub import HubSource

CLASSES = ["tacos", "ramen", "pho"]


def rows(n: int, seed: int) -> dict:
    pixels = np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 3)).astype(np.uint8)
    return {"img": [Picture.fromarray(p) for p in pixels], "fine": [i % 3 for i in range(n)]}


def write(
    folder: Path, n_train: int = 9, n_test: int = 3, *, test: str = "test", label=None
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    features = Features({"img": Image(), "fine": label or ClassLabel(names=CLASSES)})
    data = rows(n_train, 0)
    half = n_train // 2
    for i, part in enumerate((slice(0, half), slice(half, None))):
        piece = Dataset.from_dict({k: v[part] for k, v in data.items()}, features)
        piece.to_parquet(folder / f"train-{i:05d}-of-00002.parquet")
    Dataset.from_dict(rows(n_test, 1), features).to_parquet(
        folder / f"{test}-00000-of-00001.parquet"
    )
    return folder


def source(path: Path | str, **options) -> HubSource:
    return HubSource(str(path), **{"image_key": "img", "label_key": "fine", "size": 8, **options})


@pytest.mark.parametrize("below", ["", "data", "plain_text"])
def test_local_parquet_files(tmp_path, below):
    write(tmp_path / below)
    catalogue = source(tmp_path).open()
    assert catalogue.class_names == tuple(CLASSES)
    np.testing.assert_array_equal(catalogue.labels, [i % 3 for i in range(9)] + [0, 1, 2])
    np.testing.assert_array_equal(catalogue.is_test, [False] * 9 + [True] * 3)
    pixels = [np.asarray(p) for p in rows(9, 0)["img"] + rows(3, 1)["img"]]
    read = [decode_image(data, 8) for data in catalogue.read(0, 7) + catalogue.read(7, 12)]
    np.testing.assert_array_equal(np.array(read), np.array(pixels))
    assert len(set(catalogue.names)) == 12


def test_identity_follows_the_files(tmp_path):
    write(tmp_path)
    first = source(tmp_path).identity()
    assert first == source(tmp_path).identity()
    write(tmp_path, n_train=12)
    assert source(tmp_path).identity() != first
    np.testing.assert_array_equal(len(source(tmp_path).open().labels), 15)


def test_unfit_files_say_what_to_do(tmp_path):
    def problem(where: Path, **options) -> str:
        with pytest.raises(DataError) as raised:
            given = source(where, **options)
            given.identity()
            given.open()
        return str(raised.value)

    assert "data.path=DIR" in problem(tmp_path)
    write(tmp_path / "one")
    assert "valid-*.parquet" in problem(tmp_path / "one", test_split="valid")
    assert "data.label_key" in problem(tmp_path / "one", label_key="coarse")
    assert "data.image_key" in problem(tmp_path / "one", image_key="image")
    write(tmp_path / "two")
    assert f"data.path={tmp_path}" in problem(tmp_path)
    write(tmp_path / "numbers", label=Value("int64"))
    assert "class label" in problem(tmp_path / "numbers")
    assert "does not exist" in problem(tmp_path / "absent")
    assert "does not exist" in problem(Path("../absent/folder"))


def test_unreachable_hub_is_told_at_once():
    asked = source("no-such-owner-of-data/no-such-data-set")
    assert asked.identity()["hub"] == "no-such-owner-of-data/no-such-data-set"
    start = time.monotonic()
    with pytest.raises(DataError, match="cannot be fetched from the Hub") as raised:
        asked.open()
    assert time.monotonic() - start < 20
    assert "data.path=DIR" in raised.value.remedy
    assert "\n" not in raised.value.cause
