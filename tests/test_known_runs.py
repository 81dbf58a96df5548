"""A verdict tells of folds and seeds whose result was known when its claim was declared."""

import json

import pandas as pd

from benchmarks.claims.declarations import declared
from benchmarks.claims.runs import run_folders
from benchmarks.claims.verdicts import decide
from tests.test_claims import claim, committed, endpoint, verdicts, write_run


def told(claim_, *roots):
    return decide(claim_, run_folders(roots)).parts[0].remarks


def test_folds_and_seeds_that_were_known_are_counted(tmp_path):
    asked = claim(endpoint(), known_runs=("abc12",))
    first = write_run(tmp_path / "first", folds=(0,), extra="pretrain.epochs=2")
    later = write_run(tmp_path / "later", commit="def5678")
    verdicts(asked, first, later)
    remarks = told(asked, first, later)
    assert "1 of 2 runs were known before" in remarks
    assert "declared after this run was known" not in remarks
    assert not told(asked, later), "nothing of it is known without the run that it repeats"
    nothing_known = told(claim(endpoint()), first, later)
    assert nothing_known == ("1 more run has this pair",)


def test_another_split_or_seed_repeats_nothing(tmp_path):
    asked = claim(endpoint(), known_runs=("abc12",))
    first = write_run(tmp_path / "first", folds=(0,), extra="pretrain.epochs=2")
    for name, column, value in (("split", "split", "babe"), ("seed", "seed", 7)):
        later = write_run(tmp_path / name, commit="def5678")
        rows = pd.read_csv(later / "rows.csv").assign(**{column: value})
        rows.to_csv(later / "rows.csv", index=False)
        assert not [text for text in told(asked, first, later) if "known" in text]


def test_a_known_run_whose_page_was_made_again_is_still_known(tmp_path):
    asked = claim(endpoint(), known_runs=("abc12",))
    first = write_run(tmp_path / "first")
    facts = json.loads((first / "run.json").read_text())
    (first / "run.json").write_text(json.dumps({**facts, "commit": "def5678"}))
    assert "2 of 2 runs were known before" in told(asked, first)


def test_the_committed_holdout_run_repeats_one_run_of_the_survey():
    (asked,) = (c for c in declared() if c.number == 3)
    folders = [f for f in committed() if f.path.name in ("food101_holdout", "food101_survey")]
    parts = decide(asked, folders).parts
    later = [part for part in parts if part.folder and part.folder.path.name == "food101_holdout"]
    assert later and all("1 of 4 runs were known before" in part.remarks for part in later)
