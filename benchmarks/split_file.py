"""A split as a run has written it, split-FOLD.tsv, read back and held against the data.

A line is `seen TAB class`, `unseen TAB class`, or `SIDE TAB id TAB content hash` for the sides
pretrain, pool, test and dropped. SHA-256 of the file is the `split` of every row made with it.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.errors import ConfigError, DataError
from benchmarks.partition import Hashes, Labels, Mask, Split, manifest

CLASSES = ("seen", "unseen")
IMAGES = ("pretrain", "pool", "test", "dropped")


@dataclass(frozen=True)
class Manifest:
    """The split of a file, and the content hash that the file gives to each image's id."""

    split: Split
    contents: dict[int, str]


def manifest_split(
    labels: Labels,
    is_test: Mask,
    hashes: Hashes,
    class_names: Sequence[str],
    *,
    fold: int,
    path: str,
) -> Split:
    """The split in the file `path`, or in the file of this fold in the run's folder `path`.

    A file named split-FOLD.tsv is of that fold, any other of fold 0. ConfigError where there is no
    such file or fold, DataError where the data has other images than the file.
    """
    file, found = manifest_of_fold(Path(path), fold)
    _check_contents(file, found, hashes)
    _check_classes(file, found.split, len(class_names))
    trains = np.concatenate([found.split.pretrain, found.split.pool, found.split.dropped])
    if is_test[trains].any() or not is_test[found.split.test].all():
        raise DataError(f"{file} tests on images that this data trains on", "give the run's data")
    digest = hashlib.sha256(manifest(found.split, hashes).encode()).hexdigest()
    return replace(found.split, manifest_hash=digest)


def manifest_of_fold(path: Path, fold: int) -> tuple[Path, Manifest]:
    """The file of a fold, `path` or in the run's folder `path`, and what it tells, sides disjoint.

    ConfigError where there is no such file or fold, DataError where it tells of no split.
    """
    file = _file(path, fold)
    found = read_manifest(file)
    for fault in overlaps(found):
        raise DataError(f"{file}: {fault}", "fetch the file again: no run writes such a split")
    return file, found


def read_manifest(file: Path) -> Manifest:
    """The split and the contents that a file tells; DataError names a line that tells nothing."""
    ids: dict[str, list[int]] = {side: [] for side in (*CLASSES, *IMAGES)}
    contents: dict[int, str] = {}
    try:
        text = file.read_text("utf-8")
    except UnicodeDecodeError:
        raise DataError(f"{file} is no text", "give split-FOLD.tsv") from None
    for number, line in enumerate(text.splitlines(), 1):
        side, *parts = line.split("\t")
        wanted = {**dict.fromkeys(CLASSES, 1), **dict.fromkeys(IMAGES, 2)}.get(side)
        if wanted != len(parts) or not parts[0].isdecimal():
            raise DataError(f"{file}, line {number} is not of a split", "give split-FOLD.tsv")
        ids[side].append(int(parts[0]))
        if side in IMAGES and contents.setdefault(int(parts[0]), parts[1]) != parts[1]:
            raise DataError(f"{file} gives image {parts[0]} two contents", "fetch the file again")
    arrays = {side: np.sort(np.array(found, np.int64)) for side, found in ids.items()}
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Manifest(Split(**arrays, manifest_hash=digest), contents)


def overlaps(found: Manifest) -> list[str]:
    """What stands on two sides that must not: an image, a content, a class; each in words."""
    faults = []
    sides = {name: getattr(found.split, name) for name in (*CLASSES, *IMAGES)}
    for names, what in ((CLASSES, "class"), (IMAGES, "image")):
        ids, counts = np.unique(np.concatenate([sides[n] for n in names]), return_counts=True)
        for one in ids[counts > 1][:1]:
            among = [n for n in names for _ in range(int((sides[n] == one).sum()))]
            faults.append(f"{(counts > 1).sum()} {what} twice, such as {one}: {', '.join(among)}")
    contents = {name: {found.contents[int(i)] for i in sides[name]} for name in IMAGES[:3]}
    for one, two in (("pretrain", "pool"), ("pretrain", "test"), ("pool", "test")):
        for content in sorted(contents[one] & contents[two])[:1]:
            faults.append(f"contents in both {one} and {two}, such as {content}")
    return faults


def _file(path: Path, fold: int) -> Path:
    if path.is_dir():
        file = path / f"split-{fold}.tsv"
        known = sorted(found.name for found in path.glob("split-*.tsv"))
        if not file.is_file():
            has = f"it has {', '.join(known)}" if known else "give the folder of a run: it has them"
            raise ConfigError(f"{path} has no split of fold {fold}", has)
        return file
    if not path.is_file():
        raise ConfigError(f"no split at {path}", "give a run's split-FOLD.tsv, or its folder")
    named = re.fullmatch(r"split-(\d+)\.tsv", path.name)
    if fold != int(named[1] if named else 0):
        raise ConfigError(
            f"{path.name} is not of fold {fold}",
            f"give folds=[{named[1] if named else 0}], or the folder with a file of each fold",
        )
    return path


def _check_contents(file: Path, found: Manifest, hashes: Hashes) -> None:
    """DataError unless every image of the file is in the data, under its number."""
    known = {str(content) for content in hashes}
    absent = [i for i, content in found.contents.items() if content not in known]
    if absent:
        raise DataError(
            f"{len(absent)} of {len(found.contents)} images of {file} are not in the data, "
            f"such as number {absent[0]} ({found.contents[absent[0]]})",
            "give the data, data.size and data.fit of the run that wrote it",
        )
    moved = [i for i, c in found.contents.items() if i >= len(hashes) or str(hashes[i]) != c]
    if moved:
        raise DataError(
            f"{len(moved)} images of {file} have other numbers in the data, such as {moved[0]}",
            "give the same files under the same names: images are numbered in their order",
        )


def _check_classes(file: Path, split: Split, n_classes: int) -> None:
    both = np.sort(np.concatenate([split.seen, split.unseen]))
    if not np.array_equal(both, np.arange(n_classes)):
        raise DataError(
            f"{file} divides {len(both)} classes, the data has {n_classes}",
            "give the data of the run that wrote it",
        )
