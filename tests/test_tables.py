"""Tests of benchmarks/report/tables.py: order, cells, marks, captions, the terminal."""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from benchmarks.errors import IntegrityError
from benchmarks.report.tables import flat, kind, print_table, results_table, summarise

RUN = {"data": "procedural", "classes": {"all": 20, "seen": 16, "unseen": 4}, "preset": "cpu",
       "device": "2 cores", "hours": 0.5, "command": "run", "commit": "abc",
       "chance": 0.05, "controls": {
           "untrained encoder": [["untrained", "linear"]], "chance": [],
           "trained from scratch": [["scratch", "pixels"]],
           "shuffled labels": [["strong", "shuffled"]],
           "pixels or colour alone": [["scratch", "pixels"]],
       }}  # fmt: skip
ROWS = {
    ("scratch", "pixels"): 0.5, ("untrained", "linear"): 0.9, ("weak", "linear"): 0.4,
    ("strong", "linear"): 0.6, ("strong", "finetune"): 0.7, ("strong", "shuffled"): 0.05,
}  # fmt: skip


def made(seeds=(0, 1), **columns):
    """Rows of six entrants at two budgets, a hundredth better for each seed."""
    found = [
        {"method": method, "classifier": classifier, "label_free": method != "weak", "task": "all",
         "classes": classes, "labels_per_class": budget, "fold": 0, "seed": seed, "draw": 0,
         "metric": "top1", "value": value + 0.01 * seed, "n_test": 500}
        for (method, classifier), value in ROWS.items()
        for classes in ("all", "seen", "unseen") for budget in (5, 25) for seed in seeds
    ]  # fmt: skip
    return pd.DataFrame(found).assign(**columns)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("splitbrain_cl", "linear"), "frozen"),
        (("splitbrain_cl", "finetune"), "fine-tuned"),
        (("small_resnet", "pixels"), "baseline"),
        (("splitbrain_untrained", "finetune"), "control"),
        (("splitbrain_cl", "shuffled"), "control"),
        (("chance", "pixels"), "control"),
        (("splitbrain_cl_exposed", "linear"), "control"),
    ],
)
def test_kind(names, expected):
    assert kind(*names) == expected


def test_rows_are_frozen_finetuned_baselines_controls_then_chance():
    table = results_table(made(), RUN, classes="unseen")
    assert [row[0] for row in table.rows] == [
        "strong", "weak †", "strong", "scratch", "untrained", "strong", "chance",
    ]  # fmt: skip
    assert table.rules == {2, 3, 4}
    assert table.header == ("method", "classifier", "5", "25")


def test_cells_are_means_and_sds_in_percent():
    table = results_table(made(), RUN, classes="all")
    # Values 0.60 and 0.61: mean 60.5, sd of two values 1 apart = 0.7.
    assert table.rows[0][2:] == ("60.5 ± 0.7", "60.5 ± 0.7")
    assert table.rows[-1][2:] == ("5.0", "5.0")
    assert table.bold == {(4, 2), (4, 3)}


def test_one_run_shows_half_its_interval():
    table = results_table(made(seeds=(0,), half_width=0.023), RUN, classes="all")
    assert table.rows[0][2] == "60.0 ± 2.3"
    assert "half of the 95 % bootstrap interval" in table.caption and "sd" not in table.caption
    assert results_table(made(seeds=(0,)), RUN, classes="all").rows[0][2] == "60.0"


def test_caption_tells_how_the_table_was_made():
    text = results_table(made(), RUN, classes="all").caption
    for fact in ("procedural", "20 all, 16 seen, 4 unseen", "500 test images", "2 runs", "sd over",
                 "† not label-free", "Preset cpu", "2 cores", "0.5 h", "commit abc"):  # fmt: skip
        assert fact in text
    free = made().assign(label_free=True)
    assert "†" not in results_table(free, RUN, classes="all").caption


@pytest.mark.parametrize("lost", ["untrained", "scratch"])
def test_a_table_without_a_control_is_refused_or_marked(lost):
    rows = made().query("method != @lost")
    with pytest.raises(IntegrityError, match="a table lacks its controls"):
        results_table(rows, RUN, classes="unseen")
    table = results_table(rows, RUN | {"exploratory": True}, classes="unseen")
    assert table.caption.startswith("Exploratory: lacks ")
    assert "Exploratory" not in results_table(made(), RUN, classes="unseen").caption


def test_a_missing_cell_is_a_dash_and_a_chance_row_is_not_doubled():
    rows = made()
    rows = rows[(rows["method"] != "weak") | (rows["labels_per_class"] != 25)]
    rows = pd.concat([rows, made().query("method == 'scratch'").assign(method="chance")])
    table = results_table(rows, RUN, classes="all")
    assert next(row for row in table.rows if row[0] == "weak †")[3] == "-"
    assert [row[0] for row in table.rows].count("chance") == 1


def test_other_metrics_tasks_and_groups_do_not_mix_in():
    noise = [made().assign(metric="nll", value=9.0), made().assign(task="unseen", value=0.99)]
    mixed = pd.concat([made(), *noise])
    assert results_table(mixed, RUN, classes="all") == results_table(made(), RUN, classes="all")
    assert summarise(mixed, classes="unseen", task="unseen")["top1"].eq(99).all()


def test_flat_holds_every_cell():
    table = flat(made())
    assert len(table) == len(ROWS) * 3 * 2
    assert set(table["top1"]) == {"60.5", "40.5", "70.5", "50.5", "90.5", "5.5"}
    assert np.all(table["plus_minus"] == "0.7")


def test_terminal_table_fits_80_columns_and_shows_markup_as_text():
    screen = io.StringIO()
    rows = made().replace({"method": {"strong": "[red]strong[/red]"}})
    print_table(rows, RUN | {"exploratory": True}, console=Console(file=screen, width=80))
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert "[red]strong[/red]" in screen.getvalue() and "60.5 ± 0.7" in screen.getvalue()
    assert any("unseen" in line for line in lines)


def test_the_terminal_shows_the_first_task_of_a_run_without_that_of_all_classes():
    rows, screen = made(), io.StringIO()
    rows = rows[rows["classes"] == "unseen"].assign(task="unseen")
    print_table(rows, RUN, console=Console(file=screen, width=80))
    told = " ".join(screen.getvalue().split())
    assert "task unseen" in told and "60.5 ± 0.7" in told and " all " not in told
