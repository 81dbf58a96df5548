"""Views are slices and means of the latents, and selection chooses among all of them."""

import numpy as np
import pytest
import torch

from benchmarks.batches import load
from benchmarks.contest import Contest
from benchmarks.entrants import entrants
from benchmarks.scoring import score
from benchmarks.selection import Selection
from benchmarks.views import Views, names
from models.color import rgb_to_lab

SPLIT = ["methods=[splitbrain_cl]", "probes=[linear_views]"]


@pytest.fixture(scope="module")
def at(make_round, tmp_path_factory):
    return make_round(tmp_path_factory.mktemp("views"))


@pytest.fixture(scope="module")
def encoder(make_encoders, at):
    return make_encoders(at, *SPLIT)[0]


def test_a_split_brain_net_has_six_views_a_tap(encoder):
    views = names(encoder.model)
    assert views[: len(encoder.taps)] == encoder.taps
    assert len(set(views)) == len(views) == 6 * len(encoder.taps)
    assert {"conv1", "conv1/L", "conv1/ab", "conv1/mean", "conv1/L/mean", "conv1/ab/mean"} <= set(
        views
    )


def test_other_networks_have_two_views_a_tap(make_encoders, at):
    block = make_encoders(at, "methods=[block_regression]")[0]
    assert names(block.model) == (*block.taps, *(f"{tap}/mean" for tap in block.taps))


def test_a_half_is_what_that_half_alone_computes(encoder, at):
    ids, views = at.split.pool[:3], Views(encoder.latents, encoder.model)
    whole = views.take("conv2", ids)
    half = encoder.model.l_to_ab.channels["conv2"]
    assert whole.shape[1] == 2 * half
    np.testing.assert_array_equal(views.take("conv2/L", ids), whole[:, :half])
    np.testing.assert_array_equal(views.take("conv2/ab", ids), whole[:, half:])
    mean = views.take("conv2/ab/mean", ids)
    assert mean.shape == (3, half, 1, 1)
    np.testing.assert_allclose(mean[..., 0, 0], whole[:, half:].mean((2, 3)), rtol=1e-6)


def test_the_lightness_half_does_not_see_colour(encoder, at):
    ids = at.split.pool[:3]
    trained = encoder.encoder().model.eval()
    images = load(at.images.images, ids, "cpu")
    with torch.no_grad():
        lightness = trained.l_to_ab.encode(rgb_to_lab(images)[:, :1] / 50 - 1)["conv2"]
    kept = Views(encoder.latents, encoder.model).take("conv2/L/mean", ids)
    np.testing.assert_allclose(kept[..., 0, 0], lightness.mean((2, 3)), atol=0.01)


def test_selection_chooses_among_views(encoder, tiny, at):
    cfg = tiny(*SPLIT)
    (entrant, _) = entrants([encoder], cfg.probes, cfg.baselines, at.images)
    rows = score(entrant, Contest(at, "all"), labels_per_class=2, draw=0, selection=Selection(2))
    assert rows[0]["tap"] in names(encoder.model)
    assert rows[0]["trials"] == 8 * len(names(encoder.model))
