"""Two runs are compared on what both share, by the predictions; the rest is listed with reasons."""

import hashlib
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from benchmarks.bootstrap import Estimate
from benchmarks.compare import LEAST_P, main, out_of_reach
from benchmarks.significance import holm, sign_flip_p

A, B = "block_regression/linear", "block_untrained/linear"


def compared(capsys, *arguments):
    """Exit code; row -> (A - B in points, runs, images); the reasons; and all that was printed."""
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    cells = [line.strip("| ").split(" | ") for line in out.splitlines() if line.startswith("| ")]
    table = {
        (row[0], row[1], int(row[2])): (float(row[3].replace("\u2212", "-")), int(row[7]), row[8])
        for row in cells[2:]
    }
    return code, table, re.findall(r"^- (.*)$", out + err, re.MULTILINE), out + err


def top1(folder, classes, budget, name):
    """Top-1 of a row by its predictions, mean over folds."""
    rows = pd.read_csv(folder / "rows.csv")
    unseen = json.loads((folder / "run.json").read_text())["unseen_classes"]
    rows = rows[(rows["labels_per_class"] == budget) & (rows["metric"] == "top1")]
    rows = rows[(rows["method"] + "/" + rows["classifier"] == name) & (rows["classes"] == classes)]
    values = []
    for row in rows.itertuples():
        saved = np.load(folder / "predictions" / f"{row.key}.npz")
        among = np.isin(saved["label"], unseen[str(row.fold)])
        among = {"all": among | True, "seen": ~among, "unseen": among}[classes]
        values.append((saved["label"] == saved["predicted"])[among].mean())
    return float(np.mean(values))


def improve(folder, method):
    """Make every prediction of a method right, in predictions and rows."""
    rows = pd.read_csv(folder / "rows.csv")
    of = rows["method"] == method
    for key in rows[of]["key"].unique():
        path = folder / "predictions" / f"{key}.npz"
        arrays = dict(np.load(path))
        np.savez(path, **{**arrays, "predicted": arrays["label"]})
    rows.loc[of & (rows["metric"] == "top1"), "value"] = 1.0
    rows.to_csv(folder / "rows.csv", index=False)


def rewrite(folder, change):
    rows = pd.read_csv(folder / "rows.csv")
    change(rows)
    rows.to_csv(folder / "rows.csv", index=False)


def test_a_run_and_itself_differ_by_nothing(finished, capsys):
    code, table, reasons, text = compared(capsys, finished, finished)
    assert code == 0 and len(table) == 7 * 2 * 3
    assert {value[:2] for value in table.values()} == {(0.0, 2)}
    assert reasons == ["nothing: every row is in both"] and "28 records are the same" in text


def test_two_rows_of_one_run_differ_as_their_predictions_do(finished, capsys):
    code, table, reasons, _ = compared(capsys, finished, finished, "--rows", A, B)
    assert code == 0 and len(table) == 2 * 3 and reasons == ["nothing: every row is in both"]
    for (_, classes, budget), (effect, runs, _) in table.items():
        expected = top1(finished, classes, budget, A) - top1(finished, classes, budget, B)
        assert effect == pytest.approx(100 * expected, abs=0.051) and runs == 2
    back = compared(capsys, finished, finished, "--rows", B, A)[1]
    assert [v[0] for v in back.values()] == [-v[0] for v in table.values()]


def test_rows_of_two_runs_differ_as_their_predictions_do(finished, copied, capsys):
    improve(copied, "block_regression")
    table = compared(capsys, copied, finished)[1]
    for (row, classes, budget), (effect, _, n) in table.items():
        if row.startswith("block_regression"):
            old = top1(finished, classes, budget, row.replace(" · ", "/"))
            assert effect == pytest.approx(100 * (1 - old), abs=0.051) and effect > 0
        else:
            assert effect == 0
        assert n == {"all": "32", "seen": "32", "unseen": "16"}[classes], "of both folds"


def test_what_only_one_run_has_is_listed(finished, copied, capsys):
    drop = "method == 'block_untrained' or labels_per_class == 3 or fold == 1"
    rewrite(copied, lambda rows: rows.drop(rows.query(drop).index, inplace=True))
    code, table, reasons, _ = compared(capsys, finished, copied)
    assert code == 0 and len(table) == 5 * 3 and {v[1] for v in table.values()} == {1}
    assert reasons == [
        "only in A: classifier block_untrained · linear, block_untrained · shuffled",
        "only in A: labels a class 3",
        "only in A: fold 1",
    ]


def test_another_split_is_compared_where_the_test_is_the_same(finished, copied, capsys):
    other = "f" * 64
    rewrite(copied, lambda rows: rows.__setitem__("split", other))
    code, _, reasons, _ = compared(capsys, finished, copied)
    assert code == 3 and len(reasons) == 2, "the hash alone is no evidence"
    assert all("no split file shows that the test images are the same" in r for r in reasons)


@pytest.mark.parametrize(
    ("change", "groups", "said"),
    [
        (lambda text: text.replace("pool\t", "dropped\t", 1), 3, "tested on the same: compared"),
        (lambda text: re.sub(r"test\t(\d+)\t\w+", r"test\t\1\tabc", text, count=1), 0,
         r"32 and 32, 31 of them in both"),
        (lambda text: text, 1, "other classes are unseen, so only rows on all are compared"),
    ],
)  # fmt: skip
def test_split_files_decide(finished, copied, capsys, change, groups, said):
    file, facts = copied / "split-0.tsv", copied / "run.json"
    text = change(file.read_text()) + "dropped\t999\tabc\n"
    file.write_text(text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    rewrite(copied, lambda r: r.__setitem__("split", r["split"].where(r["fold"] != 0, digest)))
    rewrite(copied, lambda r: r.drop(r[r["fold"] != 0].index, inplace=True))
    if groups == 1:
        told = json.loads(facts.read_text())
        told["unseen_classes"]["0"] = [0]
        facts.write_text(json.dumps(told))
    code, table, reasons, _ = compared(capsys, finished, copied)
    assert code == (0 if groups else 3) and len(table) == 7 * 2 * groups
    assert any(said in reason for reason in reasons)


def test_a_row_that_is_not_there_and_a_folder_that_is_no_run(finished, tmp_path, capsys):
    code, _, _, text = compared(capsys, finished, finished, "--rows", "x/y", A)
    assert code == 2 and "there is no row x/y" in text and A in text
    assert compared(capsys, finished, tmp_path)[0] == 2


def test_predictions_that_contradict_their_row_are_no_evidence(finished, copied, capsys):
    rewrite(
        copied, lambda r: r.__setitem__("value", r["value"].where(r["metric"] != "top1", 0.123))
    )
    code, _, _, text = compared(capsys, finished, copied)
    assert code == 5 and "do not give its" in text


def test_so_many_rows_that_none_can_be_found_are_told():
    sure = Estimate(effect=1.0, low=1.0, high=1.0, se=0.0, runs=1, n_images=9, run_se=0.0,
                    run_widening=1.0, by_class=np.full(101, 1 / 101))  # fmt: skip
    assert sign_flip_p(sure, seed=0) == LEAST_P
    for n_rows in (500, 501):
        found = holm([LEAST_P] * n_rows).min() <= 0.05
        assert bool(out_of_reach(n_rows)) != found
    assert "0.050 after correction" in out_of_reach(501) and "--rows" in out_of_reach(501)


def test_tasks_of_drawn_classes_are_told(copied, capsys):
    one, two = copied, copied.parent / "other"
    shutil.copytree(one, two)
    for folder in (one, two):
        rows = pd.read_csv(folder / "rows.csv")
        more = rows[rows["classes"] == "seen"].assign(task="way_matched")
        pd.concat([rows, more]).to_csv(folder / "rows.csv", index=False)
    code, table, reasons, _ = compared(capsys, one, two)
    assert code == 0 and len(table) == 7 * 2 * 3
    assert reasons == [
        "task way_matched: its classes are those of a draw, which no split file tells"
    ]


def test_a_stale_run_is_marked(finished, copied, capsys):
    facts = json.loads((copied / "run.json").read_text())
    facts["code"]["baselines"] = "0123"
    (copied / "run.json").write_text(json.dumps(facts))
    text = compared(capsys, finished, copied)[-1]
    fresh, stale = text.split("B: ", 1)
    assert "stale" not in fresh and "(stale: 12 of 28 records would have other keys now" in stale
