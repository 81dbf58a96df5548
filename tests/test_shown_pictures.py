"""Tests of benchmarks/shown_pictures.py: best and worst are those of the record, as painted."""

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.instruments import Instruments
from benchmarks.reconstruct import quality_rows
from benchmarks.shown_pictures import ends, save_arrays, sized, write_examples, write_extremes
from models.color import as_images, rgb_to_lab


@pytest.fixture(scope="module")
def encoders(make_round, make_encoders, tmp_path_factory):
    at = make_round(tmp_path_factory.mktemp("cache"))
    return make_encoders(at, "methods=[block_regression,block_untrained,block_autoencoding]")


@pytest.fixture(scope="module")
def rows(encoders):
    return [row for e in encoders for row in quality_rows(e, instruments=Instruments())]


@pytest.fixture(scope="module")
def saved(encoders, rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("run") / "extremes.npz"
    write_extremes(path, encoders, rows)
    return dict(np.load(path))


def test_ends_of_each_group_by_hand():
    error = np.array([5.0, 1.0, 3.0, 2.0, 4.0, 9.0, 8.0, 7.0])
    seen = np.array([True] * 5 + [False] * 3)
    picked, best = ends(error, seen)
    assert picked.tolist() == [1, 3, 4, 0, 7, 5]
    assert best.tolist() == [True, True, False, False, True, False]


def test_a_group_of_one_has_no_ends():
    picked, best = ends(np.array([1.0]), np.array([True]))
    assert len(picked) == len(best) == 0


def test_methods_that_colour_are_shown_in_their_order(saved):
    assert saved["methods"].tolist() == ["block_regression", "block_untrained"]
    assert saved["seen_0"].tolist() == [True] * 4 + [False] * 4
    assert saved["best_1"].tolist() == [True, True, False, False] * 2


def test_errors_are_those_of_the_record_and_of_the_pictures_shown(saved, encoders, rows):
    at = encoders[0].at
    key = next(row["key"] for row in rows if row["method"] == "block_regression")
    values = np.load(at.store.path("quality", key) / "values.npz")
    for group in (True, False):
        of = np.sort(values["ab_mae"][np.isin(values["label"], at.split.seen) == group])
        shown = saved["error_0"][saved["seen_0"] == group]
        assert shown.tolist() == [*of[:2], *of[-2:]]
    painted, truth = (
        rgb_to_lab(as_images(torch.from_numpy(saved[f"{name}_0"]))) for name in ("colored", "truth")
    )
    again = (painted - truth)[:, 1:].abs().mean((1, 2, 3)).numpy()
    assert again == pytest.approx(saved["error_0"], abs=0.5)  # pictures have 8 bits


def test_nothing_measured_nothing_written(encoders, tmp_path):
    write_extremes(tmp_path / "extremes.npz", encoders, [])
    assert not list(tmp_path.iterdir())


def test_examples_of_a_smaller_method_are_enlarged(encoders, tmp_path):
    write_examples(tmp_path / "examples.npz", encoders[:1], encoders[0].at.images)
    saved = np.load(tmp_path / "examples.npz")
    assert saved["method__block_regression"].shape == saved["truth"].shape
    small = np.zeros((2, 4, 4, 3), np.uint8)
    small[:, :2] = 200
    assert np.array_equal(sized(small, 4), small)
    large = np.asarray(Image.fromarray(small[0]).resize((8, 8)))
    assert np.array_equal(sized(small, 8)[1], large)


def test_arrays_replace_the_file_and_are_read_without_pickle(tmp_path):
    path = tmp_path / "x.npz"
    path.write_bytes(b"old")
    save_arrays(path, a=np.arange(3), name=np.array("n"))
    saved = np.load(path, allow_pickle=False)
    assert saved["a"].tolist() == [0, 1, 2] and str(saved["name"]) == "n"
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]
