"""Whether compiling pays: arithmetic of the page, and real steps of tiny networks."""

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import speed
from benchmarks.precision import PLAIN, Arithmetic
from benchmarks.timing.compiled import Pace, break_even, markdown
from tests.conftest import TINY

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = [o for o in TINY if o.startswith(("scale.", "data.size", "pretrain.batch_size"))]


def test_compiling_pays_after_as_many_images_as_won_back():
    # 10 s to compile, 0.1 s won a batch of 64: 100 batches.
    assert break_even(Pace(0.5, 0.3), Pace(10.2, 0.2), 64) == pytest.approx(6400)
    assert break_even(Pace(0.5, 0.2), Pace(10.2, 0.2), 64) == float("inf")
    assert break_even(Pace(0.5, 0.1), Pace(10.2, 0.2), 64) == float("inf")


def test_the_page_sets_the_fastest_against_the_fastest():
    rough = Arithmetic("bf16-mixed", channels_last=True)
    found = {
        ("a", PLAIN): (Pace(0.5, 0.3), Pace(10.2, 0.2)),
        ("a", rough): (Pace(0.2, 0.1), Pace(20.15, 0.15)),
    }
    page = markdown(found, "head", batch=64)
    assert "| a | 32-true | plain | 300 ms | 200 ms | 10 s | 6,400 images |" in page
    assert "| a | bf16-mixed | channels-last | 100 ms | 150 ms | 20 s | never |" in page
    assert page.endswith("takes 100 ms, the fastest compiled one 150 ms: break-even never.\n")


# Traced, but not translated into C++: that takes a minute. Run apart, since the types that are
# checked in tests are no part of a graph.
COMMAND = """
import os, sys, torch
from functools import partial
from benchmarks import speed
from benchmarks.precision import PLAIN
from benchmarks.timing import compiled

traced = []
def backend(graph, inputs):
    traced.append(graph)
    return graph.forward
torch.compile = partial(torch.compile, backend=backend)
compiled.WAYS = [PLAIN]
os.environ["TORCHINDUCTOR_CACHE_DIR"] = "mine"
code = speed.main(sys.argv[1:])
print(code, len(traced), os.environ["TORCHINDUCTOR_CACHE_DIR"])
"""


def test_the_command_times_both_families_and_leaves_the_cache_alone(tmp_path):
    asked = ["--compile", "--turns=1", f"--out={tmp_path}", "--device=cpu", *NETWORKS]
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *asked], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "compile.md").read_text()
    assert page in done.stdout
    assert "| splitbrain_cl | 32-true |" in page and "| block_regression | 32-true |" in page
    # One graph of each network, and compiled again for nothing.
    assert done.stdout.splitlines()[-1] == "0 2 mine"


def test_without_a_compiler_it_is_one_line(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert speed.main(["--compile", f"--out={tmp_path}"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2 and "needs g++" in said[0]
    assert not list(tmp_path.iterdir())
