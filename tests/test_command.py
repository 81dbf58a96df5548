"""Exit codes, one-line messages, a start without heavy imports, and safe folder names."""

import errno
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from benchmarks.command import command, run_name, shown, spelled_out
from benchmarks.errors import ConfigError, DataError, IntegrityError, ResourceError
from benchmarks.settings import load_config, options

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {
    "torch", "numpy", "pandas", "sklearn", "scipy", "matplotlib", "datasets", "diffusers",
    "lightning_fabric", "torchvision",
}  # fmt: skip


@pytest.fixture
def call(tmp_path):
    """Run `command` in a folder of its own, on a CPU."""
    return lambda run, *overrides: command(run, [f"out={tmp_path}", "device=cpu", *overrides])


def failing(error):
    def run(config, folder, line):
        raise error

    return run


def ends_well(config, folder, line):
    return folder / "report.html"


@pytest.mark.parametrize(
    ("kind", "code"), [(ConfigError, 2), (DataError, 3), (ResourceError, 4), (IntegrityError, 5)]
)
def test_a_foreseen_failure_is_a_code_a_cause_and_a_remedy(call, capsys, kind, code):
    assert call(failing(kind("the cause", "the remedy"))) == code
    assert capsys.readouterr() == ("", "error: the cause\n  try: the remedy\n")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space", "big.npy"), "no space left for big.npy"),
        (OSError(errno.EDQUOT, "Quota", "big.npy"), "no space left for big.npy"),
        (PermissionError(errno.EACCES, "Denied", "a.csv"), "cannot use a.csv: Denied"),
        (OSError(errno.EROFS, "Read-only", "a.csv"), "cannot use a.csv: Read-only"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "the reader of the output has gone"),
        (MemoryError(), "out of memory"),
    ],
)
def test_what_the_machine_lacks_is_exit_code_4(call, capsys, error, said):
    assert call(failing(error)) == 4
    assert re.fullmatch(rf"error: {said}\n  try: .+\n", capsys.readouterr().err)


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), FileNotFoundError(errno.ENOENT, "x")])
def test_a_bug_is_not_hidden(call, error):
    with pytest.raises(type(error)):
        call(failing(error))


def test_ctrl_c_is_130_and_says_how_to_go_on(call, capsys):
    assert call(failing(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "interrupted; the same command continues\n"


def test_sigterm_is_143(call, capsys):
    def run(config, folder, line):
        os.kill(os.getpid(), signal.SIGTERM)
        return folder

    with pytest.raises(SystemExit) as caught:
        call(run)
    assert caught.value.code == 143
    assert "continues" in capsys.readouterr().err


def test_a_mistake_on_the_command_line_is_2_and_makes_no_folder(call, capsys, tmp_path):
    assert call(ends_well, "methods=[splitbrain_c]") == 2
    err = capsys.readouterr().err
    assert err.startswith("error: methods=splitbrain_c does not exist\n  try: did you mean")
    assert len(err.splitlines()) == 2
    assert not list(tmp_path.iterdir())


def test_an_out_that_is_a_file_is_no_traceback(tmp_path, capsys):
    blocked = tmp_path / "file"
    blocked.touch()
    assert command(ends_well, [f"out={blocked}", "device=cpu"]) == 4
    assert "choose a writable out=DIR" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that takes no files")
def test_an_out_where_nothing_can_be_made_is_no_traceback(capsys):
    assert command(ends_well, ["out=/proc/colorprobe", "device=cpu"]) == 4
    assert "choose a writable out=DIR" in capsys.readouterr().err


def test_a_run_gets_its_config_its_folder_and_the_line_that_repeats_it(call, capsys, tmp_path):
    seen = {}

    def run(config, folder, line):
        seen.update(config=config, folder=folder, line=line)
        assert folder.is_dir()
        return folder / "report.html"

    assert call(run, "budgets=[3]", "question=What is it?") == 0
    assert (seen["config"].budgets, seen["config"].device) == ([3], "cpu")
    assert seen["folder"].parent == tmp_path / "runs"
    line = ["python", "benchmarks/run.py", "device=cpu", "budgets=[3]", "question=What is it?"]
    assert shlex.split(seen["line"]) == line
    assert capsys.readouterr().out == f"\nreport: {seen['folder'] / 'report.html'}\n"


def test_the_line_of_a_report_names_no_folder_of_the_machine():
    told = shown(["exp=x", "out=/home/me/results", "data.path=/home/me/my food/", "seeds=[0]"])
    words = ["python", "benchmarks/run.py", "exp=x", "data.path=my food", "seeds=[0]"]
    assert shlex.split(told) == words


@pytest.mark.parametrize("file", ["r/a,b=[1,2]/split-0.tsv", "it's/split-0.tsv", "runs/a=b,c"])
def test_the_split_of_a_run_is_given_by_its_file(file):
    for given in (f"split={file}", f'split="{file}"', f"split.path={file}"):
        overrides = spelled_out([given, *(["split=manifest"] if "path" in given else [])])
        assert load_config(overrides).split.path == file
    assert spelled_out(["split=thirds", "seeds=[1]"]) == ["split=thirds", "seeds=[1]"]


def test_a_run_on_a_split_is_named_after_the_run_that_wrote_it():
    names = {run_name("x", [f"split=/home/me/runs/{r}/split-0.tsv"]) for r in ("one", "two")}
    assert names == {"x,split=one-split-0.tsv", "x,split=two-split-0.tsv"}
    assert shlex.split(shown(["split=/home/me/runs/one/split-0.tsv"]))[-1] == (
        "split=one/split-0.tsv"
    )


def test_two_runs_do_not_write_to_one_folder(call, capsys):
    codes = []

    def run(config, folder, line):
        codes.append(call(ends_well))
        codes.append(call(ends_well, "draws=2"))
        return folder

    assert call(run) == 0
    assert codes == [2, 0]  # the same run is refused, another one is not
    assert "another run is writing" in capsys.readouterr().err


@pytest.mark.parametrize("overrides", [
    ["methods=[a,b]", "data.path=/home/me/secret place/food"], ["question='../../x y'"],
    ["notes=[\"a/b\\\\c:d*?<>|\"]"], ["+x=\u00e9\u4e2d\n"], [f"budgets={list(range(1, 90))}"],
])  # fmt: skip
def test_folder_names_are_safe_and_short(overrides):
    name = run_name("food101_holdout", overrides)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.=,-]*", name)
    assert len(name) <= 130
    assert "secret" not in name


def test_where_a_run_happens_is_not_in_its_name_but_what_it_is_is():
    where = ["exp=quickstart", "out=/tmp/x", "device=cpu"]
    assert run_name("quickstart", where) == "quickstart"
    assert run_name("quickstart", [*where, "preset=cpu", "seeds=[0,1]"]).startswith(
        "quickstart,preset=cpu,seeds="
    )
    long = [f"question={'x' * 200}"]
    names = {run_name("q", [*long, f"seeds=[{seed}]"]) for seed in range(5)}
    assert len(names) == 5  # what was cut off still tells them apart


def started(tmp_path, *arguments, script="run"):
    """Standard output of a fresh process, and the modules that it imported."""
    script = [sys.executable, "-X", "importtime", str(ROOT / "benchmarks" / f"{script}.py")]
    done = subprocess.run([*script, *arguments], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    modules = re.findall(r"^import time: .*\|\s+(\S+)$", done.stderr, re.MULTILINE)
    return done.stdout, {name.split(".")[0] for name in modules}


def test_help_lists_what_exists_and_imports_nothing_heavy(tmp_path):
    text, modules = started(tmp_path, "--help")
    for group in ("exp", "data", "methods", "probes", "baselines", "quality"):
        assert re.search(rf"^  {group} +.*{', '.join(options(group))}", text, re.MULTILINE)
    assert "exit codes: 0 done, 1 a bug, 2 configuration" in text
    assert "plan=true" in text and "split=RUN/split-0.tsv" in text
    assert "hydra" in modules
    assert not modules & HEAVY
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["compare", "why", "check"])
def test_help_of_a_command_around_a_run_is_instant(tmp_path, name):
    text, modules = started(tmp_path, "--help", script=name)
    assert f"python -m benchmarks.{name}" in text and "exit codes" in text
    assert not modules & {*HEAVY, "hydra", "omegaconf"}


def test_cfg_job_prints_the_configuration_and_imports_nothing_heavy(tmp_path):
    text, modules = started(tmp_path, "--cfg", "job", "preset=cpu", "budgets=[7]")
    config = yaml.safe_load(text)
    assert (config["name"], config["budgets"], config["device"]) == ("quickstart", [7], "cpu")
    assert not modules & HEAVY
    assert not list(tmp_path.iterdir())
