"""How soon a command answers and a training begins, in processor seconds of its own process.

Others on the machine can then not fail it. That questions import nothing heavy is in
test_smoke.py; here is what it is for.
"""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TINY

ROOT = Path(__file__).resolve().parents[1]
HELP, FIRST_STEP = 1.0, 8.0  # processor seconds
# The real command, interrupted behind its first update.
UNTIL_FIRST_STEP = """
import runpy, sys
from benchmarks.learner import Learner
update = Learner.update
def update_and_stop(*given, **named):
    update(*given, **named)
    print("one update", flush=True)
    raise KeyboardInterrupt
Learner.update = update_and_stop
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def child(*arguments: str) -> tuple[subprocess.CompletedProcess, float]:
    """What a Python process with `arguments` left, and the processor seconds that it took."""

    def used() -> float:
        so_far = resource.getrusage(resource.RUSAGE_CHILDREN)
        return so_far.ru_utime + so_far.ru_stime

    before = used()
    one = {**os.environ, "OMP_NUM_THREADS": "1"}  # waiting threads would count as work
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=one, capture_output=True, text=True, check=False
    )
    return done, used() - before


@pytest.mark.parametrize("script", ["run.py", "speed.py", "colorize.py"])
def test_help_is_immediate(script):
    done, seconds = child(f"benchmarks/{script}", "--help")
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout
    assert seconds < HELP


def test_help_does_not_import_torch():
    listed = "import sys; sys.argv = ['run.py', '--help']; from benchmarks.run import main\n"
    listed += "try: main()\nfinally: print('torch' in sys.modules)"
    done, _ = child("-c", listed)
    assert done.stdout.splitlines()[-1] == "False"


def test_training_begins_within_seconds(tmp_path):
    done, seconds = child(
        "-c", UNTIL_FIRST_STEP, "benchmarks/run.py", f"out={tmp_path}", *TINY,
        "methods=[splitbrain_cl]", "pretrain.precision=auto", "budgets=[2]",
    )  # fmt: skip
    assert done.returncode == 130, done.stderr
    assert done.stdout.splitlines() == ["one update"]
    assert seconds < FIRST_STEP
