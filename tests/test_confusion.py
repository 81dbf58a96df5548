"""Tests of benchmarks/report/confusion.py: what is taken for what, counted in another way."""

import io
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.report.confusion import MOST, confusion, confusion_figure, confusion_table
from benchmarks.report.source import Source


def source(n_classes=6, *, unseen=None, images=30, wrong=0.5, **changed):
    """One method in two runs whose confusions are random, and a rival that nobody asks for."""
    rng, records, rows = np.random.default_rng(0), {}, []
    for method, seed, classes in (("net", 0, "all"), ("net", 0, "seen"), ("net", 1, "all"),
                                  ("raw", 0, "all")):  # fmt: skip
        key = f"{method}{seed}"
        label = np.repeat(np.arange(n_classes), images)
        other = rng.integers(0, n_classes, len(label))
        predicted = np.where(rng.random(len(label)) < wrong, other, label)
        records.setdefault(key, {"label": label, "predicted": predicted})
        rows.append({"method": method, "classifier": "linear", "task": "all", "classes": classes,
                     "labels_per_class": 5, "fold": seed, "seed": seed, "draw": 0,
                     "metric": "top1", "key": key})  # fmt: skip
    arguments = {
        "rows": pd.DataFrame(rows), "config": "", "history": pd.DataFrame(),
        "cost": pd.DataFrame(), "selection": pd.DataFrame(), "quality": pd.DataFrame(),
        "examples": {"class_names": np.array([f"<b>{i}$" for i in range(n_classes - 1)])},
        "read_quality": records.get, "read_predictions": records.__getitem__,
        "unseen": unseen or {0: [0, 1], 1: [1, 2]},
        "run": {"comparisons": [[["net", "linear"], ["raw", "linear"]]],
                "primary": {"labels_per_class": 5, "classes": "unseen"}},
    }  # fmt: skip
    return Source(**{**arguments, **changed})


def counted(found):
    pairs = Counter()
    for key in ("net0", "net1"):
        record = found.read_predictions(key)
        pairs.update(zip(record["label"].tolist(), record["predicted"].tolist(), strict=True))
    return pairs


def test_counts_are_those_of_both_runs_once():
    one = source()
    found, pairs = confusion(one), counted(one)
    assert found.runs == 2 and found.counts.sum() == 2 * 6 * 30
    for i, true in enumerate(found.classes.tolist()):
        for j, predicted in enumerate(found.classes.tolist()):
            assert found.counts[i, j] == pairs[true, predicted]
    assert found.shares.sum(1) == pytest.approx(1)


def test_seen_classes_stand_first_and_those_unseen_at_times_between():
    found = confusion(source())
    assert found.classes.tolist() == [3, 4, 5, 0, 2, 1]
    assert found.group.tolist() == [0, 0, 0, 1, 1, 2]


def test_the_table_has_the_most_frequent_in_order():
    one = source()
    table, pairs = confusion_table(one), counted(one)
    expected = sorted((n for (a, b), n in pairs.items() if a != b), reverse=True)[:MOST]
    assert [int(row[4]) for row in table.rows] == expected and len(expected) == MOST
    first = table.rows[0]
    a, b = (5 if name == "class 5" else int(name[3]) for name in first[:2])
    assert pairs[a, b] == expected[0] and first[5] == f"{100 * expected[0] / 60:.1f}"
    groups = {0: "unseen in some folds", 1: "unseen", 2: "unseen in some folds"}
    assert first[2:4] == (groups.get(a, "seen"), groups.get(b, "seen"))


def test_the_note_tells_how_often_the_groups_are_crossed():
    one = source(unseen={0: [0, 1], 1: [0, 1]})
    pairs = counted(one)
    over = sum(n for (a, b), n in pairs.items() if a >= 2 and b < 2) / (4 * 60)
    assert f"{100 * over:.1f} % of images of seen classes" in confusion_table(one).caption
    assert "of images of" not in confusion_table(source(unseen={0: [], 1: []})).caption


def test_nothing_wrong_has_a_figure_and_no_table():
    one = source(wrong=0)
    assert confusion_table(one) is None
    assert "told rightly: 100.0 %" in confusion_figure(one).alt


@pytest.mark.parametrize("run", [{}, {"comparisons": [[["lost", "linear"], ["raw", "linear"]]]}])
def test_no_primary_row_no_confusion(run):
    one = source(run=run)
    assert confusion_table(one) is None and confusion_figure(one) is None


@pytest.mark.parametrize("n_classes", [6, 101])
def test_every_class_has_pixels_enough_in_the_figure(n_classes):
    figure = confusion_figure(source(n_classes, images=4))
    picture = Image.open(io.BytesIO(figure.png))
    assert picture.size[0] > 10 * n_classes and max(picture.size) < 2400
    assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    assert f"Matrix of {n_classes} true by predicted classes" in figure.alt
