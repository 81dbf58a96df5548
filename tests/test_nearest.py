"""Tests of benchmarks/nearest.py against scikit-learn, and on a tiny encoder."""

import numpy as np
import pytest
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import StandardScaler

from benchmarks import nearest as module
from benchmarks.nearest import nearest, queries, write_neighbours


class Stored:
    """Latents in memory."""

    def __init__(self, latents):
        self.latents = latents

    def take(self, tap, ids):
        assert tap == "mid"
        return self.latents[ids]


def by_sklearn(latents, ids, pool):
    flat = latents.reshape(len(latents), -1).astype(np.float64)
    scaler = StandardScaler().fit(flat[pool])
    return cosine_similarity(scaler.transform(flat[ids]), scaler.transform(flat[pool]))


@pytest.mark.parametrize("chunk", [7, 512])
def test_nearest_against_scikit_learn(monkeypatch, chunk):
    monkeypatch.setattr(module, "CHUNK", chunk)
    rng = np.random.default_rng(0)
    latents = rng.normal(50, [[[1]], [[9]], [[0.1]]], (60, 3, 2, 2)).astype(np.float32)
    latents[:, 0, 0, 0] = 3.0  # constant: says nothing
    ids, pool = np.arange(8), rng.permutation(np.arange(8, 60))
    near, similarity = nearest(Stored(latents), "mid", ids, pool)
    expected = by_sklearn(latents, ids, pool)
    order = np.argsort(-expected, axis=1)[:, :5]
    assert np.array_equal(near, pool[order])
    assert similarity == pytest.approx(np.take_along_axis(expected, order, 1), abs=1e-5)


def test_an_image_is_its_own_nearest():
    latents = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    near, similarity = nearest(Stored(latents), "mid", np.array([11, 3]), np.arange(20))
    assert near[:, 0].tolist() == [11, 3] and similarity[:, 0] == pytest.approx(1)


def test_queries_are_test_images_of_seen_then_unseen_classes(at):
    ids = queries(at)
    labels = at.images.labels[ids]
    assert np.isin(ids, at.split.test).all() and len(set(labels.tolist())) == len(ids) == 8
    assert np.isin(labels[:6], at.split.seen).all() and np.isin(labels[6:], at.split.unseen).all()


def test_a_run_writes_the_tap_that_was_chosen(at, make_encoders, tmp_path):
    (encoder,) = make_encoders(at)
    asked = {"comparisons": [[["block_regression", "linear"], ["x", "y"]]], "budget": 3}
    path = tmp_path / "neighbours.npz"
    write_neighbours(path, [encoder], [], **asked)
    assert not path.exists()  # no latents on record: none are made for a picture
    tap = next(tap for tap in encoder.latents.taps if tap != encoder.bottleneck)
    row = {"method": "block_regression", "classifier": "linear", "labels_per_class": 3,
           "task": "all", "fold": 0, "seed": 0, "tap": tap}  # fmt: skip
    for rows, expected in (([row], tap), ([{**row, "tap": "pixels"}], encoder.bottleneck)):
        write_neighbours(path, [encoder], rows, **asked)
        assert str(np.load(path)["tap"]) == expected
    saved = np.load(path)
    ids = saved["ids"]
    assert np.array_equal(ids[:, 0], queries(at)) and np.isin(ids[:, 1:], at.split.pool).all()
    assert np.array_equal(saved["label"], at.images.labels[ids])
    assert np.array_equal(saved["pictures"], at.images.images[ids])
    assert saved["seen"].tolist() == [True] * 6 + [False] * 2


def test_the_file_is_made_again_where_it_is_torn_and_only_there(at, make_encoders, tmp_path):
    (encoder,) = make_encoders(at)
    assert encoder.latents.taps == encoder.taps
    path, asked = tmp_path / "n.npz", {"comparisons": [], "budget": None}
    write_neighbours(path, [encoder], [], **asked)
    whole, made = path.read_bytes(), path.stat().st_mtime_ns
    write_neighbours(path, [encoder], [], **asked)
    assert path.stat().st_mtime_ns == made
    path.write_bytes(whole[:300])
    write_neighbours(path, [encoder], [], **asked)
    assert path.read_bytes() == whole


def test_a_primary_method_of_pixels_has_no_latents(at, make_encoders, tmp_path):
    asked = {"comparisons": [[["small_cnn", "pixels"], ["x", "y"]]], "budget": 3}
    write_neighbours(tmp_path / "n.npz", make_encoders(at), [], **asked)
    assert not list(tmp_path.iterdir())
