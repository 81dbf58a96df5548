"""The speed benchmark: its projection against tables really made, its page, its command."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from threadpoolctl import threadpool_limits

from benchmarks import speed
from benchmarks.timing import machine, measure, naive, roofline, visits
from benchmarks.timing.counts import counts, project
from benchmarks.timing.fair import Fair
from benchmarks.timing.material import Material, Sample
from benchmarks.timing.naive_table import naive_table
from benchmarks.timing.notebook import Notebook
from benchmarks.timing.spread import spread
from benchmarks.timing.suite import Suite
from benchmarks.timing.units import Bench

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "numpy", "PIL", "pandas", "diffusers", "omegaconf", "hydra", "rich", "sklearn"}
SAMPLE = Sample(photos=6, photo_side=32, large=2, large_side=128, colors=2, bins=1, warm=1, steps=1,
                scratch=1, images=8, learned=1)  # fmt: skip
SMALL = [
    "methods=[block_regression,block_untrained]", "probes=[shuffled]", "budgets=[2]",
    "baselines=[small_cnn,pixel_linear,chance]", "selection.folds=2", "scale.block_pixels=8",
    "+probes.shuffled.probe.weight_decays=[1.0,0.01]",
    "+baselines.pixel_linear.baseline.weight_decays=[1.0,0.01]",
]  # fmt: skip


@pytest.fixture(scope="module")
def material(tiny, tmp_path_factory):
    return Material(tiny(*SMALL), tmp_path_factory.mktemp("speed"), SAMPLE)


@pytest.fixture
def read(monkeypatch):
    """Files that were read, one entry a reading; loaders stay in this process."""
    found, real = [], visits.read_rgb
    monkeypatch.setattr(
        visits, "read_rgb", lambda *asked: (found.append(asked[0]), real(*asked))[1]
    )
    monkeypatch.setattr(Fair, "workers", 0)
    return found


def images_of(unit, material):
    """Files that a naive pipeline reads for one unit of work."""
    if unit[0] == "step":
        return min(material.recipes[unit[1]].batch_size, len(material.at.split.pretrain))
    if unit[0] == "label step":
        return naive.scratch_steps(material.networks[unit[1]], 2 * 8)[1]
    return int(unit[0] in ("pass", "visit", "predict"))


@pytest.fixture
def one_thread():
    """Threads that wait for each other burn processor time: on a busy machine most of it."""
    with threadpool_limits(limits=1):
        yield


@pytest.mark.parametrize("kind", [Notebook, Fair])
def test_a_table_really_made_takes_what_is_counted(material, read, one_thread, monkeypatch, kind):
    """Every file read is in the counts; processor time is that of the projection, roughly."""
    monkeypatch.setattr(Notebook, "epochs", 2)
    pipeline = kind(material)
    bench = Bench(material)
    bench.prepare()
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    turns = [{k: v for _, job in bench.jobs(pipeline) for k, v in job().items()} for _ in range(3)]
    seconds = {unit: spread(turn[unit] for turn in turns).median for unit in turns[0]}
    read.clear()
    begun = time.process_time()
    rows = naive_table(pipeline)
    executed = time.process_time() - begun
    counted = counts(material, pipeline.name)
    assert len(read) == sum(n * images_of(unit, material) for unit, n in counted.items())
    assert 0.4 < project(counted, seconds)["whole table"] / executed < 2.5
    assert set(rows) == {
        ("block_regression", "shuffled", 2), ("block_untrained", "shuffled", 2),
        ("pixel_linear", "pixels", 2), ("small_cnn", "pixels", 2),
    }  # fmt: skip
    assert all(0 <= value <= 1 for value in rows.values())


def test_scikit_learn_is_fitted_as_often_as_counted(material, read, monkeypatch):
    from benchmarks.timing import fair

    fits, real = [], fair.fit_logistic
    monkeypatch.setattr(fair, "fit_logistic", lambda *a: (fits.append(a), real(*a))[1])
    theirs = naive_table(Fair(material))
    counted = counts(material, "N1")
    assert len(fits) == sum(n for unit, n in counted.items() if unit[0] == "fit") == 15
    ours = Suite(material).table()
    assert ours.keys() - {("chance", "pixels", 2)} == theirs.keys()
    # scikit-learn stops earlier than we do: single images may differ.
    for row in set(ours) - {("chance", "pixels", 2), ("small_cnn", "pixels", 2)}:
        assert abs(ours[row] - theirs[row]) <= 2 / len(material.contest.test), row


def test_every_count_has_its_measurement(material):
    bench = Bench(material)
    bench.prepare()
    suite = bench.suite
    seconds = {unit: s for _, job in bench.jobs(suite) for unit, s in job().items()}
    assert not set(counts(material, "ours")) - set(seconds)
    assert all(value >= 0 for value in seconds.values())
    fed = {unit[0] for unit in seconds if unit[1] == "block_regression"}
    assert {"step", "batch", "colours"} <= fed
    assert suite.chosen == {"block_regression": "32-true"}


def test_a_projection_is_counts_times_seconds():
    counted = {("step", "a"): 3, ("start", "a"): 1, ("fit", "a@5"): 10}
    seconds = {("step", "a"): 2.0, ("start", "a"): 5.0, ("fit", "a@5"): 0.1, ("soft", "x"): 9.0}
    found = project(counted, seconds)
    assert found["pretraining"] == 11.0
    assert found["probes"] == pytest.approx(1.0)
    assert found["whole table"] == pytest.approx(12.0)
    with pytest.raises(KeyError):
        project({("pass", "b"): 1}, seconds)


def test_a_clock_splits_start_from_steps():
    clock = naive.Clock(begun=0.0, done=[5.0, 6.0, 7.0, 8.0])
    assert clock.split(2) == (4.0, 1.0)


def test_flops_of_a_linear_layer_are_known():
    import numpy as np
    import torch

    class Pretext(torch.nn.Module):
        n_draws = 0

        def losses(self, model, images, draws):
            return {"x": model(images.mean((2, 3))).sum()}

    images = np.zeros((4, 8, 8, 3), np.uint8)
    # Forward and the weights' gradient: the input needs none.
    assert roofline.flops(Pretext(), torch.nn.Linear(3, 5), images, None) == 2 * 2 * 4 * 3 * 5


@pytest.fixture
def small(monkeypatch):
    """The command at a size that takes seconds."""
    monkeypatch.setattr(measure, "Sample", lambda: SAMPLE)
    monkeypatch.setattr(machine, "SIDE", {"cpu": 64})
    monkeypatch.setattr(machine, "MAPS", {"cpu": (1, 8, 8)})
    monkeypatch.setattr(machine, "BYTES", {"cpu": 2**16})
    monkeypatch.setattr(roofline, "BATCH", 1)
    monkeypatch.setattr(roofline, "STEPS", 1)


def test_the_command_writes_its_three_files(small, tmp_path, capsys):
    from tests.conftest import TINY

    out, begun = tmp_path / "speed", time.monotonic()
    code = speed.main([*TINY, *SMALL, "--quick", "--turns=2", f"--out={out}", "--device=cpu"])
    said = capsys.readouterr()
    assert code == 0, said.err
    page = (out / "table.md").read_text()
    assert page in said.out
    words = "N0", "N1", "projected", "Whole table of ours really made", "of fp32", "313 bins"
    for word in (*words, "## What feeds a step", "## Heads at once"):
        assert word in page
    assert re.search(r"^\| whole table \|.+\|.+\|.+\|.+ to .+\|.+ to .+\|$", page, re.M)
    rows = pd.read_csv(out / "rows.csv")
    assert set(rows.pipeline) == {"N0", "N1", "ours"} and set(rows.turn) == {0, 1}
    assert rows.seconds.ge(0).all() and rows.count_in_table.gt(0).any()
    facts = json.loads((out / "machine.json").read_text())
    assert facts["ceilings"]["fp32"] == max(facts["rates"]["fp32"].values()) > 0
    took = (time.monotonic() - begun) / 60
    # Materials, turns and the whole table lie within; what follows is the writing of three files.
    assert 0.5 * took - 0.01 < facts["minutes"] < took + 0.01
    assert f"this measurement took {facts['minutes']:.1f} minutes" in page
    assert all(0 < step["own"] < float("inf") for step in facts["training_steps"])
    assert facts["turns"] == 2 and facts["commit"]
    assert str(tmp_path) not in page + json.dumps(facts)


def test_mistakes_are_a_cause_and_a_remedy(tmp_path, capsys):
    assert speed.main(["--turns=0", f"--out={tmp_path}"]) == 2
    assert speed.main(["nonsense=1", f"--out={tmp_path}"]) == 2
    blocked = tmp_path / "file"
    blocked.touch()
    assert speed.main([f"--out={blocked}"]) == 4
    assert len(capsys.readouterr().err.splitlines()) == 6


def test_help_imports_nothing_heavy(tmp_path):
    script = [sys.executable, "-X", "importtime", str(ROOT / "benchmarks" / "speed.py"), "--help"]
    done = subprocess.run(script, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    modules = re.findall(r"^import time: .*\|\s+(\S+)$", done.stderr, re.M)
    assert not {name.split(".")[0] for name in modules} & HEAVY
    assert "--quick" in done.stdout and "exit codes: 0 done" in done.stdout
