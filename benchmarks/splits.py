"""Who may see what: pure functions from labels and content hashes to index arrays.

Of each class's training images, duplicates removed, nine parts pretrain and one part, the pool, is
labelled. Unseen classes have a pool, but nobody uses their other nine parts. The test split is the
data set's own. All three kinds of split are called alike: `split(labels, is_test, hashes,
class_names, fold=0)`.
"""

import difflib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from benchmarks.draws import generator
from benchmarks.errors import ConfigError, DataError, IntegrityError
from benchmarks.partition import (
    Hashes,
    Labels,
    Mask,
    Split,
    assemble,
    stratified_pool,
    without_duplicates,
)

Folds = list[tuple[Int64[np.ndarray, " t"], Int64[np.ndarray, " v"]]]
HOLD_OUT = 0.2  # of each class, where one validation set stands in for folds
# np.random.seed(42); np.random.choice(101, 20) draws 20 classes with replacement: 18 different.
SEED004_UNSEEN = [
    "baby_back_ribs", "baklava", "carrot_cake", "chicken_wings", "chocolate_cake", "churros",
    "cup_cakes", "filet_mignon", "guacamole", "gyoza", "lobster_bisque", "paella", "peking_duck",
    "ravioli", "sashimi", "scallops", "spring_rolls", "tuna_tartare",
]  # fmt: skip


def fold_split(
    labels: Labels,
    is_test: Mask,
    hashes: Hashes,
    class_names: Sequence[str],
    *,
    fold: int,
    n_folds: int = 5,
    pool_fraction: float = 0.1,
    seed: int = 0,
) -> Split:
    """Split in which group `fold` of `n_folds` groups of classes is unseen.

    Over all folds each class is unseen exactly once. ConfigError for impossible folds.
    """
    if not 2 <= n_folds <= len(class_names):
        raise ConfigError(
            f"{n_folds} folds of {len(class_names)} classes", f"give 2 to {len(class_names)} folds"
        )
    if fold not in range(n_folds):
        raise ConfigError(f"fold {fold} does not exist", f"give 0 to {n_folds - 1}")
    order = generator(seed, "class folds").permutation(len(class_names))
    unseen = np.sort(np.array_split(order, n_folds)[fold])
    kept = without_duplicates(is_test, hashes)
    pool = stratified_pool(labels, kept, fraction=pool_fraction, seed=seed)
    return assemble(labels, is_test, hashes, class_names, kept=kept, pool=pool, unseen=unseen)


def held_out_split(
    labels: Labels,
    is_test: Mask,
    hashes: Hashes,
    class_names: Sequence[str],
    *,
    unseen: Sequence[str],
    fold: int = 0,
    pool_fraction: float = 0.1,
    seed: int = 0,
) -> Split:
    """Split in which the named classes are unseen; it has only fold 0.

    ConfigError for a name that is unknown or given twice, or if no class would be seen.
    """
    _only_fold(fold)
    ids = _class_ids(unseen, class_names)
    kept = without_duplicates(is_test, hashes)
    pool = stratified_pool(labels, kept, fraction=pool_fraction, seed=seed)
    return assemble(labels, is_test, hashes, class_names, kept=kept, pool=pool, unseen=ids)


def seed004_split(
    labels: Labels, is_test: Mask, hashes: Hashes, class_names: Sequence[str], *, fold: int = 0
) -> Split:
    """Seed 004's split of Food-101: its 18 unseen classes, 83 seen; it has only fold 0.

    9:1 by the original's call (scikit-learn, random_state 42) on the seen and on the unseen
    classes. The order of the original's files is unknown, so the images chosen are ours.
    """
    from sklearn.model_selection import train_test_split

    _only_fold(fold)
    unseen = _class_ids(SEED004_UNSEEN, class_names)
    kept = without_duplicates(is_test, hashes)
    hidden = np.isin(labels[kept], unseen)
    pool = [
        train_test_split(ids, train_size=0.9, stratify=labels[ids], random_state=42)[1]
        for ids in (kept[~hidden], kept[hidden])
    ]
    return assemble(
        labels, is_test, hashes, class_names, kept=kept, pool=np.concatenate(pool), unseen=unseen
    )


def label_budget(
    labels: Labels,
    pool: Int64[np.ndarray, " m"],
    *,
    labels_per_class: int,
    draw: int,
    seed: int,
    class_names: Sequence[str] | None = None,
) -> Int64[np.ndarray, " b"]:
    """Sorted ids of `labels_per_class` images of each class of the pool, at random by `draw`.

    The larger budget contains the smaller. DataError if a class has fewer.
    """
    if labels_per_class < 1:
        raise ConfigError(f"labels_per_class is {labels_per_class}", "give 1 or more")
    chosen = []
    for label in np.unique(labels[pool]):
        ids = pool[labels[pool] == label]
        if len(ids) < labels_per_class:
            name = class_names[label] if class_names else label
            raise DataError(
                f"class {name} has {len(ids)} labelled images, {labels_per_class} are asked for",
                f"lower labels_per_class to {len(ids)}, or raise the split's pool_fraction",
            )
        order = generator(seed, "label budget", draw, int(label)).permutation(len(ids))
        chosen.append(ids[order[:labels_per_class]])
    return np.sort(np.concatenate(chosen))


def validation_folds(
    labels: Labels, n_folds: int, seed: int, validation_images: int | None = None
) -> Folds:
    """Stratified (train, validation) positions; n_folds=1 holds out a fifth of each class.

    Every class is on both sides of every fold, so there are at most as many folds as the smallest
    class has labels, and none, [], where that is one: nothing can be spared. Of `n_folds`, only the
    first ones that have `validation_images` together are given; None gives all.
    """
    if n_folds < 1:
        raise ConfigError(f"{n_folds} validation folds", "give 1 (one hold-out) or more")
    if validation_images is not None and validation_images < 1:
        raise ConfigError(f"{validation_images} validation images", "give 1 or more, or null")
    smallest = int(np.unique(labels, return_counts=True)[1].min())
    if smallest < 2:
        return []
    part = np.empty(len(labels), np.int64)
    shift = 0
    for label in np.unique(labels):
        ids = np.flatnonzero(labels == label)
        ids = generator(seed, "validation folds", int(label)).permutation(ids)
        if n_folds == 1:
            part[ids] = np.arange(len(ids)) >= max(1, round(HOLD_OUT * len(ids)))
        else:
            part[ids] = (shift + np.arange(len(ids))) % min(n_folds, smallest)
            shift += len(ids)
    folds, held = [], 0
    for fold in range(1 if n_folds == 1 else min(n_folds, smallest)):
        if validation_images is None or held < validation_images:
            folds.append((np.flatnonzero(part != fold), np.flatnonzero(part == fold)))
            held += len(folds[-1][1])
    return folds


def audit(split: Split, labels: Labels, hashes: Hashes) -> None:
    """Raise IntegrityError unless the sides share no image, no content and no unseen class."""
    sides = {"pretrain": split.pretrain, "pool": split.pool, "test": split.test}
    for one, two in (("pretrain", "pool"), ("pretrain", "test"), ("pool", "test")):
        _prove(np.intersect1d(sides[one], sides[two]), f"ids are in both {one} and {two}")
        shared = np.intersect1d(hashes[sides[one]], hashes[sides[two]])
        _prove(shared, f"contents are in both {one} and {two}")
    _prove(np.intersect1d(split.seen, split.unseen), "classes are both seen and unseen")
    _prove(np.setdiff1d(labels[split.pretrain], split.seen), "classes to pretrain on are not seen")


def _only_fold(fold: int) -> None:
    if fold != 0:
        raise ConfigError(f"fold {fold} does not exist", "this split has fixed classes: fold 0")


def _class_ids(names: Sequence[str], class_names: Sequence[str]) -> Int64[np.ndarray, " u"]:
    for name, count in Counter(names).items():
        if name not in class_names:
            near = difflib.get_close_matches(name, class_names, n=1, cutoff=0)
            raise ConfigError(f"class {name!r} does not exist", f"the nearest is {near[0]!r}")
        if count > 1:
            raise ConfigError(f"class {name!r} is held out {count} times", "name it once")
    if not 0 < len(names) < len(class_names):
        raise ConfigError(
            f"{len(names)} of {len(class_names)} classes are held out", "leave some on both sides"
        )
    return np.sort(np.array([list(class_names).index(name) for name in names], np.int64))


def _prove(witnesses: np.ndarray, broken: str) -> None:
    if len(witnesses):
        raise IntegrityError(
            f"{len(witnesses)} {broken}, such as {witnesses[0]}", "report this as a bug"
        )
