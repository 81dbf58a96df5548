"""The command of claims writes no page that rests on nothing, and tells why."""

from pathlib import Path

import pytest

from benchmarks.claims import __main__ as command
from benchmarks.claims.runs import finished_runs
from tests.test_claims import write_run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "runs" / "demo")


@pytest.fixture
def ask(run, capsys):
    """Ask for the page of some runs; the exit code, what is said, and the page or None."""
    page = run.parents[1] / "claims.md"

    def ask(*runs, out=page):
        code = command.main(["--runs", *map(str, runs), "--out", str(out)])
        return code, capsys.readouterr().err, page.read_text() if page.is_file() else None

    return ask


def test_a_path_without_runs_is_refused(ask, run, tmp_path):
    (tmp_path / "empty").mkdir()
    for asked, said in (([tmp_path / "typo"], "typo does not exist"),
                        ([run, tmp_path / "empty"], "empty has no finished run")):  # fmt: skip
        code, told, page = ask(*asked)
        assert code == 2 and said in told and page is None
    assert ask(run)[0] == 0


def test_the_facts_of_a_run_are_opened_once(run, monkeypatch):
    opened, read = [], Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda at, *how: opened.append(at) or read(at, *how))
    assert len(finished_runs([run.parent])) == 1
    assert opened == [run / "run.json"]


def test_without_any_run_no_page_is_overwritten(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "claims.md").write_text("26 verdicts")
    assert command.main([]) == 2 and "no finished run" in capsys.readouterr().err
    assert (tmp_path / "results" / "claims.md").read_text() == "26 verdicts"
    write_run(tmp_path / "results" / "demo")
    assert command.main([]) == 0, "of the usual places one may be missing"


@pytest.mark.parametrize(
    ("torn", "said"),
    [
        (lambda rows: rows[: len(rows) // 2], "last line is not whole"),
        (lambda rows: b"", "rows.csv is damaged"),
        (lambda rows: b"a,b\n1,2\n", "it lacks method"),
        (lambda rows: b"a\n1,2\n1,2,3\n", "rows.csv is damaged"),
    ],
)
def test_torn_rows_are_told(ask, run, torn, said):
    file = run / "rows.csv"
    file.write_bytes(torn(file.read_bytes()))
    code, told, page = ask(run)
    assert code == 3 and said in told and str(file) in told and page is None
    assert not (run / "claims.csv").exists(), "nothing is written before all rows are read"


def test_missing_rows_are_told(ask, run):
    (run / "rows.csv").unlink()
    code, told, page = ask(run)
    assert code == 3 and "rows.csv is damaged" in told and page is None


def test_a_place_that_cannot_be_written(ask, run, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    for out in (tmp_path / "file" / "x.md", tmp_path / "folder", tmp_path / ("x" * 300)):
        code, told, _ = ask(run, out=out)
        assert code == 4 and "cannot use" in told and "--out" in told


def test_help_tells_the_exit_codes(capsys):
    with pytest.raises(SystemExit):
        command.main(["--help"])
    assert "2 no runs there" in capsys.readouterr().out
