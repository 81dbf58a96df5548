"""Tests of benchmarks/picture_differences.py: pairing, the ratio, calibration, refusals."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import IntegrityError
from benchmarks.picture_differences import COLUMNS, MEASURES, compare_pictures, picture_values
from benchmarks.picture_metrics import pooled
from benchmarks.significance import holm

UNSEEN = {0: [0, 1, 2, 3]}
LABELS = np.repeat(np.arange(16), 12)
PAIR = [[["good", "linear"], ["poor", "linear"]]]


def record(rng, better):
    """One method's values by picture: those of a class are alike, `better` in every measure."""
    hard = np.random.default_rng(9).normal(0, 1, 16)[LABELS]
    n = len(LABELS)
    weight = np.random.default_rng(8).uniform(0.5, 3, n)
    return {
        "ids": np.arange(n) + 100, "label": LABELS,
        "ab_mae": 10 + hard - better + rng.normal(0, 1, n),
        "psnr": 20 - hard + better + rng.normal(0, 1, n),
        "colourfulness": 30 + better + rng.normal(0, 3, n),
        "auc_rebalanced.area": weight * (80 + better + rng.normal(0, 2, n)),
        "auc_rebalanced.weight": weight,
        "ab_width.a": hard, "ab_width.b": hard, "ab_width.square": 2 * hard**2 + 1,
    }  # fmt: skip


def measured(seed=0, better=2.0, runs=1):
    """quality.csv and the records of two methods."""
    rng, rows, records = np.random.default_rng(seed), [], {}
    for run in range(runs):
        for method, lead in (("good", better), ("poor", 0.0)):
            key = f"{method}{run}"
            records[key] = record(rng, lead)
            for classes, wanted in (("unseen", True), ("seen", False)):
                among = np.isin(LABELS, UNSEEN[0]) == wanted
                part = {k: v[among] for k, v in records[key].items() if k not in ("ids", "label")}
                rows += [
                    {"method": method, "fold": 0, "seed": run, "classes": classes, "metric": name,
                     "value": value, "key": key, "n_test": int(among.sum()), "label_free": True}
                    for name, value in pooled(part).items()
                ]  # fmt: skip
    return pd.DataFrame(rows), records


def compared(rows, records, **options):
    return compare_pictures(rows, records.__getitem__, PAIR, seed=0, unseen=UNSEEN, **options)


def test_every_main_measure_is_compared_on_seen_and_unseen_pictures():
    rows, records = measured(runs=2)
    found = compared(rows, records)
    assert list(found) == COLUMNS
    assert set(zip(found["classes"], found["metric"], strict=True)) == {
        (c, m) for c in ("seen", "unseen") for m in MEASURES
    }
    assert set(found["runs"]) == {2} and set(found["n_test"]) == {48, 144}
    assert found["p_holm"].to_numpy() == pytest.approx(holm(found["p"]))


def test_pairs_that_were_declared_and_not_painted_count():
    rows, records = measured()
    baseline, unpainted = [["good", "linear"], ["net", "pixels"]], [["a", "linear"], ["b", "mlp"]]
    again = [["good", "mlp"], ["poor", "mlp"]]
    declared = [*PAIR, again, unpainted, baseline]
    found = compare_pictures(rows, records.__getitem__, declared, seed=0, unseen=UNSEEN)
    # Eight cells, in each of which one pair of painters has no pictures: a baseline paints none.
    expected = holm([*found["p"], *[1.0] * 8])[:8]
    assert found["p_holm"].to_numpy() == pytest.approx(expected)
    assert not np.allclose(expected, holm(found["p"]))


def test_effects_are_differences_of_the_rows_and_have_their_sign():
    rows, records = measured()
    found = compared(rows, records).set_index(["classes", "metric"])
    means = rows.set_index(["method", "classes", "metric"])["value"]
    for cell in found.index:
        effect = means["good"][cell] - means["poor"][cell]
        assert found.loc[cell, "effect"] == pytest.approx(effect)
        assert found.loc[cell, "low"] < effect < found.loc[cell, "high"]
    assert found.loc[("seen", "ab_mae"), "high"] < 0 < found.loc[("seen", "psnr"), "low"]
    assert found.loc[("seen", "psnr"), "p"] < 0.01


def test_the_linearised_ratio_has_its_value_and_its_spread():
    values = record(np.random.default_rng(1), 0.0)
    values = {k: v for k, v in values.items() if k not in ("ids", "label")}
    linear = picture_values(values, "auc_rebalanced")
    assert linear.mean() == pytest.approx(pooled(values)["auc_rebalanced"])
    rng, loop = np.random.default_rng(2), []
    for _ in range(4000):
        chosen = rng.integers(0, len(linear), len(linear))
        area, weight = (values[f"auc_rebalanced.{x}"][chosen].sum() for x in ("area", "weight"))
        loop.append(area / weight)
    assert linear.std() / np.sqrt(len(linear)) == pytest.approx(np.std(loop), rel=0.05)


def test_a_null_is_rejected_at_its_rate():
    """100 experiments x 4 measures on seen pictures: 5 % and 2.5 binomial standard errors (1.1)."""
    found = []
    for seed in range(100):
        table = compared(*measured(seed=seed, better=0.0), n_resamples=100)
        found.append(table[table["classes"] == "seen"])
    found = pd.concat(found)
    assert np.mean(found["p"] <= 0.05) <= 0.05 + 2.5 * 0.011
    assert np.mean((found["low"] > 0) | (found["high"] < 0)) <= 0.05 + 2.5 * 0.011


def test_methods_that_were_not_measured_are_not_compared():
    rows, records = measured()
    assert compared(rows[rows["method"] == "good"], records).empty
    assert list(compared(pd.DataFrame(), {})) == COLUMNS


def test_records_of_other_pictures_or_other_values_are_refused():
    rows, records = measured()
    records["poor0"]["ids"] = records["poor0"]["ids"] + 1
    with pytest.raises(IntegrityError, match="same pictures"):
        compared(rows, records)
    rows, records = measured()
    rows.loc[rows["metric"] == "psnr", "value"] += 0.01
    with pytest.raises(IntegrityError, match="do not give its psnr"):
        compared(rows, records)
