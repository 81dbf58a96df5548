"""Every handle of configs/methods trains, resumes, is probed, colours pictures and is reported.

They are found by listing the folder, so that none is exempt.
"""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from benchmarks import pretrain as module
from benchmarks import run_folder
from benchmarks.batches import Batches
from benchmarks.contest import Contest, Round
from benchmarks.data import load_images
from benchmarks.entrants import entrants
from benchmarks.report import page
from benchmarks.scoring import score
from benchmarks.selection import Selection
from benchmarks.settings import options
from benchmarks.sources import ProceduralSource
from benchmarks.splits import fold_split
from benchmarks.store import Store
from models.color import as_floats

SMALL = [
    "data.n_classes=4", "data.train_per_class=18", "data.test_per_class=3", "data.size=32",
    "split.n_folds=4", "split.pool_fraction=0.3", "max_features=32", "selection.folds=1",
    "pretrain.epochs=1", "pretrain.batch_size=12",
    "scale.block_channels=[8,8]", "scale.norm_groups=4", "scale.alexnet.stride=2",
    "scale.alexnet.width=0.1", "scale.alexnet.fc_width=8", "scale.colorful_width=0.05",
    "scale.unet_width=4", "scale.unet_depth=4", "scale.resnet_unet_width=4",
    "scale.critic_width=4", "scale.flat_unet_width=0.1", "scale.inception_width=0.05",
    "scale.inception_trunk=small", "scale.lpips=random",
]  # fmt: skip
# What one method needs beside: pictures for its patch, a trunk that is fast to build or not there.
BESIDE = {
    "patch_286": ["data.size=96"],
    "seed002_maps": ["data.size=64"],
    "seed000_frozen_branch": ["methods.seed000_frozen_branch.model.branch.weights=none"],
    **{
        name: [f"methods.{name}.{path}.trunk=squeeze"]
        for name, path in (
            ("loss_lab_lpips", "pretext.lpips"),
            ("loss_rgb_lpips", "pretext.lpips"),
            ("loss_lab_wgan_lpips", "pretext.pretext.lpips"),
            ("loss_rgb_wgan_lpips", "pretext.pretext.lpips"),
        )
    },
}
METHODS = options("methods")


class InterruptedRunError(Exception):
    """Stands for a signal between two updates."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Make four species of a size, three of them seen, and their split."""

    @cache
    def draw(size):
        source = ProceduralSource(n_classes=4, train_per_class=18, test_per_class=3, size=size)
        images = load_images(source, store=Store(tmp_path_factory.mktemp("p")), progress=False)
        return images, fold_split(*images.labelling, fold=0, n_folds=4, pool_fraction=0.3)

    return draw


@pytest.fixture(scope="module")
def make(drawn, tiny, make_encoders, tmp_path_factory):
    """Make one method's encoder, its configuration and its round."""

    def make_one(name, root=None):
        batch = f"++methods.{name}.pretrain.batch_size=12"
        overrides = [*SMALL, f"methods=[{name}]", batch, *BESIDE.get(name, [])]
        cfg = tiny(*overrides)
        root = tmp_path_factory.mktemp(name) if root is None else root
        at = Round(*drawn(cfg.data.size), 0, 0, Store(root), "cpu")
        return make_encoders(at, *overrides)[0], cfg, at

    return make_one


@pytest.fixture(scope="module")
def records():
    """Encoders, rows and rounds of all methods so far: what the last test reports."""
    return {}


def assert_bytes_count_as_floats(model, pretext, side):
    """Losses of stored pictures, as training is fed them, are those of the same as floats."""
    images = torch.randint(256, (2, 3, side, side), dtype=torch.uint8)
    beside = [torch.rand(2, pretext.n_draws)]
    if hasattr(pretext, "labels"):
        beside.append(torch.zeros(2, dtype=torch.int64))
    with torch.no_grad():
        ours, floats = (pretext.losses(model, x, *beside) for x in (images, as_floats(images)))
    for term, value in floats.items():
        torch.testing.assert_close(ours[term], value, rtol=2e-3, atol=1e-4)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_trains_resumes_is_probed_and_colours(name, make, records, monkeypatch, tmp_path):
    encoder, cfg, at = make(name)
    entrant, *_ = entrants([encoder], cfg.probes, cfg.baselines, at.images)
    rows = score(entrant, Contest(at, "all"), labels_per_class=2, draw=0,
                 selection=Selection(folds=1))  # fmt: skip
    assert {row["method"] for row in rows} == {name}
    assert all(np.isfinite(row["value"]) for row in rows)

    assert {encoder.tap, encoder.head_tap, encoder.bottleneck} <= set(encoder.taps)
    model, pretext = encoder.colorizer()
    side = cfg.data.size
    pictures = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        colored = pretext.decode(model, pictures)
        maps = encoder.encoder().eval()(pictures)
    assert {tap: of.shape[1] for tap, of in maps.items()} == model.channels
    assert_bytes_count_as_floats(model, pretext, side)
    assert all(of.isfinite().all() for of in maps.values())
    assert colored.shape == pictures.shape
    assert colored.isfinite().all()

    assert_resumes(make(name, tmp_path)[0], encoder, monkeypatch)
    records[name] = encoder, rows, cfg


def assert_resumes(again, straight, monkeypatch):
    """Break training off after its first update; the same call must end at the same weights."""
    monkeypatch.setattr(module, "CHECKPOINT_EVERY", -1.0)
    original, broken = Batches.at, again.recipe.epochs > 0

    def at(self, step, *layout):
        if step == 1:
            raise InterruptedRunError
        return original(self, step, *layout)

    if broken:
        if again.start is not None:
            _ = again.start.folder  # the first stage is whole, the second breaks
        monkeypatch.setattr(Batches, "at", at)
        with pytest.raises(InterruptedRunError):
            _ = again.folder
        monkeypatch.setattr(Batches, "at", original)
    assert (again.folder / "encoder.safetensors").read_bytes() == (
        straight.folder / "encoder.safetensors"
    ).read_bytes()
    assert json.loads((again.folder / "history.json").read_text()) == json.loads(
        (straight.folder / "history.json").read_text()
    )


def test_every_method_is_in_one_report(records, tmp_path, tiny):
    if set(records) != set(METHODS):
        pytest.skip("not all methods were run before")
    encoders, rows = zip(*[(e, r) for e, r, _ in records.values()], strict=True)
    cfg = tiny(*SMALL, "comparisons=[]")
    flat = [row for part in rows for row in part]
    # Rows of several stores: their records are looked up in the one they were made in.
    for encoder, part in zip(encoders, rows, strict=True):
        for row in part:
            source = encoder.at.store.path("rows", row["key"])
            target = tmp_path / "cache" / "rows" / row["key"]
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                target.symlink_to(source)
    at = replace(encoders[0].at, store=Store(tmp_path / "cache"))
    folder = tmp_path / "run"
    folder.mkdir()
    run_folder.write(folder, cfg, flat, encoders=list(encoders), rounds=[at], command="test")
    text = page.write(folder).read_text()
    for name in METHODS:
        assert name in text
