"""Tests of benchmarks/report/standing.py: places and ranks are those of the run's records."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from benchmarks.report.source import read
from benchmarks.report.standing import (
    class_scores,
    critical_difference_figure,
    places_table,
    primary_rows,
    undecidable,
)


@pytest.fixture(scope="module")
def make(tmp_path_factory, fake_run):
    """Make the source of a run whose primary endpoint is on these classes."""

    def source(classes="all", **options):
        folder = fake_run(tmp_path_factory.mktemp("run") / "demo", **options)
        run = json.loads((folder / "run.json").read_text())
        run["primary"]["classes"] = classes
        (folder / "run.json").write_text(json.dumps(run))
        return read(folder)

    return source


def test_the_primary_endpoint_has_one_probe_and_what_has_none(make):
    rows = primary_rows(make())
    assert set(rows["classifier"]) == {"linear", "pixels", "finetune"}
    assert set(rows["labels_per_class"]) == {25} and set(rows["classes"]) == {"all"}


def test_class_scores_are_means_over_runs(make):
    source = make()
    rows = primary_rows(source)
    scores = class_scores(rows, source)
    assert scores.shape == (20, 6)
    means = rows.groupby(["method", "classifier"])["value"].mean()
    for handle in scores:
        assert scores[handle].mean() == pytest.approx(means[handle])


def test_places_put_the_strong_before_the_weak_and_tie_the_rest(make):
    table = places_table(make())
    assert table is not None
    place = {row[:2]: row[2] for row in table.rows}
    assert place[("splitbrain_cl", "linear")].startswith("1 to")
    assert int(place[("pixel_linear", "pixels")].split()[0]) > 1
    assert table.rows[0][0] == "splitbrain_cl" and "all 15 pairs" in table.caption
    assert "One run" not in table.caption


def test_one_run_is_told(make):
    table = places_table(make(folds=(0,)))
    assert table is not None and "nothing is known of the places of another seed" in table.caption


def test_too_few_classes_give_no_places_but_a_reason(make):
    source = make("unseen")
    assert places_table(source) is None
    assert "8 test classes are too few to tell any two of 6 entrants apart" in undecidable(source)
    assert undecidable(make()) == ""


def test_the_figure_names_ranks_and_groups(make):
    figure = critical_difference_figure(make())
    assert figure is not None
    assert np.asarray(Image.open(io.BytesIO(figure.png)).convert("L")).std() > 5
    # q(0.05; 6) = 2.850: 2.850 * sqrt(6 * 7 / (6 * 20)) = 1.69.
    assert "critical difference of 1.69 ranks" in figure.title and "p < 0.001" in figure.title
    assert "20 test classes" in figure.title and "means over 2 runs" in figure.alt
    assert "splitbrain_cl · finetune" in figure.alt


def test_the_figure_needs_three_entrants(make):
    source = make()
    few = source.rows[source.rows["method"].isin(["small_resnet", "pixel_linear"])]
    source = type(source)(**{**vars(source), "rows": few})
    assert critical_difference_figure(source) is None
