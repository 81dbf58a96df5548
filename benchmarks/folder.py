"""Image folders: which files are images of which class and split, and what was passed over."""

import hashlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int64

from benchmarks.draws import generator
from benchmarks.errors import ConfigError, DataError

IMAGE_NAME = re.compile(r"[^.].*\.(jpe?g|png|webp|gif|bmp|tiff?|p[bgp]m)", re.I | re.S)
TRAIN, TEST = ("train",), ("test", "val", "validation", "valid")
MAX_BYTES = 256 * 2**20
SAMPLED_FILES, SAMPLED_BYTES = 256, 4096


@dataclass(frozen=True)
class Listing:
    """Files in the order of the store; `names` are safe to print; `skipped` says why."""

    files: list[Path]
    names: list[str]
    labels: Int64[np.ndarray, " n"]
    is_test: Bool[np.ndarray, " n"]
    class_names: tuple[str, ...]
    skipped: tuple[str, ...]


def list_images(root: Path, *, test_fraction: float, seed: int) -> Listing:
    """Images of `root/SPLIT/CLASS` (train, and test or val) or of `root/CLASS`, stratified by us.

    Everything is sorted by bytes. Links that leave the root, pipes, hidden and foreign files are
    skipped and named. DataError if there are no classes.
    """
    if not 0 < test_fraction < 1:
        raise ConfigError(f"test_fraction is {test_fraction}", "give a number between 0 and 1")
    if not root.is_dir():
        raise DataError(f"image folder {root} does not exist", "give data.path=DIR")
    found: list[tuple[Path, str, bool]] = []
    skipped: list[str] = []
    classes: set[str] = set()
    sides = _split_folders(root)
    for folder, is_test in sides or [(root, False)]:
        for class_folder in _sorted(folder):
            if not _safe(class_folder, root) or not class_folder.is_dir():
                skipped.append(f"{printable(class_folder, root)}: not a class folder")
                continue
            classes.add(class_folder.name)
            for file in _walk(class_folder):
                if reason := _unfit(file, root):
                    skipped.append(f"{printable(file, root)}: {reason}")
                else:
                    found.append((file, class_folder.name, is_test))
    if not found:
        raise DataError(
            f"no images in {root}", "give data.path=DIR with DIR/CLASS/*.jpg or DIR/train/CLASS/"
        )
    class_names = sorted(classes, key=os.fsencode)
    labels = np.array([class_names.index(name) for _, name, _ in found], np.int64)
    tests = np.array([is_test for _, _, is_test in found])
    return Listing(
        files=[file for file, _, _ in found],
        names=[printable(file, root) for file, _, _ in found],
        labels=labels,
        is_test=tests if sides else _draw_test(labels, test_fraction, seed),
        class_names=tuple(_text(name) for name in class_names),
        skipped=tuple(skipped),
    )


def stamp(root: Path, files: Sequence[Path]) -> str:
    """Hash that changes with the files: names, sizes, times of change, and sampled bytes.

    Replacing a file by one of the same size and date still changes its ctime; should a file system
    not keep that, the bytes read at both ends of up to 256 of n files tell with chance 256/n.
    """
    digest = hashlib.sha256()
    for file in files:
        facts = file.stat()
        times = f"{facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns}"
        digest.update(os.fsencode(file.relative_to(root)) + f"\0{times}\0".encode())
    for file in files[:: max(1, -(-len(files) // SAMPLED_FILES))]:
        with file.open("rb") as content:
            digest.update(content.read(SAMPLED_BYTES))
            content.seek(max(0, file.stat().st_size - SAMPLED_BYTES))
            digest.update(content.read(SAMPLED_BYTES))
    return digest.hexdigest()


def printable(path: Path, root: Path) -> str:
    """The path below `root` with bytes that are not text, and control characters, escaped."""
    return _text(path.relative_to(root).as_posix())


def _text(name: str) -> str:
    if name.isprintable():
        return name
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _split_folders(root: Path) -> list[tuple[Path, bool]]:
    """The train folder and the test folder, if the root has both.

    DataError if more than one folder could be either, since one would be left out unsaid.
    """
    present = {path.name: path for path in _sorted(root) if _safe(path, root) and path.is_dir()}
    train = [present[name] for name in TRAIN if name in present]
    test = [present[name] for name in TEST if name in present]
    if not (train and test):
        return []
    for several in (train, test):
        if len(several) > 1:
            names = " and ".join(path.name for path in several)
            raise DataError(
                f"{root} has {names}, of which one would be left out",
                "keep one training and one test folder: move the other out, or join them",
            )
    return [(train[0], False), (test[0], True)]


def _sorted(folder: Path) -> list[Path]:
    return sorted(folder.iterdir(), key=lambda path: os.fsencode(path.name))


def _walk(folder: Path) -> Iterator[Path]:
    """All files below a class folder; a folder that is a link or named like an image is one."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
    for entry in entries:
        poses = entry.is_symlink() or IMAGE_NAME.fullmatch(entry.name)
        if not poses and entry.is_dir(follow_symlinks=False):
            yield from _walk(folder / entry.name)
        else:
            yield folder / entry.name


def _safe(path: Path, root: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # dangling, or a loop
        return False


def _unfit(path: Path, root: Path) -> str:
    """Why the path, in a folder that is safe, is no image file, or nothing; it is never opened."""
    # Looking up where a path really leads takes long, and only that of a link needs it.
    try:
        facts = path.lstat()
        leads_out = stat.S_ISLNK(facts.st_mode) and not _safe(path, root)
        facts = path.stat() if stat.S_ISLNK(facts.st_mode) and not leads_out else facts
    except OSError:  # forbidden, or gone since it was listed
        leads_out = True
    if leads_out:
        return "a link that leads nowhere or out of the folder"
    if not stat.S_ISREG(facts.st_mode):
        return "not a regular file"
    if not IMAGE_NAME.fullmatch(path.name):
        return "not the name of an image"
    return "larger than 256 MiB" if facts.st_size > MAX_BYTES else ""


def _draw_test(
    labels: Int64[np.ndarray, " n"], fraction: float, seed: int
) -> Bool[np.ndarray, " n"]:
    """A stratified test split; each class keeps at least one training image."""
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        ids = generator(seed, "test split", int(label)).permutation(np.flatnonzero(labels == label))
        is_test[ids[: min(round(fraction * len(ids)), len(ids) - 1)]] = True
    return is_test
