"""The real command, without a network: everything once, then again for nothing."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.command import run_name

ROOT = Path(__file__).resolve().parents[1]
TINY = [
    "device=cpu", "data.n_classes=8", "data.train_per_class=40", "data.test_per_class=5",
    "data.size=16", "budgets=[2]", "selection.folds=1", "max_features=64", "pretrain.epochs=1",
    "pretrain.precision=32-true", "scale.block_channels=[8,8]", "scale.norm_groups=4",
    "scale.block_pixels=null", "scale.pixel_size=16", "scale.steps=5",
    "methods=[block_regression,block_untrained]", "probes=[linear,shuffled,finetune]",
    "baselines=[chance,small_cnn]",
]  # fmt: skip
# Runs a script as `python SCRIPT` would, but ends with 97 at the first look at a network.
GUARDED = """
import os, runpy, socket, sys
def refuse(*asked, **more):
    print("the network was asked for", asked, file=sys.stderr, flush=True)
    os._exit(97)
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
LIGHT = """
import sys
from benchmarks.command import command
try:
    command(None, sys.argv[1:])
finally:
    print("heavy:", sorted({"torch", "datasets", "matplotlib", "sklearn"} & set(sys.modules)))
"""


def python(code: str, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def timed_run(out: Path) -> tuple[subprocess.CompletedProcess, float]:
    """The command on tiny data into `out`, and the processor seconds that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = python(GUARDED, "benchmarks/run.py", f"out={out}", *TINY)
    return done, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def records(out: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of the manifest of every finished record."""
    found = (out / "cache").rglob("manifest.json")
    return {str(p.relative_to(out)): (p.stat().st_ino, p.stat().st_mtime_ns) for p in found}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Where the first run wrote, what it printed, and how long it took."""
    out = tmp_path_factory.mktemp("smoke")
    return out, *timed_run(out)


@pytest.fixture(scope="module")
def folder(first):
    (folder,) = (first[0] / "runs").iterdir()
    return folder


def test_the_command_ends_well(first):
    _, done, _ = first
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert "report.html" in done.stdout.splitlines()[-1]


def test_the_report_and_its_sources_are_there(folder):
    for name in ("report.html", "table.md", "table.csv", "rows.csv", "comparisons.csv",
                 "history.csv", "cost.csv", "selection.csv", "config.yaml", "run.json",
                 "split-0.tsv", "examples.npz"):  # fmt: skip
        assert (folder / name).stat().st_size > 0, name
    page = (folder / "report.html").read_text()
    assert "block_regression" in page and "data:image/webp;base64," in page


def test_every_entrant_has_its_rows(folder):
    rows = pd.read_csv(folder / "rows.csv")
    methods, probes = ("block_regression", "block_untrained"), ("linear", "shuffled", "finetune")
    wanted = {(method, probe) for method in methods for probe in probes}
    wanted |= {("chance", "pixels"), ("small_cnn", "pixels")}
    entrants = rows.groupby(["method", "classifier"])
    assert set(entrants.groups) == wanted
    for _, of in entrants:
        assert len(of) == 9, "top-1, top-5 and likelihood of all, seen and unseen classes"
        assert set(of.classes) == {"all", "seen", "unseen"} and (of.test_reads == 1).all()
    fractions = rows[rows.metric != "nll"].value
    assert fractions.between(0, 1).all() and rows.value.notna().all()
    top1 = rows[(rows.metric == "top1") & (rows.classes == "all")]
    for row in top1.itertuples():
        saved = np.load(folder / "predictions" / f"{row.key}.npz")
        assert np.mean(saved["predicted"] == saved["label"]) == pytest.approx(row.value)
        assert len(saved["ids"]) == row.n_test == 40


def test_a_second_run_computes_nothing(first, folder):
    out, _, seconds = first
    kept, rows = records(out), (folder / "rows.csv").read_bytes()
    assert len(kept) == 1 + 2 + 2 + 8 + 1, "images, encoders, latents, rows, duplicates"
    again, seconds_again = timed_run(out)
    assert again.returncode == 0, again.stderr
    assert records(out) == kept
    assert (folder / "rows.csv").read_bytes() == rows
    assert seconds_again < seconds


def test_the_guard_sees_a_look_at_the_network(tmp_path):
    script = tmp_path / "ask.py"
    for line in ("socket.create_connection(('127.0.0.1', 9))", "socket.socket().connect(('', 9))"):
        script.write_text(f"import socket\n{line}\n")
        assert python(GUARDED, script).returncode == 97
    script.write_text("print('quiet')")
    assert python(GUARDED, script).returncode == 0


def test_the_name_of_the_folder_says_what_was_changed(folder):
    assert folder.name.startswith("quickstart,")
    plain = run_name("quickstart", [])
    other = run_name("quickstart", ["data.color=independent"])
    assert plain == "quickstart" and other != plain and "data.color=independent" in other
    elsewhere = ["out=/elsewhere", "device=cpu", "exp=quickstart"]
    assert run_name("quickstart", elsewhere) == plain, "where and on what is not what"
    long = [run_name("quickstart", [*TINY, f"data.color={c}"]) for c in ("lawful", "independent")]
    assert long[0] != long[1] and max(map(len, long)) < 130
    odd = run_name("quickstart", ["data.path=../../x y/é", "methods=[a,b]"])
    assert os.sep not in odd and " " not in odd


@pytest.mark.parametrize("asked", ["--help", "--cfg=job"])
def test_questions_are_answered_without_heavy_imports(asked):
    done = python(LIGHT, asked)
    assert done.returncode == 0, done.stderr
    assert "quickstart" in done.stdout
    assert done.stdout.splitlines()[-1] == "heavy: []"
