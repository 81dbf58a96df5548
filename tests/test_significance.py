"""Tests of benchmarks/significance.py: flips, Holm, pairing of records, families."""

import itertools

import numpy as np
import pandas as pd
import pytest

from benchmarks.bootstrap import Estimate
from benchmarks.errors import DataError, IntegrityError
from benchmarks.significance import COLUMNS, compare, half_widths, holm, sign_flip_p

UNSEEN = {0: [0, 1, 2, 3], 1: [4, 5, 6, 7]}
LABELS = np.repeat(np.arange(12), 30)
GOOD, POOR = ("good", "linear"), ("poor", "linear")
PRIMARY = {"labels_per_class": 25, "classes": "unseen"}


def experiment(skills=(("good", 0.7), ("poor", 0.3)), budgets=(5, 25)):
    """Rows and records of methods of known skill, in two folds."""
    rng, rows, records = np.random.default_rng(0), [], {}
    for (method, skill), fold, budget in itertools.product(skills, (0, 1), budgets):
        key = f"{method}-{fold}-{budget}"
        right = rng.random(len(LABELS)) < skill
        order = rng.permutation(len(LABELS))
        records[key] = {
            "ids": np.arange(len(LABELS))[order],
            "label": LABELS[order],
            "predicted": np.where(right, LABELS, (LABELS + 1) % 12)[order],
        }
        is_unseen = np.isin(LABELS, UNSEEN[fold])
        groups = {"all": right, "unseen": right[is_unseen], "seen": right[~is_unseen]}
        rows += [
            {
                "method": method, "classifier": "linear", "task": "all", "classes": classes,
                "labels_per_class": budget, "fold": fold, "seed": 0, "draw": 0, "metric": "top1",
                "value": float(np.mean(of_group)), "n_test": len(of_group), "key": key,
            }
            for classes, of_group in groups.items()
        ]  # fmt: skip
    return pd.DataFrame(rows), records


def test_holm_on_a_hand_example():
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1 is 0.02, 0.03, 0.06, 0.04; then never falling.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0])
    assert len(holm([])) == 0


def test_holm_counts_tests_that_were_not_made():
    # Of five, sorted 0.01, 0.02, 0.5 times 5, 4, 3 is 0.05, 0.08, 1.5; two more have p = 1.
    assert holm([0.02, 0.01, 0.5], n_tests=5) == pytest.approx([0.08, 0.05, 1.0])
    assert holm([0.02, 0.01], n_tests=1) == pytest.approx(holm([0.02, 0.01]))
    assert len(holm([], n_tests=3)) == 0


def effect_of(shares, **runs):
    """The estimate of an effect made of classes' shares, as far as flips read it."""
    added = {"runs": 1, "run_se": 0.0, "run_widening": 1.0, **runs}
    return Estimate(
        effect=shares.sum(), low=0.0, high=0.0, se=0.0, n_images=1, by_class=shares, **added
    )


def test_exact_flips_against_a_loop():
    shares = np.array([0.2, 0.1, 0.15, -0.05, 0.3])
    flips = [abs(np.dot(s, shares)) for s in itertools.product([1, -1], repeat=5)]
    expected = np.mean(np.array(flips) >= abs(shares.sum()) - 1e-12)
    assert sign_flip_p(effect_of(shares), seed=0) == expected


def test_flips_reach_their_floor_and_no_lower():
    assert sign_flip_p(effect_of(np.ones(5)), seed=0) == 2**-4
    assert sign_flip_p(effect_of(np.ones(40)), seed=0, n_flips=99) == 0.01
    assert sign_flip_p(effect_of(np.zeros(20)), seed=0) == 1.0


@pytest.mark.parametrize("run_se", [1e-9, 0.05])
def test_noise_of_runs_takes_no_flip_below_the_floor(run_se):
    """The data are one of their flips, whatever runs add: half of that is no p of five classes."""
    assert sign_flip_p(effect_of(np.ones(5), run_se=run_se), seed=0) == pytest.approx(2**-4)
    assert sign_flip_p(effect_of(np.ones(1), run_se=run_se), seed=0) == 1.0


def test_monte_carlo_flips_agree_with_exact_ones():
    shares = np.random.default_rng(0).normal(0.3, 1, 13)
    padded = np.append(shares, 0.0)
    exact, drawn = (
        sign_flip_p(effect_of(shares), seed=0),
        sign_flip_p(effect_of(padded), seed=1, n_flips=20000),
    )
    assert drawn == pytest.approx(exact, abs=0.02)


def test_runs_that_disagree_raise_p():
    shares = np.random.default_rng(0).normal(0.5, 1, 20)
    alone = sign_flip_p(effect_of(shares), seed=0)
    assert sign_flip_p(effect_of(shares, run_se=5.0), seed=0) > alone
    assert sign_flip_p(effect_of(shares, run_widening=2.0), seed=0) > alone


@pytest.mark.parametrize("n", [9, 30])
def test_noise_of_runs_is_added_to_every_flip(n):
    """Against flips and normal numbers drawn together; the effect counts for a third less."""
    rng = np.random.default_rng(1)
    shares = rng.normal(0.3, 1, n)
    drawn = rng.choice([-1.0, 1.0], (40000, n)) @ shares + rng.normal(0, 2.5, 40000)
    expected = np.mean(np.abs(drawn) >= abs(shares.sum()) / 1.5)
    found = sign_flip_p(effect_of(shares, run_se=2.5, run_widening=1.5), seed=0)
    assert found == pytest.approx(expected, abs=0.015)


def test_compare_finds_the_effect_its_sign_and_the_primary_row():
    rows, records = experiment()
    found = compare(rows, records.get, [(GOOD, POOR)], seed=0, unseen=UNSEEN, primary=PRIMARY)
    assert list(found) == COLUMNS and len(found) == 6
    primary = found[found["primary"]].iloc[0]
    assert (primary["classes"], primary["labels_per_class"], primary["runs"]) == ("unseen", 25, 2)
    assert primary["n_test"] == 240 and primary["n_classes"] == 8
    means = rows[(rows["classes"] == "unseen") & (rows["labels_per_class"] == 25)]
    means = means.groupby("method")["value"].mean()
    assert primary["effect"] == pytest.approx(means["good"] - means["poor"])
    assert 0 < primary["low"] < 0.4 < primary["high"]
    assert (found["p"] <= 0.05).all() and (found["smallest_detectable"] > 0).all()
    reverse = compare(rows, records.get, [(POOR, GOOD)], seed=0, unseen=UNSEEN)
    assert (reverse["high"] < 0).all() and not reverse["primary"].any()


def test_families_are_corrected_apart():
    rows, records = experiment((("good", 0.7), ("poor", 0.3), ("poorer", 0.25)))
    pairs = [(GOOD, POOR), (POOR, ("poorer", "linear"))]
    found = compare(rows, records.get, pairs, seed=0, unseen=UNSEEN, primary=PRIMARY)
    endpoint = (found["classes"] == "unseen") & (found["labels_per_class"] == 25)
    assert found.loc[endpoint, "p_holm"].to_numpy() == pytest.approx(holm(found["p"][endpoint]))
    assert found.loc[~endpoint, "p_holm"].to_numpy() == pytest.approx(holm(found["p"][~endpoint]))
    assert found["primary"].sum() == 1


def test_declared_comparisons_count_whether_they_were_run_or_not():
    rows, records = experiment((("good", 0.6), ("poor", 0.4)))
    pairs = [(GOOD, POOR), (GOOD, ("absent", "linear")), (("absent", "mlp"), POOR)]
    asked = {"seed": 0, "unseen": UNSEEN, "primary": PRIMARY, "n_resamples": 100}
    found = compare(rows, records.get, pairs, declared=True, **asked)
    endpoint = found["primary"].to_numpy()
    assert endpoint.sum() == 1 and len(found) == 6
    (first,), others = found["p"][endpoint], found["p"][~endpoint]
    assert found["p_holm"][endpoint].item() == pytest.approx(min(1, 3 * first))
    # Five cells beside the endpoint, in each of which two comparisons have no rows.
    assert found["p_holm"][~endpoint].tolist() == pytest.approx(holm([*others, *[1.0] * 10])[:5])
    alone = compare(rows, records.get, pairs, **asked)
    assert alone["p_holm"][endpoint].item() == pytest.approx(first) and 3 * first < 1
    pd.testing.assert_frame_equal(found.drop(columns="p_holm"), alone.drop(columns="p_holm"))


def test_where_all_that_is_declared_was_run_the_correction_is_that_of_what_was_run():
    rows, records = experiment((("good", 0.5), ("poor", 0.47), ("poorer", 0.4)))
    pairs = [(GOOD, POOR), (POOR, ("poorer", "linear"))]
    asked = {"seed": 0, "unseen": UNSEEN, "primary": PRIMARY, "n_resamples": 100}
    found = [compare(rows, records.get, pairs, declared=told, **asked) for told in (True, False)]
    pd.testing.assert_frame_equal(*found)


def test_nothing_to_compare_is_an_empty_table():
    rows, records = experiment()
    found = compare(rows, records.get, [(GOOD, ("absent", "mlp"))], seed=0, unseen=UNSEEN)
    assert found.empty and list(found) == COLUMNS


def test_records_of_other_images_are_refused():
    rows, records = experiment()
    records["poor-0-5"]["ids"] = records["poor-0-5"]["ids"] + 1
    with pytest.raises(IntegrityError, match="same test images"):
        compare(rows, records.get, [(GOOD, POOR)], seed=0, unseen=UNSEEN)


def test_records_with_other_labels_are_refused():
    rows, records = experiment((("good", 0.7), ("poor", 0.3)), budgets=(5,))
    for name in ("label", "predicted"):
        records["poor-0-5"][name] = 11 - records["poor-0-5"][name]
    rows = rows[rows["classes"] == "all"]
    with pytest.raises(IntegrityError, match="same test images"):
        compare(rows, records.get, [(GOOD, POOR)], seed=0, unseen=UNSEEN)


def test_a_row_that_its_record_contradicts_is_refused():
    rows, records = experiment()
    rows.loc[0, "value"] += 0.01
    with pytest.raises(IntegrityError, match="do not give"):
        compare(rows, records.get, [(GOOD, POOR)], seed=0, unseen=UNSEEN)


def test_a_row_without_a_value_is_refused():
    rows, records = experiment()
    rows.loc[0, "value"] = np.nan
    with pytest.raises(IntegrityError, match="do not give"):
        compare(rows, records.get, [(GOOD, POOR)], seed=0, unseen=UNSEEN)


@pytest.mark.parametrize(
    ("primary", "endpoint"),
    [({"labels_per_class": 25}, ("all", 25)), ({"classes": "unseen"}, None), (None, None)],
)
def test_what_an_endpoint_leaves_open_is_one_cell_or_none(primary, endpoint):
    """As a report reads it (`Source.endpoint`): all classes, and no labels that were not named."""
    rows, records = experiment()
    asked = {"seed": 0, "unseen": UNSEEN, "primary": primary, "n_resamples": 50}
    found = compare(rows, records.get, [(GOOD, POOR)], **asked)
    marked = found.loc[found["primary"], ["classes", "labels_per_class"]]
    assert list(marked.itertuples(index=False, name=None)) == ([endpoint] if endpoint else [])


def test_two_records_of_one_run_are_refused():
    rows, records = experiment()
    with pytest.raises(IntegrityError, match="two records"):
        compare(pd.concat([rows, rows]), records.get, [(GOOD, POOR)], seed=0, unseen=UNSEEN)


def test_a_fold_without_its_unseen_classes_is_refused():
    rows, records = experiment()
    with pytest.raises(DataError, match="unseen classes of fold 1"):
        compare(rows, records.get, [(GOOD, POOR)], seed=0, unseen={0: [1]} | {0: UNSEEN[0]})


def test_half_widths_are_of_top1_rows_only():
    rows, records = experiment(budgets=(5,))
    rows = pd.concat([rows, rows.assign(metric="nll").head(1)])
    widths = half_widths(rows, records.get, seed=0, unseen=UNSEEN)
    assert np.isnan(widths[-1]) and (widths[:-1] > 0.03).all() and (widths[:-1] < 0.2).all()
