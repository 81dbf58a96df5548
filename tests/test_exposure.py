"""The exposure control: other classes, as many images; all else is equal, which is proved."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.errors import DataError, IntegrityError
from benchmarks.exposure import audit_exposed, exposed_split
from benchmarks.partition import manifest
from benchmarks.splits import fold_split


def labelling(sizes):
    """Training images of uneven classes, then two test images of each; one duplicate."""
    labels = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), np.arange(len(sizes))])
    is_test = np.arange(len(labels)) >= sum(sizes)
    hashes = np.array([f"{i:032x}" for i in range(len(labels))])
    hashes[1] = hashes[0]
    return labels, is_test, hashes, tuple(f"class {c}" for c in range(len(sizes)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(12, 60), min_size=4, max_size=9), st.integers(0, 2), st.integers(0, 3))
def test_as_many_images_of_every_class_and_nothing_else_differs(sizes, fold, seed):
    data = labelling(sizes)
    labels, hashes = data[0], data[2]
    split = fold_split(*data, fold=fold, n_folds=4)
    made = exposed_split(split, labels, hashes, seed=seed)
    audit_exposed(made, split, labels, hashes)
    assert len(made.pretrain) == len(set(made.pretrain)) == len(split.pretrain)
    assert made.unseen.size == 0 and made.seen.tolist() == [*range(len(sizes))]
    for side in ("pool", "test", "dropped"):
        assert getattr(made, side).tolist() == getattr(split, side).tolist()
    others = {*made.pool, *made.test, *made.dropped}
    assert not others & set(made.pretrain)
    assert made.manifest_hash != split.manifest_hash
    parts = np.bincount([label for i, label in enumerate(labels) if i not in others])
    share = len(split.pretrain) / parts.sum()
    taken = np.bincount(labels[made.pretrain], minlength=len(sizes))
    assert (np.abs(taken - share * parts) < 1).all(), "each class gives the same share"


def test_another_seed_takes_other_images():
    data = labelling([30] * 5)
    split = fold_split(*data, fold=0)
    one, two, again = (exposed_split(split, data[0], data[2], seed=s) for s in (0, 1, 0))
    assert one.pretrain.tolist() != two.pretrain.tolist()
    assert manifest(one, data[2]) == manifest(again, data[2])


@pytest.mark.parametrize("side", ["pool", "test"])
def test_the_audit_finds_an_image_of_another_side(side):
    data = labelling([30] * 5)
    split = fold_split(*data, fold=0)
    made = exposed_split(split, data[0], data[2], seed=0)
    spoiled = np.sort([*made.pretrain[1:], getattr(split, side)[0]])
    with pytest.raises(IntegrityError, match=f"both pretrain and {side}"):
        audit_exposed(replace(made, pretrain=spoiled), split, data[0], data[2])


@pytest.mark.parametrize("change", ["fewer", "repeated", "class", "pool"])
def test_the_audit_finds_any_other_difference(change):
    data = labelling([30] * 5)
    labels, hashes = data[0], data[2]
    split = fold_split(*data, fold=0)
    made = exposed_split(split, labels, hashes, seed=0)
    ids = made.pretrain
    spoiled = {
        "fewer": {"pretrain": ids[1:]},
        "repeated": {"pretrain": np.sort([*ids[1:], ids[1]])},
        "class": {"pretrain": split.pretrain},
        "pool": {"pool": made.pool[1:]},
    }[change]
    with pytest.raises(IntegrityError, match="more than its classes"):
        audit_exposed(replace(made, **spoiled), split, labels, hashes)


def test_fewer_images_than_classes_are_refused():
    data = labelling([20] * 6)
    split = fold_split(*data, fold=0)
    with pytest.raises(DataError, match="cannot be divided over 6 classes"):
        exposed_split(replace(split, pretrain=split.pretrain[:4]), data[0], data[2], seed=0)


def test_an_exposed_encoder_is_another_and_reads_the_same_pool(make_encoders, at, pictures):
    plain, twin = make_encoders(at, "exposure=[block_regression]")
    assert twin.name == "block_regression_exposed" and twin.key != plain.key
    assert plain.split is at.split
    assert set(pictures.labels[twin.split.pretrain]) == {*range(8)}
    assert twin.latents.ids.tolist() == plain.latents.ids.tolist()
    pictures_shown = [np.load(e.folder / "examples.npz")["ids"].tolist() for e in (plain, twin)]
    assert pictures_shown[0] == pictures_shown[1]


def test_only_the_exposed_images_shape_the_exposed_encoder(make_encoders, make_round, tmp_path,
                                                           pictures):  # fmt: skip
    """All other images are replaced by noise: no bit of the weights may change."""
    made = []
    for spoil in (False, True):
        at = make_round(tmp_path / str(spoil))
        (_, twin) = make_encoders(at, "exposure=[block_regression]")
        images = np.array(pictures.images)
        if spoil:
            outside = ~np.isin(np.arange(len(images)), twin.split.pretrain)
            noise = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
            images[outside] = noise[outside]
        at = make_round(tmp_path / str(spoil), images=replace(pictures, images=images))
        (_, twin) = make_encoders(at, "exposure=[block_regression]")
        made.append((twin.folder / "encoder.safetensors").read_bytes())
    assert made[0] == made[1]
