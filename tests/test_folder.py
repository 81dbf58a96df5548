"""Image folders with everything that is found in real ones."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.errors import ConfigError, DataError
from benchmarks.folder import list_images, stamp


def image(path: Path, colour: str = "red") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path, "PNG")
    return path


def listed(root: Path, fraction: float = 0.2, seed: int = 0):
    return list_images(root, test_fraction=fraction, seed=seed)


@pytest.mark.parametrize("test_folder", ["test", "val", "validation", "valid"])
def test_split_folders(tmp_path, test_folder):
    for name in ("train/b/1.png", "train/a/2.png", "train/a/sub/0.JPG", f"{test_folder}/b/1.png"):
        image(tmp_path / name)
    listing = listed(tmp_path)
    names = ["train/a/2.png", "train/a/sub/0.JPG", "train/b/1.png", f"{test_folder}/b/1.png"]
    assert listing.names == names
    assert listing.class_names == ("a", "b")
    np.testing.assert_array_equal(listing.labels, [0, 0, 1, 1])
    np.testing.assert_array_equal(listing.is_test, [False, False, False, True])
    assert listing.skipped == ()


def test_two_test_folders_are_refused_since_one_would_be_left_out(tmp_path):
    for name in ("train/a/1.png", "test/a/1.png", "val/a/1.png"):
        image(tmp_path / name)
    with pytest.raises(DataError, match=r"has test and val, of which one would be left out"):
        listed(tmp_path)


def test_our_own_division_is_stratified_and_seeded(tmp_path):
    for label, count in (("a", 10), ("b", 5), ("c", 1)):
        for i in range(count):
            image(tmp_path / label / f"{i}.png")
    listing = listed(tmp_path)
    np.testing.assert_array_equal(
        np.bincount(listing.labels[listing.is_test], minlength=3), [2, 1, 0]
    )
    np.testing.assert_array_equal(listed(tmp_path).is_test, listing.is_test)
    seeds = {tuple(listed(tmp_path, seed=s).is_test) for s in range(6)}
    assert len(seeds) > 1
    with pytest.raises(ConfigError):
        listed(tmp_path, fraction=1.0)


def test_what_is_no_image_is_skipped_and_named(tmp_path):
    root = tmp_path / "root"
    good = image(root / "a" / "good.png")
    image(root / "b" / "good.png")
    secret = image(tmp_path / "outside" / "secret.png")
    (root / "a" / "out.png").symlink_to(secret)
    (root / "a" / "out_folder").symlink_to(secret.parent)
    (root / "a" / "inside.png").symlink_to(good)
    (root / "a" / "nowhere.png").symlink_to(tmp_path / "absent.png")
    (root / "a" / "loop.png").symlink_to(root / "a" / "loop.png")
    (root / "a" / "around").symlink_to(root)
    (root / "linked class").symlink_to(secret.parent)
    (root / "a" / "folder.jpg").mkdir()
    image(root / "a" / "folder.jpg" / "hidden_below.png")
    os.mkfifo(root / "a" / "pipe.jpg")
    (root / "a" / "notes.txt").write_text("hello")
    image(root / "a" / ".hidden.png")
    (root / "README.md").write_text("hello")
    listing = listed(root)
    assert listing.names == ["a/good.png", "a/inside.png", "b/good.png"]
    assert listing.class_names == ("a", "b")
    skipped = {line.split(": ")[0] for line in listing.skipped}
    assert skipped == {
        "README.md", "a/.hidden.png", "a/around", "a/folder.jpg", "a/loop.png", "a/notes.txt",
        "a/nowhere.png", "a/out.png", "a/out_folder", "a/pipe.jpg", "linked class",
    }  # fmt: skip


def test_odd_names_are_read_and_printable(tmp_path):
    names = [b"-rf.png", b"a b'\".png", b"new\nline.png", b"\xff\xfe.png", "é😀.png".encode(),
             b"..png", b"x" * 251 + b".png"]  # fmt: skip
    image(tmp_path / "a" / "1.png")
    for name in names:
        shutil.copy(tmp_path / "a" / "1.png", os.fsencode(tmp_path / "a") + b"/" + name)
    image(tmp_path / "b" / "1.png")
    listing = listed(tmp_path)
    read = [os.fsencode(file.name) for file in listing.files]
    assert read == [*sorted([*names[:5], names[6], b"1.png"]), b"1.png"]
    for name in listing.names:
        assert name.isprintable()
        name.encode()
    assert "a/new\\x0aline.png" in listing.names
    assert "a/\\xff\\xfe.png" in listing.names


def test_missing_and_empty_folders_say_what_to_do(tmp_path):
    for root in (tmp_path / "absent", tmp_path):
        with pytest.raises(DataError) as raised:
            listed(root)
        assert "data.path=DIR" in raised.value.remedy


def test_stamp_changes_with_the_files(tmp_path):
    files = [image(tmp_path / "a" / f"{i}.png") for i in range(3)]
    first = stamp(tmp_path, files)
    assert first == stamp(tmp_path, files)
    facts = files[1].stat()
    content = bytearray(files[1].read_bytes())
    content[-20] ^= 1
    files[1].write_bytes(content)
    os.utime(files[1], ns=(facts.st_atime_ns, facts.st_mtime_ns))
    same_size_and_date = stamp(tmp_path, files)
    added = stamp(tmp_path, [*files, image(tmp_path / "a" / "x.png")])
    assert len({first, same_size_and_date, added, stamp(tmp_path, files[:2])}) == 4
