"""Index arrays of a split: duplicates removed, each class divided 9:1, written as text and hashed.

Training images are thinned first: one whose content is in the test split goes, and of equal ones
only the first stays. The parts of a class do not depend on the fold, nor on other classes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64, Shaped

from benchmarks.draws import generator
from benchmarks.errors import ConfigError, DataError

Labels = Int64[np.ndarray, " n"]
Mask = Bool[np.ndarray, " n"]
Hashes = Shaped[np.ndarray, " n"]


@dataclass(frozen=True)
class Split:
    """Sorted ids of images (pretrain, pool, test; dropped duplicates) and of classes."""

    pretrain: Int64[np.ndarray, " a"]
    pool: Int64[np.ndarray, " b"]
    test: Int64[np.ndarray, " c"]
    seen: Int64[np.ndarray, " d"]
    unseen: Int64[np.ndarray, " e"]
    dropped: Int64[np.ndarray, " f"]
    manifest_hash: str = ""


def without_duplicates(is_test: Mask, hashes: Hashes) -> Int64[np.ndarray, " m"]:
    """Ids of training images whose content is neither in the test split nor in an earlier one."""
    train = np.flatnonzero(~is_test)
    _, first = np.unique(hashes[train], return_index=True)
    unique = train[np.sort(first)]
    return unique[~np.isin(hashes[unique], hashes[is_test])]


def stratified_pool(
    labels: Labels, kept: Int64[np.ndarray, " m"], *, fraction: float, seed: int
) -> Int64[np.ndarray, " p"]:
    """Ids of `fraction` of each class's kept images (at least one): the labelled pool."""
    if not 0 < fraction < 1:
        raise ConfigError(f"pool_fraction is {fraction}", "give a number between 0 and 1")
    pool = []
    for label in np.unique(labels[kept]):
        ids = generator(seed, "pool", int(label)).permutation(kept[labels[kept] == label])
        pool.append(ids[: max(1, round(fraction * len(ids)))])
    return np.concatenate(pool)


def assemble(
    labels: Labels,
    is_test: Mask,
    hashes: Hashes,
    class_names: Sequence[str],
    *,
    kept: Int64[np.ndarray, " m"],
    pool: Int64[np.ndarray, " p"],
    unseen: Int64[np.ndarray, " u"],
) -> Split:
    """The split in which `kept` less `pool` pretrains, but for classes in `unseen`.

    DataError names a class that has no image left for a side that it must be on.
    """
    seen = np.setdiff1d(np.arange(len(class_names)), unseen)
    rest = np.setdiff1d(kept, pool)
    pretrain = rest[np.isin(labels[rest], seen)]
    for ids, classes in ((pretrain, seen), (pool, unseen)):
        for empty in np.setdiff1d(classes, labels[ids]):
            raise DataError(
                f"class {class_names[empty]} has too few different training images to divide",
                "add images to the class (duplicates do not count) or take the class out",
            )
    split = Split(
        pretrain=pretrain,
        pool=np.sort(pool),
        test=np.flatnonzero(is_test),
        seen=seen,
        unseen=np.sort(unseen),
        dropped=np.setdiff1d(np.flatnonzero(~is_test), kept),
    )
    return sealed(split, hashes)


def sealed(split: Split, hashes: Hashes) -> Split:
    """The split with the hash of its manifest."""
    digest = hashlib.sha256(manifest(split, hashes).encode()).hexdigest()
    return replace(split, manifest_hash=digest)


def manifest(split: Split, hashes: Hashes) -> str:
    """The split as text: a line for each class and image; its SHA-256 is `manifest_hash`."""
    lines = [f"{side}\t{c}" for side in ("seen", "unseen") for c in getattr(split, side)]
    for side in ("pretrain", "pool", "test", "dropped"):
        lines += [f"{side}\t{i}\t{hashes[i]}" for i in getattr(split, side)]
    return "\n".join(lines) + "\n"
