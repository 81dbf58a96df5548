"""A judge is trained once a round on the pool alone, and names classes by their ids."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks import judge as module
from benchmarks.judge import Judge
from models.classifiers import SmallResNet
from probes.training import Training


@pytest.fixture(scope="module")
def recipe():
    training = Training(steps=80, max_epochs=80, batch_size=16, lr=1e-2, weight_decay=1e-2)
    return Judge(network=partial(SmallResNet, widths=(8, 16, 16)), training=training)


def test_it_learns_the_pool_and_names_class_ids(recipe, at):
    labels = at.images.labels[at.split.pool]
    found = recipe.trained(at).predict(at.images.images[at.split.pool])
    assert set(found) <= set(labels)
    assert (found == labels).mean() > 0.6  # chance is 0.125


def test_it_is_trained_once(recipe, at, monkeypatch):
    pictures = at.images.images[at.split.test]
    first = recipe.trained(at).predict(pictures)

    def never(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(module, "train_network", never)
    assert np.array_equal(recipe.trained(at).predict(pictures), first)


def test_it_sees_no_test_picture(recipe, make_round, tmp_path, pictures):
    blank = pictures.images.copy()
    one = make_round(tmp_path / "one")
    blank[one.split.test] = 0
    two = make_round(tmp_path / "two", images=replace(pictures, images=blank))
    weights = [recipe.trained(at).network.state_dict() for at in (one, two)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_classes_keep_their_ids(recipe, make_round, tmp_path, pictures):
    """Labels with gaps: outputs are renumbered, predictions are not."""
    at = make_round(tmp_path)
    spread = replace(at, images=replace(pictures, labels=10 * pictures.labels + 3))
    assert (recipe.trained(spread).predict(pictures.images[[5, 0, 90]]) % 10 == 3).all()


def test_its_key_tells_recipes_and_rounds_apart(recipe, make_round, tmp_path):
    at = make_round(tmp_path)
    others = [
        replace(recipe, pixels=8),
        replace(recipe, training=replace(recipe.training, lr=1e-3)),
        replace(recipe, network=partial(SmallResNet, widths=(8, 8))),
        replace(recipe, network=SmallResNet),
    ]
    keys = [recipe.key(at), *(other.key(at) for other in others)]
    keys += [recipe.key(make_round(tmp_path, seed=1)), recipe.key(make_round(tmp_path, fold=1))]
    assert len(set(keys)) == len(keys)
    # Its seed and device are the round's.
    assert replace(recipe, training=replace(recipe.training, seed=7)).key(at) == recipe.key(at)


def test_pictures_are_shrunk_to_its_side(recipe, at):
    small = replace(recipe, pixels=8, training=replace(recipe.training, steps=2)).trained(at)
    pictures = at.images.images[at.split.test][:4]
    averaged = pictures.reshape(4, 8, 2, 8, 2, 3).mean((2, 4)).round().astype(np.uint8)
    assert np.array_equal(small.predict(pictures), small.predict(averaged))
