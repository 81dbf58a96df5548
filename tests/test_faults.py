"""Killed, doubled, damaged: the same command goes on from what is whole, to the same rows."""

import contextlib
import io
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.command import command
from benchmarks.run import run

ROOT = Path(__file__).resolve().parents[1]
RUN = "benchmarks/run.py"
TINY = [
    "device=cpu", "data.n_classes=8", "data.train_per_class=40", "data.test_per_class=5",
    "data.size=16", "budgets=[1,2]", "selection.folds=1", "max_features=64", "pretrain.epochs=2",
    "pretrain.batch_size=12", "pretrain.precision=32-true", "scale.block_channels=[8,8]",
    "scale.norm_groups=4", "scale.block_pixels=null", "scale.pixel_size=16", "scale.steps=5",
    "methods=[block_untrained,block_regression]", "probes=[linear,mlp,shuffled]",
    "baselines=[small_cnn]",
]  # fmt: skip
N_ROWS = 2 * (2 * 3 + 1)  # records: budgets x (methods x probes + baselines)
# run.py, but with a checkpoint after every step in place of every half minute.
EAGER = """
import sys
import benchmarks.pretrain
benchmarks.pretrain.CHECKPOINT_EVERY = 0.0
from benchmarks.command import command
from benchmarks.run import run
sys.exit(command(run, sys.argv[1:]))
"""
PATIENCE = 200  # seconds until a state that does not come is given up


def records(out: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of the manifest of every finished record, by the record's name."""
    found = (out / "cache").glob("*/*[!p]/manifest.json")  # KEY.tmp is not finished
    facts = {path.parent.relative_to(out / "cache").as_posix(): path.stat() for path in found}
    return {name: (fact.st_ino, fact.st_mtime_ns) for name, fact in facts.items()}


def stages(found: dict) -> dict[str, int]:
    names = [name.split("/")[0] for name in found]
    return {stage: names.count(stage) for stage in sorted(set(names))}


def same_command(out: Path) -> tuple[int, str]:
    """Exit code and errors of the command, in this process."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        code = command(run, [f"out={out}", *TINY])
    return code, said.getvalue()


def rows(out: Path) -> pd.DataFrame:
    """All that was measured; how long it took and by which commit is no part of it."""
    (path,) = (out / "runs").glob("*/rows.csv")
    return pd.read_csv(path).drop(columns=["seconds", "commit"])


@contextlib.contextmanager
def stopped_when(reached: Callable[[], bool], *start: str, out: Path):
    """The command as a process that is stopped once a state is reached, and killed at the end."""
    process = subprocess.Popen(
        [sys.executable, *start, f"out={out}", *TINY],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        end = time.monotonic() + PATIENCE
        while not reached():
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < end, "the state did not come"
            time.sleep(0.002)
        process.send_signal(signal.SIGSTOP)
        yield
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL


@dataclass
class Story:
    """What was there after each death, and what a second run was told before the first."""

    out: Path
    after_pretraining: dict = field(default_factory=dict)
    checkpoints: int = 0
    after_scoring: dict = field(default_factory=dict)
    second: tuple[int, str] = (0, "")
    last: tuple[int, str] = (0, "")


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A run killed in pretraining, killed again in scoring, and then left to finish."""
    at_first = signal.getsignal(signal.SIGTERM)
    story = Story(out := tmp_path_factory.mktemp("killed"))

    def checkpoints() -> int:
        return len(list(out.glob("cache/encoders/*.partial/step-*.checkpoint")))

    with stopped_when(lambda: checkpoints() > 1, "-c", EAGER, out=out):
        story.second = same_command(out)
    story.checkpoints, story.after_pretraining = checkpoints(), records(out)
    with stopped_when(lambda: stages(records(out)).get("rows", 0) > 1, RUN, out=out):
        pass
    story.after_scoring = records(out)
    story.last = same_command(out)
    yield story
    signal.signal(signal.SIGTERM, at_first)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, story):
    """Where the same command wrote that nobody disturbed."""
    out = tmp_path_factory.mktemp("whole")
    assert same_command(out) == (0, "")
    return out


def test_it_was_killed_where_it_should_be(story):
    assert story.checkpoints > 0, "in the middle of pretraining"
    assert stages(story.after_pretraining)["encoders"] == 1
    assert "rows" not in stages(story.after_pretraining)
    assert stages(story.after_scoring)["encoders"] == 2
    assert 0 < stages(story.after_scoring)["rows"] < N_ROWS


def test_the_same_command_finishes(story):
    assert story.last == (0, "")
    made = {"duplicates": 1, "encoders": 2, "images": 1, "latents": 2, "rows": N_ROWS}
    assert stages(records(story.out)) == made
    (report,) = (story.out / "runs").glob("*/report.html")
    assert report.stat().st_size > 0


def test_no_finished_record_is_computed_again(story):
    assert story.after_pretraining.items() <= story.after_scoring.items()
    assert story.after_scoring.items() <= records(story.out).items()


def test_nothing_unfinished_is_left(story):
    left = [
        path for path in (story.out / "cache").rglob("*") if path.suffix in (".tmp", ".partial")
    ]
    assert not left


def test_the_rows_are_those_of_an_undisturbed_run(story, whole):
    pd.testing.assert_frame_equal(rows(story.out), rows(whole), check_exact=True)
    assert records(story.out).keys() == records(whole).keys()


def test_weights_from_a_checkpoint_are_the_same_bit_for_bit(story, whole):
    for path in (whole / "cache").glob("encoders/*/encoder.safetensors"):
        assert path.read_bytes() == (story.out / path.relative_to(whole)).read_bytes()


def test_a_second_run_in_the_same_folder_is_refused(story):
    code, said = story.second
    assert code == 2
    assert said.startswith("error: another run is writing to ") and "  try: wait" in said


@pytest.mark.parametrize("name", ["images/*/images.npy", "encoders/*/encoder.safetensors",
                                  "rows/*/predictions.npz", "rows/*/result.json"])  # fmt: skip
def test_a_flipped_byte_is_told_by_the_name_of_its_file(whole, name):
    path = sorted((whole / "cache").glob(name))[0]
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[len(content) // 2] ^= 1
    path.write_bytes(damaged)
    code, said = same_command(whole)
    path.write_bytes(content)
    assert code == 5
    assert f"{path.parent.parent.name}/{path.parent.name} is damaged: {path.name}" in said
    assert f"delete the folder {path.parent} " in said and "Traceback" not in said


def test_what_is_advised_for_a_damaged_record_mends_it(whole):
    before, kept = rows(whole), records(whole)
    damaged = sorted((whole / "cache" / "rows").iterdir())[0]
    shutil.rmtree(damaged)
    assert same_command(whole) == (0, "")
    pd.testing.assert_frame_equal(rows(whole), before, check_exact=True)
    changed = {name for name, fact in records(whole).items() if kept.get(name) != fact}
    assert changed == {f"rows/{damaged.name}"}
