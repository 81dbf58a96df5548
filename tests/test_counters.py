"""Counts that need no clock: decodings, encoder passes, waits a step, graph breaks.

Elsewhere: one pass of the network an image inside `extract_latents` (test_latents.py), copies to a
device a step (test_batches.py), nothing computed by a second run (test_smoke.py).
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from benchmarks import data
from benchmarks.batches import Batches
from benchmarks.journal import LOG_EVERY
from benchmarks.pretrain import Recipe, pretrain
from benchmarks.procedural import draw
from benchmarks.run import run
from benchmarks.settings import load_config, resolve
from benchmarks.sources import ProceduralSource
from benchmarks.timing.pictures import write_data_set
from models.alexnet import HalfAlexNet
from models.block_autoencoder import BlockAutoencoder
from models.encoder import FrozenEncoder
from models.pretext.colorization import Colorization
from models.pretext.cross_channel import CrossChannel
from models.splitbrain import SplitBrain
from tests.conftest import TINY
from tests.counters import Lists, Readings

ROOT = Path(__file__).resolve().parents[1]
CLASSES, TRAIN, TEST = 8, 12, 4
ONE_SPLIT = ["folds=[0]", "seeds=[0]", "budgets=[1,2]", "probes=[linear,knn]", "selection.folds=1"]


@pytest.fixture
def decoded(monkeypatch):
    """How often each file's bytes were decoded, in this process."""
    found, real = Counter(), data.decoding

    def decoding(content, *how):
        decode = real(content, *how)
        return lambda: found.update([content]) or decode()

    monkeypatch.setattr(data, "decoding", decoding)
    return found


@pytest.fixture
def passed(monkeypatch):
    """How often each picture went through a frozen encoder, by its pixels."""
    found, real = Counter(), FrozenEncoder.forward

    def forward(self, images):
        found.update(picture.contiguous().numpy().tobytes() for picture in images)
        return real(self, images)

    monkeypatch.setattr(FrozenEncoder, "forward", forward)
    return found


def test_a_run_decodes_and_encodes_each_picture_once_and_a_second_run_none(
    tmp_path, decoded, passed
):
    source = ProceduralSource(
        n_classes=CLASSES, train_per_class=TRAIN, test_per_class=TEST, size=16
    )
    write_data_set(source, tmp_path / "pictures")
    shown = [o for o in TINY if not o.startswith("data.")]
    named = ["data=imagefolder", f"data.path={tmp_path / 'pictures'}", "data.size=16"]
    cfg = resolve(load_config([*shown, *named, *ONE_SPLIT, f"out={tmp_path / 'out'}"]))
    run(cfg, tmp_path / "out" / "runs" / "one", "python benchmarks/run.py")
    whole = CLASSES * (TRAIN + TEST)
    assert len(decoded) == whole and set(decoded.values()) == {1}
    # Pool (half of six classes' training images, all of the two unseen ones') and test, for all
    # taps, both probes and both budgets together.
    probed = 6 * TRAIN // 2 + 2 * TRAIN // 2 + CLASSES * TEST
    assert len(passed) == probed and set(passed.values()) == {1}
    rows = pd.read_csv(tmp_path / "out" / "runs" / "one" / "rows.csv")
    assert set(rows.labels_per_class) == {1, 2} and {"linear", "knn"} <= set(rows.classifier)
    decoded.clear()
    passed.clear()
    run(cfg, tmp_path / "out" / "runs" / "two", "python benchmarks/run.py")
    again = pd.read_csv(tmp_path / "out" / "runs" / "two" / "rows.csv")
    assert not decoded and not passed
    assert again.value.tolist() == rows.value.tolist()


def half(in_channels: int = 1, out_channels: int = 2) -> nn.Module:
    return HalfAlexNet(in_channels, out_channels, stride=2, fc_width=8, width=0.1)


def blocks() -> nn.Module:
    return BlockAutoencoder(1, 2, block_channels=(8, 8), norm_groups=4, layers_per_block=1)


@pytest.mark.parametrize(
    ("family", "steps"), [("splitbrain", 2 * LOG_EVERY + 1), ("blocks", LOG_EVERY - 3)]
)
def test_training_reads_from_the_device_once_in_log_every_updates(
    tmp_path, monkeypatch, family, steps
):
    monkeypatch.setattr("benchmarks.pretrain.CHECKPOINT_EVERY", float("inf"))  # reads everything
    pretext = CrossChannel() if family == "splitbrain" else Colorization(losses={"l1": 1.0})
    torch.manual_seed(0)
    model = blocks() if family == "blocks" else SplitBrain((1, 2), pretext.out_channels, half=half)
    images = draw(np.zeros(8, int), np.arange(8), size=16, color="lawful", seed=0)
    batches = Batches(
        images, np.arange(8), size=4, seed=0, n_draws=pretext.n_draws, flip=True, device="cpu"
    )
    recipe = Recipe(epochs=steps / 2, batch_size=4, precision="32-true")
    with Readings() as readings, Lists() as lists:
        training = pretrain(model, pretext, batches, recipe=recipe, folder=tmp_path)
    assert training.step == steps
    assert (readings.count, lists.count) == (0, -(-steps // LOG_EVERY))


def test_every_way_to_read_a_number_is_counted():
    with Readings() as readings, Lists() as lists:
        x = torch.ones(2)
        assert x[0].item() == float(x[1]) == 1 and x[0] > 0
        assert x.tolist() == x.numpy().tolist()
    assert (readings.count, lists.count) == (3, 2)


# Run apart, since the types that are checked in tests are no part of a graph.
EXPLAIN = """
import functools, json, sys, torch
from models.alexnet import HalfAlexNet
from models.block_autoencoder import BlockAutoencoder
from models.splitbrain import SplitBrain

class Peeks(torch.nn.Module):
    def forward(self, x):
        return x + 1 if x.sum().item() > 0 else x - 1

half = functools.partial(HalfAlexNet, stride=2, fc_width=8, width=0.1)
blocks = BlockAutoencoder(1, 2, block_channels=(8, 8), norm_groups=4, layers_per_block=1)
networks = {
    "half": (half(1, 2), 1), "splitbrain": (SplitBrain((1, 2), (7, 5), half=half), 3),
    "blocks": (blocks, 1), "peeks": (Peeks(), 1),
}
for name, (network, channels) in networks.items():
    torch._dynamo.reset()
    found = torch._dynamo.explain(network)(torch.randn(2, channels, 16, 16))
    print(json.dumps([name, found.graph_count, found.graph_break_count]))
"""


def test_networks_are_one_graph_each():
    done = subprocess.run(
        [sys.executable, "-c", EXPLAIN], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    graphs = {name: counts for name, *counts in map(json.loads, done.stdout.splitlines())}
    assert graphs.pop("peeks")[1] == 1, "a break is counted where there is one"
    assert graphs == {"half": [1, 0], "splitbrain": [1, 0], "blocks": [1, 0]}
