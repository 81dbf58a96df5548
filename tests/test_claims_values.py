"""A claim's two values alone, where a run has neither images nor tests, are paired by run."""

import json

import pandas as pd
import pytest

from benchmarks.claims.declarations import Endpoint
from benchmarks.claims.evidence import evidence
from benchmarks.claims.runs import RunFolder

ENDPOINT = Endpoint(
    a=("good", "linear"), b=("poor", "linear"), direction="greater", classes="all", smallest=0.05,
    labels_per_class=25,
)  # fmt: skip


def folder_of(path, values):
    """A run folder of top-1 by (method, fold, draw), and nothing else."""
    rows = [
        {"method": method, "classifier": "linear", "task": "all", "classes": "all", "seed": 0,
         "labels_per_class": 25, "fold": fold, "draw": draw, "split": f"cafe{fold}",
         "key": f"{method}{fold}{draw}", "metric": "top1", "value": value, "n_test": 400}
        for (method, fold, draw), value in values.items()
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(path / "rows.csv", index=False)
    (path / "run.json").write_text(json.dumps({"name": "demo", "unseen_classes": {}}))
    return RunFolder(path)


def test_the_difference_is_of_the_runs_that_both_have_draws_averaged(tmp_path):
    """Good has fold 1, poor has not; the two draws of fold 0 count as one run."""
    values = {("good", 0, 0): 0.5, ("poor", 0, 0): 0.3, ("good", 0, 1): 0.7, ("poor", 0, 1): 0.4}
    other = {("good", 2, 0): 0.6, ("poor", 2, 0): 0.6}
    found = evidence(folder_of(tmp_path, values | other | {("good", 1, 0): 0.0}), ENDPOINT)
    assert found.effect == pytest.approx((0.25 + 0.0) / 2)
    assert found.runs == 2 and not found.tested


def test_without_a_shared_run_there_is_no_difference(tmp_path):
    values = {("good", 0, 0): 0.5, ("poor", 1, 0): 0.3}
    assert evidence(folder_of(tmp_path, values), ENDPOINT) is None
