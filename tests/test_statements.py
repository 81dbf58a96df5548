"""Tests of benchmarks/report/statements.py: gains, losses and nothing are said plainly."""

import pandas as pd
import pytest

from benchmarks.report.statements import answer, p_text, points, shown_name, where

MINUS = "\u2212"


def compared(**changes):
    row = {"a_method": "split", "a_classifier": "linear", "b_method": "scratch", "task": "all",
           "b_classifier": "pixels", "classes": "unseen", "labels_per_class": 25, "runs": 3,
           "effect": 0.042, "low": 0.021, "high": 0.063, "p": 0.001, "p_holm": 0.003,
           "primary": True, "smallest_detectable": 0.03, "n_classes": 20}  # fmt: skip
    other = row | {"primary": False, "effect": 0.9}
    return pd.DataFrame([other, row | changes])


def test_a_gain():
    assert answer(compared(), {}) == (
        "On unseen test classes with 25 labels per class, top-1 of split (linear) is 4.2 points "
        "higher than that of scratch (pixels) (95 % interval +2.1 to +6.3, p = 0.003 after Holm, "
        "3 runs)."
    )


def test_a_loss_is_said_as_plainly():
    text = answer(compared(effect=-0.031, low=-0.05, high=-0.012), {})
    assert "3.1 points lower than" in text and f"{MINUS}5.0 to {MINUS}1.2" in text


def test_an_interval_with_zero_is_no_difference():
    text = answer(compared(low=-0.01, effect=0.008, high=0.026, smallest_detectable=0.0261), {})
    assert text.startswith("No difference found between split (linear) and scratch (pixels)")
    assert "+0.8 points" in text and "a difference of 2.6 points would have been found" in text
    assert "higher" not in text


def test_one_run_says_what_it_cannot_say():
    assert "nothing is known of other seeds" in answer(compared(runs=1), {})


def test_folds_of_one_seed_say_nothing_of_another():
    told = "3 runs of one seed, so nothing is known of other seeds"
    assert told in answer(compared(), {"seeds": [4]})
    assert "nothing is known" not in answer(compared(), {"seeds": [4, 5]})


def test_an_effect_without_significance_is_weak_evidence():
    assert "p stays above 0.05" in answer(compared(p_holm=0.08), {})
    text = answer(compared(p_holm=0.125, n_classes=4), {})
    assert "with 4 of them p cannot fall below 0.12" in text


@pytest.mark.parametrize("table", [pd.DataFrame(), compared(primary=False)])
def test_no_primary_record_is_no_answer(table):
    assert "has no answer" in answer(table, {})


def test_small_texts():
    assert (points(0.0123), points(-0.05)) == ("+1.2", f"{MINUS}5.0")
    assert (p_text(0.0004), p_text(0.25)) == ("p < 0.001", "p = 0.250")
    assert (shown_name("x", True), shown_name("x", False)) == ("x", "x †")
    assert where("unseen", "unseen") == "on unseen test classes (task of unseen classes only)"
