"""Splits on real index arrays: partitions, disjointness, nested budgets, planted faults."""

import hashlib
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.errors import ConfigError, DataError, IntegrityError
from benchmarks.partition import manifest
from benchmarks.splits import (
    SEED004_UNSEEN,
    audit,
    fold_split,
    held_out_split,
    seed004_split,
)

FOOD101 = re.findall(
    r"\w+",
    """
apple_pie baby_back_ribs baklava beef_carpaccio beef_tartare beet_salad beignets bibimbap
bread_pudding breakfast_burrito bruschetta caesar_salad cannoli caprese_salad carrot_cake
ceviche cheese_plate cheesecake chicken_curry chicken_quesadilla chicken_wings chocolate_cake
chocolate_mousse churros clam_chowder club_sandwich crab_cakes creme_brulee croque_madame
cup_cakes deviled_eggs donuts dumplings edamame eggs_benedict escargots falafel filet_mignon
fish_and_chips foie_gras french_fries french_onion_soup french_toast fried_calamari fried_rice
frozen_yogurt garlic_bread gnocchi greek_salad grilled_cheese_sandwich grilled_salmon guacamole
gyoza hamburger hot_and_sour_soup hot_dog huevos_rancheros hummus ice_cream lasagna
lobster_bisque lobster_roll_sandwich macaroni_and_cheese macarons miso_soup mussels nachos
omelette onion_rings oysters pad_thai paella pancakes panna_cotta peking_duck pho pizza
pork_chop poutine prime_rib pulled_pork_sandwich ramen ravioli red_velvet_cake risotto samosa
sashimi scallops seaweed_salad shrimp_and_grits spaghetti_bolognese spaghetti_carbonara
spring_rolls steak strawberry_shortcake sushi tacos takoyaki tiramisu tuna_tartare waffles
""",
)


def labelling(n_classes: int = 7, n_train: int = 20, n_test: int = 4, names=None):
    labels = np.tile(np.arange(n_classes), n_train + n_test)
    is_test = np.arange(len(labels)) >= n_classes * n_train
    hashes = np.array([f"{i:032x}" for i in range(len(labels))])
    return labels, is_test, hashes, tuple(names or (f"class {c}" for c in range(n_classes)))


@settings(max_examples=40, deadline=None)
@given(st.integers(3, 12), st.integers(2, 6), st.integers(4, 30), st.integers(0, 5))
def test_folds_partition_the_classes(n_classes, n_folds, n_train, seed):
    data = labelling(n_classes, n_train)
    n_folds = min(n_folds, n_classes)
    splits = [fold_split(*data, fold=f, n_folds=n_folds, seed=seed) for f in range(n_folds)]
    unseen = np.concatenate([split.unseen for split in splits])
    np.testing.assert_array_equal(np.sort(unseen), np.arange(n_classes))
    for split in splits:
        audit(split, data[0], data[2])
        np.testing.assert_array_equal(np.union1d(split.seen, split.unseen), np.arange(n_classes))
        np.testing.assert_array_equal(split.pool, splits[0].pool)
        np.testing.assert_array_equal(split.test, np.flatnonzero(data[1]))
        counts = np.bincount(data[0][split.pool], minlength=n_classes)
        assert (counts == max(1, round(n_train * 0.1))).all()
        assert set(data[0][split.pretrain]) == set(split.seen)
        assert len(split.pretrain) == len(split.seen) * (n_train - counts[0])


def test_seed_and_fold_change_the_split_and_its_hash():
    data = labelling()
    hashes = [fold_split(*data, fold=f, seed=s).manifest_hash for f, s in [(0, 0), (1, 0), (0, 1)]]
    assert len(set(hashes)) == 3
    assert hashes[0] == fold_split(*data, fold=0, seed=0).manifest_hash


def test_manifest_hash_is_that_of_its_text_and_knows_every_content():
    data = labelling()
    split = fold_split(*data, fold=0)
    text = manifest(split, data[2])
    assert hashlib.sha256(text.encode()).hexdigest() == split.manifest_hash
    lines = [line.split("\t") for line in text.splitlines()]
    assert [int(i[1]) for i in lines if i[0] == "pretrain"] == list(split.pretrain)
    changed = data[2].copy()
    changed[split.test[0]] = "f" * 32
    again = fold_split(data[0], data[1], changed, data[3], fold=0)
    assert again.manifest_hash != split.manifest_hash


@pytest.mark.parametrize("wrong", [{"n_folds": 8}, {"n_folds": 1}, {"fold": 5}, {"fold": -1},
                                   {"pool_fraction": 0.0}, {"pool_fraction": 1.0}])  # fmt: skip
def test_impossible_folds_are_refused(wrong):
    with pytest.raises(ConfigError):
        fold_split(*labelling(), **{"fold": 0, **wrong})


def test_duplicates_leave_training():
    labels, is_test, hashes, names = labelling()
    hashes[3] = hashes[-1]  # content of a test image
    hashes[20] = hashes[50] = hashes[10]  # three equal training images
    hashes[-5] = hashes[-6]  # equal test images: the official test split stays whole
    split = fold_split(labels, is_test, hashes, names, fold=0)
    np.testing.assert_array_equal(split.dropped, [3, 20, 50])
    audit(split, labels, hashes)
    everywhere = np.concatenate([split.pretrain, split.pool, split.test])
    assert not np.isin([3, 20, 50], everywhere).any()
    assert is_test.sum() == len(split.test)


def test_class_of_copies_is_named():
    labels, is_test, hashes, names = labelling()
    hashes[(labels == 2) & ~is_test] = "a" * 32
    refused = []
    for fold in range(5):
        try:  # one image is enough where the class is unseen: it is the pool
            assert 2 in fold_split(labels, is_test, hashes, names, fold=fold).unseen
        except DataError as error:
            refused.append(error.cause)
    assert len(refused) == 4
    assert all("class 2" in cause for cause in refused)


def test_held_out_names():
    data = labelling(names=["paella", "sashimi", "gyoza", "pho", "ramen", "Tacos", "soup"])
    split = held_out_split(*data, unseen=["soup", "paella"])
    np.testing.assert_array_equal(split.unseen, [0, 6])
    audit(split, data[0], data[2])
    for unseen, word in [
        (["paela"], "'paella'"), (["tacos"], "'Tacos'"), (["pho", "pho"], "'pho' is held out 2"),
        ([], "0 of 7"), (list(data[3]), "7 of 7"),
    ]:  # fmt: skip
        with pytest.raises(ConfigError, match=word):
            held_out_split(*data, unseen=unseen)
    with pytest.raises(ConfigError, match="fold 1"):
        held_out_split(*data, unseen=["pho"], fold=1)


def test_seed004_classes_are_those_of_the_original_draw():
    drawn = np.random.RandomState(42).choice(101, 20)
    assert {FOOD101[i] for i in drawn} == set(SEED004_UNSEEN)
    assert len(SEED004_UNSEEN) == 18


def test_seed004_counts_equal_the_originals():
    data = labelling(101, 750, 250, FOOD101)
    split = seed004_split(*data)
    audit(split, data[0], data[2])
    in_pool, in_test = (np.isin(data[0][ids], split.seen) for ids in (split.pool, split.test))
    assert (len(split.seen), len(split.unseen), len(split.pretrain)) == (83, 18, 56_025)
    assert (in_pool.sum(), (~in_pool).sum()) == (6_225, 1_350)
    assert (in_test.sum(), (~in_test).sum()) == (20_750, 4_500)
    assert (np.bincount(data[0][split.pool]) == 75).all()
    with pytest.raises(ConfigError, match="does not exist"):
        seed004_split(*labelling())
    with pytest.raises(ConfigError, match="fold 1"):
        seed004_split(*data, fold=1)


def test_audit_finds_planted_leaks():
    labels, is_test, hashes, names = labelling()
    split = fold_split(labels, is_test, hashes, names, fold=0)
    unused = np.setdiff1d(np.flatnonzero(~is_test), np.append(split.pretrain, split.pool))
    swapped = replace(split, seen=split.unseen, unseen=split.seen)
    leaks = {
        "both pretrain and test": replace(split, pretrain=np.append(split.pretrain, split.test[0])),
        "both pretrain and pool": replace(split, pool=np.append(split.pool, split.pretrain[0])),
        "both pool and test": replace(split, pool=np.append(split.pool, split.test[:1])),
        "both seen and unseen": replace(split, unseen=np.append(split.unseen, split.seen[0])),
        "are not seen": replace(split, pretrain=np.append(split.pretrain, unused[0])),
        "to pretrain on": swapped,
    }
    for message, leak in leaks.items():
        with pytest.raises(IntegrityError, match=message):
            audit(leak, labels, hashes)
    for side in (split.pretrain, split.pool):
        copied = hashes.copy()
        copied[side[0]] = hashes[split.test[0]]
        with pytest.raises(IntegrityError, match="contents are in both"):
            audit(split, labels, copied)
