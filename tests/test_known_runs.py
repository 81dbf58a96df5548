"""A verdict tells of folds and seeds whose result was known when its claim was declared."""

import pandas as pd

from benchmarks.claims.declarations import Run, declared
from benchmarks.claims.page import claims_page
from benchmarks.claims.runs import run_folders
from benchmarks.claims.verdicts import decide
from tests.test_claims import claim, committed, endpoint, verdicts, write_run

FIRST = Run("demo", "cafe0", fold=0, seed=0)


def told(run, *known):
    asked = claim(endpoint(), known_runs=frozenset(known))
    verdicts(asked, run)
    return decide(asked, run_folders([run])).parts[0].remarks


def test_folds_and_seeds_that_were_known_are_counted(tmp_path):
    run = write_run(tmp_path / "run")
    assert told(run) == ()
    assert told(run, FIRST) == ("1 of 2 runs were known before",)
    assert told(run, FIRST, Run("demo", "cafe1", 1, 0)) == ("declared after this run was known",)


def test_another_experiment_split_fold_or_seed_was_not_known(tmp_path):
    run = write_run(tmp_path / "run", folds=(0,))
    others = [Run("other", "cafe0", 0, 0), Run("demo", "babe", 0, 0), Run("demo", "cafe0", 1, 0),
              Run("demo", "cafe0", 0, 7)]  # fmt: skip
    assert told(run, *others) == ()
    assert told(run, FIRST) == ("declared after this run was known",)


def test_a_known_run_computed_again_by_later_code_is_still_known(tmp_path):
    again = write_run(tmp_path / "again", folds=(0,), commit="def5678")
    assert told(again, FIRST) == ("declared after this run was known",)


def test_splits_are_told_by_the_first_digits_of_their_hash(tmp_path):
    run = write_run(tmp_path / "run", folds=(0,))
    rows = pd.read_csv(run / "rows.csv").assign(split="0123456789ab" + 52 * "c")
    rows.to_csv(run / "rows.csv", index=False)
    assert told(run, Run("demo", "0123456789ab", 0, 0)) == ("declared after this run was known",)


def test_the_committed_holdout_repeats_one_known_run_and_the_survey_is_that_run():
    (asked,) = (c for c in declared() if c.number == 3)
    remarks = {part.folder.path.name: part.remarks for part in decide(asked, committed()).parts}
    assert "1 of 4 runs were known before" in remarks["food101_holdout"]
    assert "declared after this run was known" in remarks["food101_survey"]


def test_a_run_that_was_known_is_told(tmp_path):
    run = write_run(tmp_path / "results" / "demo")
    both = frozenset(Run("demo", f"cafe{fold}", fold, 0) for fold in (0, 1))
    asked = claim(endpoint(), known_runs=both)
    verdicts(asked, run)
    page = claims_page([decide(asked, run_folders([run]))], run.parent)
    assert "declared after this run was known" in page
    assert "[demo](demo), preset cpu" in page and r"Is it \| so?" in page and "`1a2b`" in page
