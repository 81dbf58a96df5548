"""What training leaves on disk."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file

from benchmarks.encoder_record import examples


@pytest.fixture
def encoder(make_encoders, at):
    return make_encoders(at)[0]


def test_examples_are_pool_images_of_seen_then_unseen_classes(at, encoder):
    ids = examples(at.images.labels, at.split)
    assert set(ids) <= set(at.split.pool)
    labels = at.images.labels[ids].tolist()
    assert labels == [*at.split.seen, *at.split.unseen]
    saved = np.load(encoder.folder / "examples.npz")
    assert saved["ids"].tolist() == ids.tolist()
    assert saved["colored"].shape == (8, 16, 16, 3)


def test_cost_counts_images_and_parameters(at, encoder):
    cost = json.loads((encoder.folder / "cost.json").read_text())
    assert cost["images_seen"] == len(at.split.pretrain) // 12 * 12  # whole batches of one epoch
    weights = load_file(encoder.folder / "encoder.safetensors")
    assert cost["parameters"] == sum(w.numel() for w in weights.values())  # no buffers here
    assert cost["seconds"] > 0
    assert cost["precision"] == "32-true"


def test_history_ends_with_the_last_step(at, encoder):
    history = json.loads((encoder.folder / "history.json").read_text())
    assert history[-1]["images"] == len(at.split.pretrain) // 12 * 12
    assert history[-1].keys() == {"step", "images", "lr", "smooth_l1"}
