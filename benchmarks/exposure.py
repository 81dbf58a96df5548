"""The exposure control: pretraining that sees every class, on as many images as the method's own.

Seen and unseen classes differ for a method; for its exposed twin they do not. What remains of the
gap between them once the twin's is subtracted is due to classes, not to the amount of data.
"""

from typing import Any

import numpy as np
from jaxtyping import Int64

from benchmarks.contest import Round
from benchmarks.draws import generator
from benchmarks.errors import DataError, IntegrityError
from benchmarks.partition import Hashes, Labels, Split, sealed
from benchmarks.splits import audit


def trained_split(method: Any, at: Round) -> Split:
    """The split whose images `method` is pretrained on: the round's own, or the exposed one."""
    if not method.get("exposed") or not len(at.images.labels):  # a plan may know no image yet
        return at.split
    labels, hashes = at.images.labels, at.images.hashes
    split = exposed_split(at.split, labels, hashes, seed=at.seed)
    audit_exposed(split, at.split, labels, hashes)
    return split


def exposed_split(split: Split, labels: Labels, hashes: Hashes, *, seed: int) -> Split:
    """The split in which all classes are seen, and as many images pretrain as in `split`.

    Each class gives the same share of its nine parts, at random by `seed`; pool and test stay as
    they are. DataError if there are fewer images than classes.
    """
    taken = np.concatenate([split.pool, split.test, split.dropped])
    parts = np.setdiff1d(np.arange(len(labels)), taken)
    classes, sizes = np.unique(labels[parts], return_counts=True)
    pretrain = [
        generator(seed, "exposure", int(label)).permutation(parts[labels[parts] == label])[:n]
        for label, n in zip(classes, _shares(sizes, len(split.pretrain)), strict=True)
    ]
    return sealed(
        Split(
            pretrain=np.sort(np.concatenate(pretrain)),
            pool=split.pool,
            test=split.test,
            seen=np.union1d(split.seen, split.unseen),
            unseen=np.array([], np.int64),
            dropped=split.dropped,
        ),
        hashes,
    )


def audit_exposed(exposed: Split, split: Split, labels: Labels, hashes: Hashes) -> None:
    """Raise IntegrityError unless `exposed` differs from `split` by which images pretrain, alone.

    As many do, of all classes; pool and test are the same, and neither shares an image with them.
    """
    audit(exposed, labels, hashes)
    same = all(
        np.array_equal(getattr(exposed, side), getattr(split, side)) for side in ("pool", "test")
    )
    classes = np.union1d(split.seen, split.unseen)
    whole = np.array_equal(np.unique(labels[exposed.pretrain]), classes)
    if not (same and whole and len(np.unique(exposed.pretrain)) == len(split.pretrain)):
        raise IntegrityError(
            "the exposure control differs by more than its classes", "report this as a bug"
        )


def _shares(sizes: Int64[np.ndarray, " c"], total: int) -> Int64[np.ndarray, " c"]:
    """`total` divided in proportion to `sizes`, the largest remainders rounded up, at least 1."""
    exact = sizes * total / sizes.sum()
    shares = np.floor(exact).astype(np.int64)
    shares[np.argsort(shares - exact, kind="stable")[: total - shares.sum()]] += 1
    if (shares < 1).any():
        raise DataError(
            f"{total} pretraining images cannot be divided over {len(sizes)} classes",
            "give more images, or leave exposure=[]",
        )
    return shares
