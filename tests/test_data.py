"""The store of images: what is in it, what is left out, when it is built again."""

import io
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.data import _in_threads, load_images
from benchmarks.errors import DataError
from benchmarks.hub import HubSource
from benchmarks.procedural import draw
from benchmarks.sources import ImageFolderSource, ProceduralSource
from benchmarks.store import Store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def folder(tmp_path):
    """Two classes of 60 training and 5 test images of random pixels."""
    rng = np.random.default_rng(0)
    for split, count in (("train", 60), ("test", 5)):
        for name in ("cat", "dog"):
            (tmp_path / "pets" / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (9, 12, 3)).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pets" / split / name / f"{i:02d}.png")
    return tmp_path / "pets"


def load(folder: Path, store: Store, **options):
    return load_images(
        ImageFolderSource(str(folder), size=8, **options), store=store, progress=False
    )


def test_drawn_images_arrive_whole(store):
    source = ProceduralSource(n_classes=9, train_per_class=20, test_per_class=4, size=16)
    images = load_images(source, store=store, progress=False)
    expected = draw(images.labels, np.arange(216), size=16, color="lawful", seed=0, n_classes=9)
    np.testing.assert_array_equal(images.images, expected)
    assert not images.images.flags.writeable
    assert images.is_test.sum() == 36
    assert images.bad == ()
    assert len(images.labelling) == 4


def test_second_call_reads_the_record(store, folder):
    first = load(folder, store)
    record = next((store.root / "images").iterdir()) / "images.npy"
    written = record.stat().st_mtime_ns
    again = load(folder, store)
    assert record.stat().st_mtime_ns == written
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.images, first.images)


def test_key_knows_size_fit_and_files_and_fingerprint_knows_contents(store, folder, tmp_path):
    first = load(folder, store)
    squashed = load(folder, store, fit="squash")
    assert squashed.fingerprint != first.fingerprint
    shutil.copytree(folder, tmp_path / "copy")
    copied = load(tmp_path / "copy", store)
    assert copied.fingerprint == first.fingerprint
    Image.new("RGB", (9, 9)).save(folder / "train" / "dog" / "00.png")
    assert load(folder, store).fingerprint != first.fingerprint
    assert len(list((store.root / "images").iterdir())) == 4


def test_equal_contents_have_equal_hashes(store, folder):
    original = folder / "train" / "cat" / "00.png"
    Image.open(original).save(folder / "test" / "dog" / "copy.bmp")
    images = load(folder, store)
    same = [n for n, h in zip(images.names, images.hashes, strict=True) if h == images.hashes[0]]
    assert same == ["train/cat/00.png", "test/dog/copy.bmp"]
    assert len(np.unique(images.hashes)) == len(images.hashes) - 1


def test_a_bad_image_is_left_out_and_named(store, folder):
    whole = load(folder, store)
    (folder / "train" / "cat" / "07.png").write_bytes(b"<html>404</html>")
    (folder / "train" / "notes.txt").write_text("x")
    images = load(folder, store)
    assert len(images.images) == len(images.labels) == len(images.hashes) == 129
    assert "train/cat/07.png" not in images.names
    np.testing.assert_array_equal(images.images, np.delete(whole.images, 7, axis=0))
    assert len(images.bad) == 2
    assert images.bad[0].startswith("train/cat/07.png: not an image of a known format")


def test_too_many_bad_images_stop_with_the_first_three(store, folder):
    for i in range(4):
        (folder / "train" / "dog" / f"{i:02d}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"4 of 130 .*dog/00.png: empty.*02.png") as raised:
        load(folder, store)
    assert "03.png" not in raised.value.cause
    assert raised.value.exit_code == 3
    assert not any(store.has("images", path.name) for path in (store.root / "images").iterdir())


def test_classes_without_training_images_are_named(store, folder):
    (folder / "train" / "empty").mkdir()
    with pytest.raises(DataError, match="class empty has no usable training image"):
        load(folder, store)
    (folder / "train" / "empty").rmdir()
    (folder / "test" / "fox").mkdir()
    shutil.copy(folder / "test" / "cat" / "00.png", folder / "test" / "fox")
    with pytest.raises(DataError, match="class fox"):
        load(folder, store)


def test_one_class_is_no_data_set(store, tmp_path):
    (tmp_path / "root" / "only").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(tmp_path / "root" / "only" / "1.png")
    with pytest.raises(DataError, match="only class"):
        load(tmp_path / "root", store)


def test_an_error_in_a_thread_ends_the_work():
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        time.sleep(0.001)
        if item == 5:
            raise OSError("disk")
        return item

    with pytest.raises(OSError, match="disk"):
        list(_in_threads(work, range(3000)))
    assert len(begun) < 2000
    assert sorted(_in_threads(lambda item: item, range(40))) == list(range(40))


def test_progress_can_be_shown(store, folder, capsys):
    source = ImageFolderSource(str(folder), size=8)
    assert len(load_images(source, store=store).images) == 130
    assert capsys.readouterr().out == ""


@pytest.mark.real_data
def test_food101(store):
    path = os.environ.get("COLORPROBE_FOOD101")
    if not path:
        pytest.skip("COLORPROBE_FOOD101 names no folder with the parquet files of Food-101")
    source = HubSource(path, image_key="image", label_key="label", test_split="validation", size=32)
    images = load_images(source, store=store, progress=False)
    assert len(images.class_names) == 101
    assert (~images.is_test).sum() > 75_000
    assert images.is_test.sum() > 25_000
    assert images.bad == ()
    rows = source.open().read(70_000, 70_003)
    for row, encoded in enumerate(rows, 70_000):
        picture = Image.open(io.BytesIO(encoded)).resize((32, 32), Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(images.images[row], np.asarray(picture))
