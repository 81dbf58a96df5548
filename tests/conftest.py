"""What several tests share: a small drawn data set, its split, tiny configs, a written run."""

import itertools
import json
import os
import shutil
import signal

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks.command import command
from benchmarks.contest import Round
from benchmarks.data import load_images
from benchmarks.encoders import MethodEncoder
from benchmarks.run import run
from benchmarks.settings import load_config, resolve
from benchmarks.sources import ProceduralSource
from benchmarks.splits import fold_split
from benchmarks.store import Store

if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes share the cores: one thread each, also in commands that tests start.
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"

TINY = [  # the embedded experiment, small enough for seconds
    "device=cpu", "split.n_folds=4", "split.pool_fraction=0.5", "max_features=64",
    "data.n_classes=8", "data.train_per_class=12", "data.test_per_class=4", "data.size=16",
    "pretrain.epochs=1", "pretrain.batch_size=12", "pretrain.precision=32-true",
    "scale.block_channels=[8,8]", "scale.norm_groups=4", "scale.pixel_size=16",
    "scale.alexnet={stride:1,fc_width:8,width:0.1}", "scale.steps=4",
    "methods=[block_regression]", "probes=[linear]", "baselines=[chance]",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def signals():
    """Commands take SIGTERM over; the tests of other files want it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def tiny():
    """Make a resolved configuration at tiny size from further overrides."""
    return lambda *overrides: resolve(load_config([*TINY, *overrides]))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """Eight species at 16 px: 12 training and 4 test images each, in a store on disk."""
    source = ProceduralSource(n_classes=8, train_per_class=12, test_per_class=4, size=16)
    return load_images(source, store=Store(tmp_path_factory.mktemp("pictures")), progress=False)


@pytest.fixture(scope="session")
def make_round(pictures):
    """Make a round: six seen classes and two unseen, six images a class in the pool."""

    def make(root, *, fold=0, seed=0, images=pictures):
        split = fold_split(*images.labelling, fold=fold, n_folds=4, pool_fraction=0.5)
        return Round(images, split, fold, seed, Store(root), "cpu")

    return make


@pytest.fixture
def at(make_round, tmp_path):
    """A round whose records nobody else sees."""
    return make_round(tmp_path / "cache")


@pytest.fixture(scope="session")
def make_encoders(tiny):
    """Make the encoders of the methods that overrides of the tiny configuration select."""

    def make(at, *overrides):
        cfg = tiny(*overrides)
        return [
            MethodEncoder(name, method, at, recipe=cfg.pretrain, max_features=cfg.max_features)
            for name, method in cfg.methods.items()
        ]

    return make


@pytest.fixture(scope="session")
def fake_run():
    """Write the folder of a run as an experiment leaves it, without running one."""
    return _fake_run


WHOLE = [  # two folds, with every control that a table must have
    "methods=[block_regression,block_untrained]", "probes=[linear,shuffled]", "folds=[0,1]",
    "baselines=[chance,pixel_linear,small_cnn]", "budgets=[2,3]", "selection.folds=1",
    "comparisons=[[[block_regression,linear],[block_untrained,linear]]]",
    "primary={labels_per_class:3,classes:all}",
]  # fmt: skip


@pytest.fixture(scope="session")
def start():
    """Give run.py's command overrides of the whole tiny experiment; its exit code."""

    def start_run(out, *overrides):
        another = any(override.startswith("split=") for override in overrides)
        small = [o for o in TINY if not (another and o.startswith("split."))]
        return command(run, [f"out={out}", *small, *WHOLE, *overrides])

    return start_run


@pytest.fixture(scope="session")
def finished(start, tmp_path_factory):
    """The folder of a finished run of the real command; its cache lies beside. Do not change it."""
    out = tmp_path_factory.mktemp("finished")
    before = signal.getsignal(signal.SIGTERM)
    assert start(out, "seeds=[0]") == 0
    signal.signal(signal.SIGTERM, before)
    (folder,) = (out / "runs").iterdir()
    return folder


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished run with its cache, to spoil."""
    shutil.copytree(finished.parent.parent, tmp_path / "out")
    return tmp_path / "out" / "runs" / finished.name


SKILL = {
    ("splitbrain_cl", "linear"): 0.42, ("splitbrain_cl", "mlp"): 0.4,
    ("block_lpips", "linear"): 0.33, ("splitbrain_cl", "finetune"): 0.45,
    ("small_resnet", "pixels"): 0.36, ("pixel_linear", "pixels"): 0.22,
    ("splitbrain_untrained", "linear"): 0.25, ("splitbrain_cl", "shuffled"): 0.05,
}  # fmt: skip


def _fake_run(folder, *, names=None, methods=None, folds=(0, 1), n_classes=20, images=25):
    """Write the folder of a run: 20 classes, four unseen a fold, eight rows, three budgets."""
    rng, rows, sure = np.random.default_rng(0), [], np.random.default_rng(3)
    methods = methods or {}
    labels = np.repeat(np.arange(n_classes), images)
    (folder / "predictions").mkdir(parents=True)
    hardness = rng.normal(0, 0.06, n_classes)
    for i, ((method, classifier), skill) in enumerate(SKILL.items()):
        for fold, budget in itertools.product(folds, (5, 25, 75)):
            key = f"k{i}-{fold}-{budget}"
            unseen = np.isin(labels, np.arange(4) + 4 * fold)
            chance = skill * (0.6 + 0.2 * np.log10(budget)) + hardness[labels]
            right = rng.random(len(labels)) < np.clip(chance - 0.04 * unseen, 0.02, 1)
            predicted = np.where(right, labels, (labels + 1) % n_classes)
            np.savez(folder / "predictions" / f"{key}.npz", ids=np.arange(len(labels)) + 7,
                     label=labels, predicted=predicted,
                     confidence=sure.uniform(0.05, 1, len(labels)).astype(np.float32))  # fmt: skip
            groups = {"all": right, "seen": right[~unseen], "unseen": right[unseen]}
            rows += [
                {
                    "exp": "demo", "method": methods.get(method, method),
                    "label_free": method != "block_lpips",
                    "tap": "mid", "classifier": classifier, "task": "all", "classes": classes,
                    "labels_per_class": budget, "fold": fold, "seed": 0, "draw": 0,
                    "metric": "top1", "value": of.mean(), "n_test": len(of), "trials": 5,
                    "seconds": 1.0, "device": "cpu", "split": f"a1b2c3d{fold}", "key": key,
                    "commit": "abc1234",
                }
                for classes, of in groups.items()
            ]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "rows.csv", index=False)
    _write_facts(folder, methods, folds)
    _write_curves(folder, methods)
    _write_examples(folder, names or [f"species {i}" for i in range(n_classes)], methods)
    return folder


def _write_facts(folder, methods, folds):
    named = {name: methods.get(name, name) for name, _ in SKILL}
    facts = {
        "name": "demo", "title": "Does colorization help?", "preset": "cpu", "data": "procedural",
        "question": "Does learning to colorize help an encoder when labels are few?",
        "classes": {"all": 20, "seen": 16, "unseen": 4}, "n_pretrain": 4000, "n_pool": 1500,
        "n_test": 500, "chance": {"all": 0.05, "seen": 0.05, "unseen": 0.05}, "hours": 0.4,
        "device": "2 CPU cores", "commit": "abc1234", "command": "python benchmarks/run.py",
        "split": "a1b2c3d0", "dropped": 3, "bad": ["x.jpg"], "selection": {"folds": 5},
        "defects": [], "notes": ["images are drawn by code"], "controls": {
            "untrained encoder": [[named["splitbrain_untrained"], "linear"]],
            "trained from scratch": [[named["small_resnet"], "pixels"]],
            "shuffled labels": [[named["splitbrain_cl"], "shuffled"]], "chance": [],
            "pixels or colour alone": [[named["pixel_linear"], "pixels"]],
        },
        "comparisons": [
            [[named["splitbrain_cl"], "linear"], [named["splitbrain_untrained"], "linear"]],
            [[named["splitbrain_cl"], "linear"], [named["small_resnet"], "pixels"]],
            [[named["block_lpips"], "linear"], [named["small_resnet"], "pixels"]],
        ],
        "primary": {"labels_per_class": 25, "classes": "unseen"},
        "unseen_classes": {str(fold): [4 * fold + i for i in range(4)] for fold in folds},
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps(facts))
    (folder / "config.yaml").write_text("name: demo\nnote: <b>not markup</b>\n")


def _write_curves(folder, methods):
    rng, history, cost = np.random.default_rng(1), [], []
    for method, fold in itertools.product(("splitbrain_cl", "block_lpips"), (0, 1)):
        name = methods.get(method, method)
        for step in range(0, 400, 4):
            for term, height in (("ab", 4.0), ("L", 2.5)):
                value = height * np.exp(-step / 150) + 1 + rng.normal(0, 0.08)
                history.append((name, fold, 0, step, step * 64, term, value))
            history.append((name, fold, 0, step, step * 64, "lr", 1e-3))
        cost.append((name, fold, 0, 2_400_000, 25600, 180.0 + len(name), 142.2, 512.0, True, "32"))
    columns = ["method", "fold", "seed", "step", "images", "term", "value"]
    pd.DataFrame(history, columns=columns).to_csv(folder / "history.csv", index=False)
    columns = ["method", "fold", "seed", "parameters", "images_seen", "seconds",
               "images_per_second", "peak_memory_mb", "label_free", "precision"]  # fmt: skip
    pd.DataFrame(cost, columns=columns).to_csv(folder / "cost.csv", index=False)
    taps = [
        {"method": methods.get("splitbrain_cl", "splitbrain_cl"), "classifier": "linear",
         "task": "all", "labels_per_class": 75, "fold": 0, "seed": 0, "draw": 0,
         "candidate": tap, "trial": trial, "score": score - 0.02 * trial, "chosen": tap == "mid"}
        for tap, score in {"conv1": 0.2, "mid": 0.35, "conv5": 0.3}.items()
        for trial in range(3)
    ]  # fmt: skip
    pd.DataFrame(taps).to_csv(folder / "selection.csv", index=False)


def _write_examples(folder, names, methods):
    rng = np.random.default_rng(2)
    y, x = np.mgrid[0:32, 0:32] / 32.0
    truth = []
    for _ in range(10):
        inside = (x - 0.5) ** 2 + (y - 0.5) ** 2 < rng.uniform(0.06, 0.16)
        ground, subject = rng.uniform(0, 255, (2, 3))
        truth.append(np.where(inside[..., None], subject * (0.6 + 0.4 * x[..., None]), ground))
    truth = np.array(truth).astype(np.uint8)
    gray = np.repeat(truth.mean(-1, keepdims=True).astype(np.uint8), 3, -1)
    colored = {
        f"method__{methods.get(m, m)}": (truth * w + gray * (1 - w)).astype(np.uint8)
        for m, w in (("splitbrain_cl", 0.7), ("block_lpips", 0.4))
    }
    labels = np.array([4, 5, 6, 7, 8, 0, 1, 2, 3, 0])
    np.savez(folder / "examples.npz", gray=gray, truth=truth, label=labels, seen=labels > 3,
             class_names=np.array(names), **colored)  # fmt: skip
