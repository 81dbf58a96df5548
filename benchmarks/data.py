"""Images of a source, decoded once into a memory-mapped store of uint8 pixels; knows no split.

The content hash of an image is that of its decoded pixels at the working size: it finds copies of
the file and lossless re-encodings. It does not find near duplicates (other crops, other JPEG
quality). The fingerprint of a store is the hash of its contents, wherever they came from.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int64, Shaped, UInt8

from benchmarks.decode import RULES, decoding, strict_decoding
from benchmarks.errors import DataError
from benchmarks.progress import Meter
from benchmarks.sources import Catalogue
from benchmarks.store import Store, content_key

STAGE = "images"
MAX_BAD = 0.01  # of the images, beyond which they are not used
CHUNK = 128  # images that one thread reads and decodes at a time


@runtime_checkable
class Source(Protocol):
    """What `load_images` asks of a data set (benchmarks/sources.py has its words)."""

    name: str
    size: int
    fit: str

    def identity(self) -> dict[str, Any]:
        """What the store's key is made of."""

    def open(self) -> Catalogue:
        """Names, labels and a way to read."""


@dataclass(frozen=True)
class ImageStore:
    """Square RGB images on disk, in the order of the source, and what is known of each.

    `hashes`: 32 hexadecimal digits of each image's content; `bad`: what was left out, and why.
    """

    images: UInt8[np.ndarray, "n h w 3"]
    labels: Int64[np.ndarray, " n"]
    is_test: Bool[np.ndarray, " n"]
    hashes: Shaped[np.ndarray, " n"]
    names: tuple[str, ...]
    class_names: tuple[str, ...]
    fingerprint: str
    name: str
    bad: tuple[str, ...]

    @property
    def labelling(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, tuple[str, ...]]:
        """What a split is made from: labels, is_test, hashes, class names."""
        return self.labels, self.is_test, self.hashes, self.class_names


def load_images(source: Source, *, store: Store, progress: bool = True) -> ImageStore:
    """The source's images from `store`, decoded into it first if they are not there.

    DataError if more than 1 % are bad, or if a class has no training image.
    """
    parts = {"source": source.identity(), "size": source.size, "fit": source.fit, "rules": RULES}
    key = content_key(stage=STAGE, **parts)
    if not store.has(STAGE, key):
        with store.writing(STAGE, key) as folder:
            if folder is not None:
                _build(source, folder, progress)
    return _read(store.path(STAGE, key), source.name)


def _build(source: Source, folder: Path, progress: bool) -> None:
    catalogue = source.open()
    _check_classes(catalogue.labels, catalogue.is_test, catalogue.class_names)
    hashes, bad = _decode_all(catalogue, folder, source, progress)
    kept = np.flatnonzero(hashes != "")
    _check_bad(bad, catalogue)
    if bad:
        _keep_rows(folder / "images.npy", kept)
    labels, is_test = catalogue.labels[kept], catalogue.is_test[kept]
    _check_classes(labels, is_test, catalogue.class_names)
    arrays = {"labels": labels, "is_test": is_test, "hashes": hashes[kept]}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    digest = hashlib.sha256(json.dumps(catalogue.class_names).encode())
    for array in arrays.values():
        digest.update(array.tobytes())
    reasons = [f"{catalogue.names[i]}: {bad[i]}" for i in sorted(bad)]
    facts = {
        "names": [catalogue.names[int(i)] for i in kept],
        "class_names": catalogue.class_names,
        "fingerprint": digest.hexdigest()[:32],
        "bad": [*reasons, *catalogue.skipped],
    }
    (folder / "facts.json").write_text(json.dumps(facts))


def _decode_all(
    catalogue: Catalogue, folder: Path, source: Source, progress: bool
) -> tuple[Shaped[np.ndarray, " n"], dict[int, str]]:
    """Fill images.npy; give the content hashes ("" where bad) and the reasons by row."""
    n = len(catalogue.labels)
    shape = (n, source.size, source.size, 3)
    stored = np.lib.format.open_memmap(folder / "images.npy", "w+", np.uint8, shape)
    images = stored.view(np.ndarray)  # the same memory; a memmap takes longer to index
    hashes = np.zeros(n, "U32")
    bad: dict[int, str] = {}

    def fill(start: int) -> int:
        items = catalogue.read(start, min(start + CHUNK, n))
        for row, decode in _headers(items, start, source, bad).items():
            try:
                images[row] = decode()
                hashes[row] = hashlib.sha256(images[row].data).hexdigest()[:32]
            except DataError as error:
                bad[row] = error.cause
        return len(items)

    with strict_decoding(), Meter("decode", n) if progress else nullcontext() as meter:
        for count in _in_threads(fill, range(0, n, CHUNK)):
            if meter:
                meter.advance(count)
    stored.flush()
    return hashes, bad


def _headers(
    items: Iterable[Any], start: int, source: Source, bad: dict[int, str]
) -> dict[int, Callable[[], UInt8[np.ndarray, "h w 3"]]]:
    """What gives the pixels of each row, all headers read; the reasons of refused ones into `bad`.

    Items that are pixels already give themselves.
    """
    found: dict[int, Callable[[], np.ndarray]] = {}
    for row, item in enumerate(items, start):
        try:
            ready = isinstance(item, np.ndarray)
            found[row] = item.view if ready else decoding(item, source.size, source.fit)
        except DataError as error:
            bad[row] = error.cause
    return found


def _in_threads(function: Callable[[int], int], items: Iterable[int]) -> Iterator[int]:
    """Results as they come; on an error or Ctrl-C what has not begun is dropped."""
    pool = ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    try:
        for job in as_completed([pool.submit(function, item) for item in items]):
            yield job.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _check_bad(bad: dict[int, str], catalogue: Catalogue) -> None:
    n = len(catalogue.names)
    if len(bad) > MAX_BAD * n:
        first = "; ".join(f"{catalogue.names[i]}: {bad[i]}" for i in sorted(bad)[:3])
        raise DataError(
            f"{len(bad)} of {n} images are bad, more than 1 %: {first}",
            "mend or remove them, or fetch the data again",
        )


def _check_classes(
    labels: Int64[np.ndarray, " n"], is_test: Bool[np.ndarray, " n"], class_names: tuple[str, ...]
) -> None:
    """DataError unless there are two classes or more, each with an image to train on."""
    if len(class_names) < 2:
        raise DataError(f"the only class is {class_names}", "give data of two classes or more")
    if labels.min() < 0:
        raise DataError("some images have no label (-1)", "choose splits that are labelled")
    counts = np.bincount(labels[~is_test], minlength=len(class_names))
    for empty in np.flatnonzero(counts == 0):
        raise DataError(
            f"class {class_names[empty]} has no usable training image",
            "add some, or take the class out of the data (of the test split too)",
        )


def _keep_rows(path: Path, kept: Int64[np.ndarray, " m"]) -> None:
    """Rewrite a store without its bad rows."""
    whole = np.load(path, mmap_mode="r")
    shorter = path.with_name("kept.npy")
    shape = (len(kept), *whole.shape[1:])
    images = np.lib.format.open_memmap(shorter, "w+", np.uint8, shape)
    for start in range(0, len(kept), CHUNK):
        images[start : start + CHUNK] = whole[kept[start : start + CHUNK]]
    images.flush()
    shorter.replace(path)


def _read(folder: Path, name: str) -> ImageStore:
    facts = json.loads((folder / "facts.json").read_text())
    return ImageStore(
        images=np.load(folder / "images.npy", mmap_mode="r"),
        labels=np.load(folder / "labels.npy"),
        is_test=np.load(folder / "is_test.npy"),
        hashes=np.load(folder / "hashes.npy"),
        names=tuple(facts["names"]),
        class_names=tuple(facts["class_names"]),
        fingerprint=facts["fingerprint"],
        name=name,
        bad=tuple(facts["bad"]),
    )
