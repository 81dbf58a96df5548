"""Tables of colorization quality: who stands where, what is best, what a reader must know."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.report.quality import differences_table, quality_tables
from benchmarks.report.source import read

VALUES = {  # method: (ab_mae, psnr, share recognised, ms)
    "pix2pix": (9.0, 21.0, 0.25, 3.0),
    "colorful": (8.0, 20.0, 0.30, 5.0),
    "gray": (11.0, 22.5, 0.20, None),
    "truth": (0.0, 96.0, 0.50, None),
}


@pytest.fixture
def quality():
    rows = []
    for method, (mae, psnr, right, ms) in VALUES.items():
        names = {"method": method, "label_free": method != "colorful", "fold": 0}
        for seed in (0, 1):  # a second run a little off: the table shows the mean
            values = {"ab_mae": mae + seed, "psnr": psnr, "recoloured_top1": right,
                      "lpips_alex_random": 0.1}  # fmt: skip
            for classes, n_test in (("seen", 80), ("unseen", 20)):
                rows += [{**names, "seed": seed, "classes": classes, "n_test": n_test,
                          "metric": metric, "value": value}
                         for metric, value in values.items()]  # fmt: skip
            if ms:
                rows.append({**names, "seed": seed, "classes": "all", "n_test": 32,
                             "metric": "ms_per_image", "value": ms})  # fmt: skip
    return pd.DataFrame(rows)


def test_one_table_for_seen_and_one_for_unseen(quality):
    seen, unseen = quality_tables(quality, ["a note"])
    assert (seen.title, unseen.title) == (
        "Colorizations of seen classes",
        "Colorizations of unseen classes",
    )
    assert "80 test pictures" in seen.caption and "20 test pictures" in unseen.caption
    assert "a note." in seen.caption


def test_cells_are_means_over_runs_and_columns_have_one_order(quality):
    table, _ = quality_tables(quality, [])
    assert table.header == (
        "method", "ab MAE ↓", "PSNR ↑", "LPIPS ↓ (alex, random)", "recognised % ↑", "ms an image",
    )  # fmt: skip
    assert table.rows[0] == ("pix2pix", "9.50", "21.00", "0.100", "25.0", "3.00")
    assert table.rows[3][1:] == ("11.50", "22.50", "0.100", "20.0", "-")


def test_references_stand_last_under_a_rule_and_are_never_best(quality):
    table, _ = quality_tables(quality, [])
    assert [row[0].rstrip("†* ") for row in table.rows] == ["pix2pix", "colorful", "truth", "gray"]
    assert table.rules == {2}
    best = {(table.rows[i][0].rstrip("†* "), table.header[j]) for i, j in table.bold}
    assert best == {
        ("colorful", "ab MAE ↓"), ("pix2pix", "PSNR ↑"), ("colorful", "recognised % ↑"),
        ("pix2pix", "LPIPS ↓ (alex, random)"), ("colorful", "LPIPS ↓ (alex, random)"),
    }  # fmt: skip


def test_methods_that_saw_labels_are_marked(quality):
    table, _ = quality_tables(quality, [])
    marked = {row[0] for row in table.rows if row[0] not in VALUES}
    assert {name[: len("colorful")] for name in marked} == {"colorful"}


def test_temperatures_have_tables_of_their_own(quality):
    swept = [quality[quality["method"] == "colorful"].assign(method=f"colorful T={t}", value=v)
             for t, v in (("0.38", 1.0), ("1e-05", 2.0))]  # fmt: skip
    tables = list(quality_tables(pd.concat([quality, *swept]), ["a note"]))
    assert [table.title for table in tables] == [
        "Colorizations of seen classes",
        "Colorizations of unseen classes",
        "Colorizations of seen classes by temperature T",
        "Colorizations of unseen classes by temperature T",
    ]
    assert tables[:2] == list(quality_tables(quality, ["a note"]))
    table = tables[3]
    assert table.header[0] == "method" and "ms an image" not in table.header
    assert [row[:2] for row in table.rows] == [
        ("colorful T=0.38 †", "1.00"),
        ("colorful T=1e-05 †", "2.00"),
    ]
    assert table.bold >= {(0, 1), (1, 2)} and "at 0 their mode" in table.caption


def test_without_rows_there_is_no_table():
    assert list(quality_tables(pd.DataFrame(), [])) == []


def test_differences_are_shown_in_the_measures_units(tmp_path, fake_run):
    source = read(fake_run(tmp_path / "demo", folds=(0,)))
    assert differences_table(source) is None
    records, rows = {}, []
    labels = np.repeat(np.arange(20), 5)
    for method, worse in (("splitbrain_cl", 0.0), ("small_resnet", 1.5)):
        values = 9 + worse + np.random.default_rng(len(records)).normal(0, 0.1, 100)
        records[method] = {"ids": np.arange(100), "label": labels, "ab_mae": values}
        seen = ~np.isin(labels, source.unseen[0])
        rows.append({"method": method, "fold": 0, "seed": 0, "classes": "seen", "metric": "ab_mae",
                     "value": values[seen].mean(), "key": method})  # fmt: skip
    measured = {"quality": pd.DataFrame(rows), "read_quality": records.__getitem__}
    table = differences_table(type(source)(**{**vars(source), **measured}))
    (row,) = table.rows
    assert row[:4] == ("splitbrain_cl", "small_resnet", "seen", "ab MAE ↓")
    assert "the 1 declared pairs of methods, of which this table has 1." in table.caption
    assert row[4].startswith("\u22121.") and row[7] == "< 0.001" and row[8] == "1"


def test_folds_of_other_sizes_are_both_told(quality):
    larger = quality[quality["seed"] == 1].assign(fold=1, n_test=90)
    seen, _ = quality_tables(pd.concat([quality, larger]), [])
    assert "80 to 90 test pictures each" in seen.caption
