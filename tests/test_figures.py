"""Tests of benchmarks/report/figures.py: readable PNGs whose words carry the numbers."""

import io
import itertools

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.report.figures import cost_accuracy, label_curves, seen_unseen, tap_scores

SKILL = {("split $x", "linear"): 0.4, ("split $x", "mlp"): 0.9, ("net 色", "pixels"): 0.3}


@pytest.fixture
def rows():
    return pd.DataFrame(
        [
            {"method": method, "classifier": classifier, "label_free": True, "task": "all",
             "classes": classes, "labels_per_class": budget, "metric": "top1",
             "fold": 0, "seed": 0, "n_test": 100,
             "value": value + budget / 1000 - 0.1 * (classes == "unseen")}
            for (method, classifier), value in SKILL.items()
            for classes, budget in itertools.product(("all", "seen", "unseen"), (5, 20, 50))
        ]
    )  # fmt: skip


def opened(figure):
    picture = Image.open(io.BytesIO(figure.png))
    assert picture.format == "PNG" and picture.width > 600
    assert np.asarray(picture.convert("L")).std() > 5
    return picture


def test_label_curves_show_one_probe_and_pixels(rows):
    figure = label_curves(rows, classes="unseen", classifier="linear")
    opened(figure)
    assert "unseen classes, from 5 to 50 labels per class" in figure.alt
    assert "from 30.5 to 35.0" in figure.alt and "from 20.5 to 25.0" in figure.alt
    assert "85" not in figure.alt and figure.name == "labels_unseen"


def test_label_curves_of_a_single_budget(rows):
    one = rows[rows["labels_per_class"] == 5]
    figure = label_curves(one, classes="all", classifier="linear")
    opened(figure)
    assert figure.name == "labels_all" and "with 5 labels per class, all classes" in figure.title
    assert "split \\$x 40.5; net 色 30.5." in figure.alt


def test_seen_unseen_is_at_the_largest_budget(rows):
    figure = seen_unseen(rows, classifier="linear")
    opened(figure)
    assert "50 labels per class" in figure.alt and "45.0 seen, 35.0 unseen" in figure.alt


@pytest.mark.parametrize("times", [(60.0, 6000.0), (100.0, 101.0)])
def test_cost_is_of_pretrained_methods(rows, times):
    cost = pd.DataFrame({"method": "split $x", "fold": [0, 1], "seconds": times})
    figure = cost_accuracy(rows, cost, classes="all", classifier="linear")
    opened(figure)
    assert f"45.0 after {np.mean(times):,.0f} s" in figure.alt and "net" not in figure.alt


def test_cost_without_a_timed_method_draws_nothing_wrong(rows):
    cost = pd.DataFrame({"method": ["other"], "seconds": [5.0]})
    opened(cost_accuracy(rows, cost, classes="all", classifier="linear"))


def test_taps_show_the_best_trial_of_each():
    selection = pd.DataFrame(
        [
            {"method": "split", "classifier": probe, "labels_per_class": budget,
             "candidate": f"{tap} C=1", "trial": trial, "fold": fold, "task": "all",
             "score": (score + 0.1 * trial + budget / 100) * (probe == "linear")}
            for tap, score in {"conv1": 0.2, "mid": 0.3}.items()
            for trial, fold, budget, probe in itertools.product(
                (0, 1), (0, 1), (1, 5), ("linear", "shuffled")
            )
        ]
    )  # fmt: skip
    fewer = selection.assign(task="unseen", score=0.9)  # heads of fewer classes guess better
    selection = pd.concat([selection, fewer])
    figure = tap_scores(selection, classifier="linear")  # the zeros of the control stay out
    assert figure is not None
    opened(figure)
    assert tap_scores(selection, classifier="knn") is None
    assert "split · conv1 35.0; split · mid 45.0." in figure.alt


def test_nothing_is_drawn_of_a_probe_without_rows(rows):
    of_linear = rows[rows["classifier"] == "linear"]
    assert label_curves(of_linear, classes="all", classifier="knn") is None
    assert seen_unseen(of_linear, classifier="knn") is None
