"""Pictures that are nearly the same: other size, JPEG quality or light, a slight crop, mirrored.

Two measures must agree. First 64 bits: the signs of the lowest 8 x 8 frequencies of the discrete
cosine transform of a gray thumbnail (pHash: Zauner, 2010, here with signs in place of the median,
so that mirroring is an exclusive or). All pairs are compared, in blocks. Pairs within RADIUS bits
are looked at again: their 16 x 16 colour thumbnails must correlate by SIMILARITY or more.

The thresholds were set on what must not be found. Food-101 at 64 px (100,956 pictures, 5.1e9
pairs) has no mirrored copies, so every mirrored pair is a false alarm: within 12 bits none has a
correlation above 0.923. Of the embedded set (7,200 pictures drawn by one law) none has one above
0.960. What must be found: of 300 pictures of Food-101 all are found again after half or double
size, JPEG quality 30, 20 % more light or contrast, or mirroring; 98 % after losing 2 % at two
sides, 92 % after losing 1 % at each of four. A crop of 5 % is mostly missed (14 % found), several
changes at once may be, and a gray copy of a coloured picture is.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64, UInt8, UInt64
from scipy.fft import dctn

from benchmarks.data import ImageStore
from benchmarks.partition import without_duplicates
from benchmarks.progress import Meter
from benchmarks.provenance import code_hash
from benchmarks.store import Store, content_key

SIDE, FREQUENCIES = 16, 8  # of thumbnails, in pixels; of the transform, a side
RADIUS, SIMILARITY = 12, 0.97
CONTRAST = 4.0  # of 255: pictures with a smaller standard deviation are flat, and have no pattern
ROWS, COLUMNS = 64, 4096  # pairs compared at a time: what fits a core's cache
CHUNK = 1024  # images shrunk at a time
GRAY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R 601
# A mirrored picture has the opposite sign at odd horizontal frequencies.
MIRROR = np.packbits(np.tile(np.arange(FREQUENCIES) % 2, FREQUENCIES)).view(np.uint64)[0]


@dataclass(frozen=True)
class Pairs:
    """Pictures by two: ids (one < two), bits that differ, correlation, whether mirrored or equal.

    Equal ones have the same content hash: `one` is then the first of the copies.
    """

    one: Int64[np.ndarray, " p"]
    two: Int64[np.ndarray, " p"]
    bits: Int64[np.ndarray, " p"]
    similarity: Float[np.ndarray, " p"]
    mirrored: Bool[np.ndarray, " p"]
    exact: Bool[np.ndarray, " p"]


def duplicates(images: ImageStore, store: Store) -> Pairs:
    """All exact and near pairs of a data set, from their record, which is made if it is missing."""
    key = content_key(
        stage="duplicates",
        data=images.fingerprint,
        code=code_hash("benchmarks/near_duplicates.py", "benchmarks/partition.py"),
    )
    with store.writing("duplicates", key) as folder:
        if folder is not None:
            ids = np.union1d(
                without_duplicates(images.is_test, images.hashes), np.flatnonzero(images.is_test)
            )
            found = _joined(exact_pairs(images.hashes), near_pairs(images.images, ids))
            np.savez(
                folder / "pairs.npz", **{f.name: getattr(found, f.name) for f in fields(Pairs)}
            )
    with np.load(store.path("duplicates", key) / "pairs.npz", allow_pickle=False) as arrays:
        return Pairs(**arrays)


def exact_pairs(hashes: np.ndarray) -> Pairs:
    """Each picture whose content hash came before, with the first that has it."""
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    two = np.flatnonzero(first[which] != np.arange(len(hashes)))
    none, yes = np.zeros(len(two), bool), np.ones(len(two), bool)
    return Pairs(first[which][two], two, none.astype(np.int64), yes.astype(float), none, yes)


def near_pairs(
    images: UInt8[np.ndarray, "n h w 3"],
    ids: Int64[np.ndarray, " m"],
    *,
    radius: int = RADIUS,
    similarity: float = SIMILARITY,
) -> Pairs:
    """Pairs among `ids` that both measures hold for one picture; equal pixels are not listed.

    Memory does not grow with the number of pairs compared: 8 bytes an image are kept.
    """
    hashes = np.zeros(len(ids), np.uint64)
    patterned = np.zeros(len(ids), bool)
    for start in range(0, len(ids), CHUNK):
        part = slice(start, start + CHUNK)
        thumbs = thumbnails(images[ids[part]])
        hashes[part], patterned[part] = picture_hashes(thumbs), thumbs.std((1, 2, 3)) > CONTRAST
    ids, hashes = ids[patterned], hashes[patterned]
    found = [exact_pairs(np.array([], str))]
    with Meter("near duplicates", len(ids)) as meter:
        for one, two, bits, mirrored in close(hashes, radius):
            found.append(_confirmed(images, (ids[one], ids[two]), bits, mirrored, similarity))
            meter.advance(min(ROWS, len(ids) - meter.done))
    return _joined(*found)


def thumbnails(images: UInt8[np.ndarray, "n h w 3"]) -> Float32[np.ndarray, "n 16 16 3"]:
    """Means of the pixels, 0 to 255, over 16 x 16 equal areas."""
    down, across = (_areas(side) for side in images.shape[1:3])
    return np.einsum("ih,nhwc,jw->nijc", down, images.astype(np.float32), across, optimize=True)


def picture_hashes(thumbs: Float32[np.ndarray, "n 16 16 3"]) -> UInt64[np.ndarray, " n"]:
    """64 bits a picture: which of its lowest frequencies are positive."""
    low = dctn(thumbs @ GRAY, axes=(1, 2))[:, :FREQUENCIES, :FREQUENCIES]
    return np.packbits(low.reshape(len(thumbs), -1) > 0, axis=1).view(np.uint64)[:, 0]


def close(
    hashes: UInt64[np.ndarray, " n"], radius: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Positions one < two whose hashes differ in at most `radius` bits, the bits, whether mirrored.

    All pairs are compared; they come by blocks of ROWS values of `one`.
    """
    for top in range(0, len(hashes), ROWS):
        found: list[np.ndarray] = [np.zeros((4, 0), np.int64)]
        for left in range(top, len(hashes), COLUMNS):
            differ = hashes[top : top + ROWS, None] ^ hashes[None, left : left + COLUMNS]
            for mirrored in (0, 1):
                bits = np.bitwise_count(differ ^ MIRROR if mirrored else differ)
                at = np.flatnonzero(bits <= radius)
                one, two = np.divmod(at, bits.shape[1])
                lines = [one + top, two + left, bits.flat[at], np.full(len(at), mirrored)]
                found.append(np.stack(lines)[:, two + left > one + top])
        one, two, bits, mirror = np.concatenate(found, axis=1)
        yield one, two, bits, mirror.astype(bool)


def correlation(
    ones: Float32[np.ndarray, "p 16 16 3"], twos: Float32[np.ndarray, "p 16 16 3"]
) -> Float32[np.ndarray, " p"]:
    """Pearson's r over the places and colours of two pictures: light and contrast do not matter."""
    a, b = (t.reshape(len(t), -1) - t.mean((1, 2, 3))[:, None] for t in (ones, twos))
    return (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))


def _confirmed(
    images: UInt8[np.ndarray, "n h w 3"],
    pair: tuple[Int64[np.ndarray, " p"], Int64[np.ndarray, " p"]],
    bits: np.ndarray,
    mirrored: np.ndarray,
    similarity: float,
) -> Pairs:
    """The candidates that are alike in colour thumbnails too, each pair once, and not equal."""
    one, two = pair
    r = np.zeros(len(one))
    equal = np.zeros(len(one), bool)
    for start in range(0, len(one), CHUNK):
        part = slice(start, start + CHUNK)
        left, right = images[one[part]], images[two[part]]
        equal[part] = (left == right).all((1, 2, 3))
        turned = np.where(mirrored[part, None, None, None], right[:, :, ::-1], right)
        r[part] = correlation(thumbnails(left), thumbnails(turned))
    order = np.lexsort((-r, two, one))
    order = order[(r[order] >= similarity) & ~equal[order]]
    _, best = np.unique(np.stack([one, two])[:, order], axis=1, return_index=True)
    kept = order[best]
    return Pairs(one[kept], two[kept], bits[kept], r[kept], mirrored[kept], equal[kept])


def _joined(*parts: Pairs) -> Pairs:
    return Pairs(
        **{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Pairs)}
    )


def _areas(side: int) -> Float32[np.ndarray, "16 side"]:
    """Weights of `side` pixels in the mean of each of 16 equal areas."""
    edges = np.arange(SIDE + 1)[:, None] * side / SIDE
    pixel = np.arange(side)
    shared = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    return (np.clip(shared, 0, None) * SIDE / side).astype(np.float32)
