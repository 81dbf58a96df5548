"""The folder of a run as commands read it: what is none, and tables that are torn."""

import pytest

from benchmarks.errors import ConfigError, DataError
from benchmarks.run_files import RunFiles


def test_only_runs_are_offered_as_known(finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, files in (("run", ("rows.csv", "run.json")), ("speed", ("rows.csv",))):
        (tmp_path / "results" / name).mkdir(parents=True)
        for file in files:
            (tmp_path / "results" / name / file).touch()
    with pytest.raises(ConfigError, match=r"no rows.csv\nknown: results/run$"):
        RunFiles(tmp_path)


def test_a_table_is_whole_or_told(copied):
    run = RunFiles(copied)
    assert {line["method"] for line in run.table("encoders.csv")} == {
        "block_regression",
        "block_untrained",
    }
    assert run.table("absent.csv") == []
    file = copied / "encoders.csv"
    file.write_text("")
    assert run.table("encoders.csv") == [], "of a run without methods"
    for torn, said in (("a,b\n1,2\n", "it lacks fold, key"), ("method,fold,seed,key,latents\n1\n",
                       "line 2 is not whole"), ('a,"', "damaged")):  # fmt: skip
        file.write_text(torn)
        with pytest.raises(DataError, match=said):
            run.table("encoders.csv")
