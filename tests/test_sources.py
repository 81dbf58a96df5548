"""Image folders and drawn images as catalogues, and the handles in configs/data."""

from pathlib import Path

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf
from PIL import Image

from benchmarks.decode import decode_image
from benchmarks.errors import ConfigError
from benchmarks.procedural import draw
from benchmarks.sources import ImageFolderSource, ProceduralSource

HANDLES = sorted((Path(__file__).parents[1] / "configs" / "data").glob("*.yaml"))


def test_folder_is_read_in_its_order(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3)).astype(np.uint8)
    for i, picture in enumerate(pixels):
        folder = tmp_path / ("train" if i < 4 else "test") / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{i}.png")
    catalogue = ImageFolderSource(str(tmp_path), size=8).open()
    assert catalogue.names[:3] == ["train/a/0.png", "train/a/2.png", "train/b/1.png"]
    read = [decode_image(data, 8) for data in catalogue.read(0, 6)]
    np.testing.assert_array_equal(read, pixels[[0, 2, 1, 3, 4, 5]])


def test_folder_identity_and_vanished_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    source = ImageFolderSource(str(tmp_path), size=8)
    identity, catalogue = source.identity(), source.open()
    assert identity != ImageFolderSource(str(tmp_path), size=8, seed=1).identity()
    (tmp_path / "a" / "1.png").unlink()
    assert source.identity() != identity
    assert [bool(data) for data in catalogue.read(0, 2)] == [False, True]


def test_procedural_catalogue_is_the_drawing():
    source = ProceduralSource(n_classes=5, train_per_class=3, test_per_class=2, size=16, seed=4)
    catalogue = source.open()
    assert len(catalogue.class_names) == 5
    assert (np.bincount(catalogue.labels[~catalogue.is_test]) == 3).all()
    assert (np.bincount(catalogue.labels[catalogue.is_test]) == 2).all()
    drawn = draw(catalogue.labels, np.arange(25), size=16, color="lawful", seed=4, n_classes=5)
    read = np.concatenate([catalogue.read(0, 7), catalogue.read(7, 25)])
    np.testing.assert_array_equal(read, drawn)
    with pytest.raises(ConfigError):
        ProceduralSource(n_classes=99).open()


@pytest.mark.parametrize("handle", HANDLES, ids=lambda path: path.stem)
def test_every_handle_makes_a_source(handle):
    config = OmegaConf.load(handle)
    options = {"path": "."} if OmegaConf.is_missing(config, "path") else {}
    source = instantiate(config, **options, _convert_="all")
    assert source.size in (32, 64)
    assert source.name
    assert source.fit == "crop"


def test_a_folder_is_listed_once_for_its_key_and_its_contents(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (2, 2)).save(tmp_path / name / "1.png")
    listed, real = [], ImageFolderSource._list
    monkeypatch.setattr(ImageFolderSource, "_list", lambda s: (listed.append(1), real(s))[1])
    source = ImageFolderSource(str(tmp_path), size=2)
    source.identity()
    assert len(source.open().names) == 2 and len(listed) == 1
    Image.new("RGB", (2, 2)).save(tmp_path / "b" / "2.png")
    assert len(source.open().names) == 3, "what was stamped serves once"
    before = source.identity()
    (tmp_path / "b" / "2.png").unlink()
    assert source.identity() != before and len(source.open().names) == 2
