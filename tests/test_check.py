"""check passes a finished run, names every planted fault, and passes nothing that it cannot see."""

import hashlib
import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from benchmarks.check import main


def lines(folder, capsys):
    """Exit code, and the status and text of every check by name."""
    code = main([str(folder)])
    found = re.findall(r"^(ok|FAILED|not checked|stale|declared) +([a-z ]+): (.*)$",
                       capsys.readouterr().out, re.MULTILINE)  # fmt: skip
    return code, {name: (status, text) for status, name, text in found}


def edit_rows(folder, change):
    rows = pd.read_csv(folder / "rows.csv", float_precision="round_trip")
    change(rows)
    rows.to_csv(folder / "rows.csv", index=False)


def set_first(column, value, metric="top1"):
    def change(rows):
        rows.loc[rows.index[rows["metric"] == metric][0], column] = value

    return change


def edit_split(folder, change, *, hidden):
    """Change split-0.tsv; `hidden` also changes the hash in the rows, as a forger would."""
    file = folder / "split-0.tsv"
    text = "\n".join(change(file.read_text().splitlines())) + "\n"
    file.write_text(text)
    if hidden:
        digest = hashlib.sha256(text.encode()).hexdigest()
        edit_rows(
            folder, lambda r: r.__setitem__("split", r["split"].where(r["fold"] != 0, digest))
        )


def first(text, side):
    return next(line for line in text if line.startswith(f"{side}\t"))


def twice(text):
    return [*text, "test" + first(text, "pretrain").removeprefix("pretrain")]


def unseen_pretrains(text):
    """An unseen class is called seen and the other way round."""
    a, b = first(text, "seen"), first(text, "unseen")
    swapped = {a: a.replace("seen", "unseen"), b: b.replace("unseen", "seen")}
    return [swapped.get(line, line) for line in text]


def test_a_finished_run_passes_every_check(finished, capsys):
    code, found = lines(finished, capsys)
    assert code == 0
    assert {name: status for name, (status, _) in found.items()} == dict.fromkeys(
        [
            "files",
            "tables",
            "predictions",
            "records",
            "test lock",
            "split",
            "cells",
            "controls",
            "stale",
        ],
        "ok",
    )
    assert "84 top-1 of 28 records" in found["predictions"][1]
    assert "28 records and 4 of 4 encoders" in found["records"][1]
    assert "2 split(s)" in found["split"][1] and "no unseen class pretrains" in found["split"][1]
    assert "all 28 declared cells" in found["cells"][1]


def test_what_cannot_be_seen_is_not_passed(copied, capsys, tmp_path):
    shutil.move(copied, tmp_path / "alone")
    shutil.rmtree(tmp_path / "alone" / "predictions")
    (tmp_path / "alone" / "split-1.tsv").unlink()
    code, found = lines(tmp_path / "alone", capsys)
    assert code == 0
    for name in ("predictions", "records", "split", "stale"):
        assert found[name][0] == "not checked", name
    assert "no predictions" in found["predictions"][1]


@pytest.mark.parametrize(
    ("fault", "failing", "said"),
    [
        (set_first("value", 0.999), {"predictions", "records"}, "of block_regression/linear/2"),
        (set_first("value", 0.5, "top5"), {"records"}, "top5 of block_regression/linear/2"),
        (set_first("value", 0.5, "nll"), {"records"}, "nll of block_regression"),
        (set_first("n_test", 31), {"predictions", "records"}, "block_regression/linear/2"),
        (set_first("tap", "nose"), {"records"}, "tap"),
        (set_first("test_reads", 2), {"test lock"}, "1 records read the test labels"),
        (set_first("split", "0" * 64), {"split"}, "not the split of the rows"),
        (lambda r: r.drop(r.index[r["method"] == "chance"], inplace=True),
         {"cells", "controls"}, "chance"),
        (lambda r: r.drop(r.index[r["method"] == "block_untrained"], inplace=True),
         {"cells", "controls"}, "untrained"),
        (lambda r: r.drop(r.index[(r["labels_per_class"] == 3) & (r["method"] == "small_cnn")],
                          inplace=True), {"cells"}, "2 of 28 declared cells"),
    ],
)  # fmt: skip
def test_an_edited_row_is_found(copied, capsys, fault, failing, said):
    edit_rows(copied, fault)
    code, found = lines(copied, capsys)
    assert code == 5
    assert {name for name, (status, _) in found.items() if status == "FAILED"} == failing
    for name in failing:
        assert said in found[name][1] and "(try: " in found[name][1]


def test_a_changed_prediction_is_found(copied, capsys):
    path = sorted((copied / "predictions").iterdir())[0]
    arrays = dict(np.load(path))
    arrays["predicted"] = np.roll(arrays["predicted"] + 1, 1) % 8
    np.savez(path, **arrays)
    code, found = lines(copied, capsys)
    assert code == 5 and found["predictions"][0] == found["records"][0] == "FAILED"
    path.write_bytes(b"PK torn")
    assert "is damaged" in lines(copied, capsys)[1]["predictions"][1]
    path.unlink()
    code, found = lines(copied, capsys)
    assert code == 5 and "has no predictions" in found["predictions"][1]


@pytest.mark.parametrize(
    ("change", "hidden", "said"),
    [
        (twice, False, "not the split of the rows"),
        (twice, True, "1 image twice"),
        (unseen_pretrains, True, "classes to pretrain on are not seen"),
        (lambda t: [x for x in t if not x.startswith("test")], True, "not of the test"),
    ],
)
def test_a_spoiled_split_is_found(copied, capsys, change, hidden, said):
    edit_split(copied, change, hidden=hidden)
    code, found = lines(copied, capsys)
    assert code == 5 and found["split"][0] == "FAILED" and said in found["split"][1]


def test_a_damaged_record_or_fact_is_found(copied, capsys):
    key = pd.read_csv(copied / "rows.csv")["key"][0]
    (copied.parent.parent / "cache" / "rows" / key / "result.json").write_text("{}")
    code, found = lines(copied, capsys)
    assert code == 5 and "damaged" in found["records"][1]
    (copied / "run.json").write_text("{")
    code, found = lines(copied, capsys)
    assert code == 5 and "run.json is missing or damaged" in found["files"][1]


def test_a_declared_defect_is_no_failure(copied, capsys):
    edit_rows(copied, set_first("test_reads", 2))
    facts = json.loads((copied / "run.json").read_text())
    facts["selection"]["on_test"] = True
    (copied / "run.json").write_text(json.dumps(facts))
    code, found = lines(copied, capsys)
    assert code == 0 and found["test lock"][0] == "declared"


def test_no_run_is_exit_code_2(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "is not the folder of a run" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["encoders.csv", "cost.csv", "selection.csv"])
def test_a_table_that_tells_nothing_is_found(copied, capsys, name):
    file = copied / name
    header, *body = file.read_text().splitlines()
    for torn in (["other,header", "1,2"], [header, *body[:-1], body[-1][:3]], [header, '"']):
        file.write_text("\n".join(torn) + "\n")
        code, found = lines(copied, capsys)
        assert code == 5 and found["tables"][0] == "FAILED" and name in found["tables"][1]
    file.unlink()
    code, found = lines(copied, capsys)
    assert code == 0 and found["tables"][0] == "not checked" and name in found["tables"][1]


def test_tables_must_tell_of_the_methods_of_the_rows(copied, capsys):
    file = copied / "encoders.csv"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    assert "encoders.csv lacks block_untrained" in lines(copied, capsys)[1]["tables"][1]


def test_a_configuration_of_something_else_fails_and_does_not_crash(copied, capsys):
    (copied / "config.yaml").write_text("budgets: [2]\n")
    code, found = lines(copied, capsys)
    assert code == 5 and found["files"][0] == found["cells"][0] == "FAILED"
    assert "config.yaml" in found["cells"][1]
