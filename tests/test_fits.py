"""Tests of benchmarks/report/fits.py: how many fits a reader is warned of."""

import io

import pandas as pd

from benchmarks.report.fits import fit_facts
from benchmarks.report.source import Source

KNOWN = """method,classifier,converged,at_edge
a,linear,True,False
a,linear,False,True
b,linear,True,True
a,shuffled,True,False
a,knn,,True
raw,pixels,,
"""


def told(text):
    empty = pd.DataFrame()
    fits = pd.read_csv(io.StringIO(text)) if text else empty
    return dict(fit_facts(Source(
        rows=empty, run={}, config="", history=empty, cost=empty, selection=empty, quality=empty,
        examples={}, read_predictions=lambda key: {}, read_quality=lambda key: {}, unseen={},
        fits=fits,
    )))  # fmt: skip


def test_warnings_are_counted_by_classifier_among_those_that_tell():
    found = told(KNOWN)
    assert found["Settings at the edge of their grid"] == (
        "3 of 5 fits that tell (linear 2 of 3, knn 1 of 1): a setting beyond it might have been "
        "better"
    )
    assert found["Fits that did not converge"] == (
        "1 of 4 fits that tell (linear 1 of 3): their optimum is not certified"
    )


def test_no_warning_is_told_without_blame():
    found = told("method,classifier,converged,at_edge\na,linear,True,\n")
    assert found == {"Fits that did not converge": "0 of 1 fits that tell"}


def test_older_runs_say_nothing():
    assert told("") == {}
    assert told("method,classifier,converged,at_edge\nraw,pixels,,\n") == {}
