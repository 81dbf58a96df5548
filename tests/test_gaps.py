"""Gaps between seen and unseen classes from synthetic records whose answer is known."""

import itertools

import numpy as np
import pandas as pd
import pytest

from benchmarks.gaps import exposure_gaps, way_matched_gaps, within_class_gaps

N_CLASSES, IMAGES = 20, 200


class Run:
    """Rows and records of a run in which what is right is counted, not drawn."""

    def __init__(self):
        self.rows, self.records, self.unseen = [], {}, {}

    def add(self, rate, *, method="net", task="all", classes=range(N_CLASSES), **at):
        """A record that gets the share `rate(label)` of each class's images right."""
        label = np.repeat(np.array(classes), IMAGES)
        nth = np.tile(np.arange(IMAGES), len(classes))
        right = nth < np.round(IMAGES * np.array([rate(c) for c in label]))
        key = f"{method}-{task}-{at}"
        self.records[key] = {"ids": label * IMAGES + nth, "label": label,
                             "predicted": np.where(right, label, -1)}  # fmt: skip
        place = {"fold": 0, "seed": 0, "draw": 0} | at
        self.rows.append(place | {
            "method": method, "classifier": "linear", "task": task, "metric": "top1",
            "classes": {"all": "all", "unseen": "unseen"}.get(task, "seen"), "key": key,
            "ways": len(classes), "value": right.mean(), "labels_per_class": 5,
        })  # fmt: skip

    def asked(self, function, *, unseen=True):
        table = pd.DataFrame(self.rows)
        more = (self.unseen,) if unseen else ()
        return function(table, self.records.__getitem__, *more, seed=0)


def folds_of(run, count, *, loss, exposed_loss=None):
    """`count` of five folds: class c reaches 0.3 + c / 50, less `loss(c)` where it is unseen."""
    for fold in range(count):
        run.unseen[fold] = [c for c in range(N_CLASSES) if c % 5 == fold]
        for method, lost in (("net", loss), ("net_exposed", exposed_loss)):
            if lost is not None:
                run.add(
                    lambda c, lost=lost, fold=fold: 0.3 + c / 50 - lost(c) * (c % 5 == fold),
                    method=method, fold=fold,
                )  # fmt: skip


def test_a_class_is_compared_with_itself():
    run = Run()
    folds_of(run, 5, loss=lambda c: 0.05 + 0.05 * (c >= 10))
    found, parts = run.asked(within_class_gaps)
    (line,) = found.to_dict("records")
    assert line["n_classes"] == 20 and line["runs"] == 5
    assert line["effect"] == pytest.approx(0.075)
    assert line["seen"] - line["unseen"] == pytest.approx(0.075)
    assert line["seen"] == pytest.approx(np.mean([0.3 + c / 50 for c in range(20)]))
    # By hand: the paired t interval of 20 deltas, ten of 0.05 and ten of 0.10.
    half = 2.093 * np.std([0.05, 0.10] * 10, ddof=1) / np.sqrt(20)
    assert line["high"] - line["effect"] == pytest.approx(half, rel=0.15)
    assert line["effect"] - line["low"] == pytest.approx(half, rel=0.15)
    deltas = parts.set_index("label").eval("seen - unseen")
    assert deltas.loc[3] == pytest.approx(0.05) and deltas.loc[12] == pytest.approx(0.10)


def test_only_classes_that_were_both_count():
    """Two of five folds: classes 0 and 1 modulo 5 were seen once and unseen once."""
    run = Run()
    folds_of(run, 2, loss=lambda c: 0.06)
    found, parts = run.asked(within_class_gaps)
    assert sorted(parts["label"]) == [c for c in range(20) if c % 5 < 2]
    assert found["n_classes"].item() == 8
    assert found["effect"].item() == pytest.approx(0.06, abs=0.0025)  # in steps of 1 / 200


def test_one_fold_compares_no_class_with_itself():
    run = Run()
    folds_of(run, 1, loss=lambda c: 0.1)
    found, parts = run.asked(within_class_gaps)
    assert not len(found) and not len(parts)


def test_more_seeds_in_one_fold_weigh_no_class_more():
    run = Run()
    folds_of(run, 5, loss=lambda c: 0.01 * c)
    run.add(lambda c: 0.9, fold=0, seed=1)
    found, parts = run.asked(within_class_gaps)
    by_hand = parts.eval("seen - unseen").mean()
    assert found["effect"].item() == pytest.approx(by_hand)


def test_more_draws_in_one_run_weigh_no_class_more():
    """Classes are as accurate in every fold, and lose 0.05 unseen; fold 0 has three draws."""
    run = Run()
    folds_of(run, 5, loss=lambda c: 0.05, exposed_loss=lambda c: 0)
    for draw, method in itertools.product((1, 2), ("net", "net_exposed")):
        lost = 0.05 * (method == "net")
        run.add(lambda c, lost=lost: 0.5 + c / 50 - lost * (c % 5 == 0), method=method, draw=draw)
    found, parts = run.asked(within_class_gaps)
    for line in found.to_dict("records"):
        of = parts[parts["method"] == line["method"]]
        assert line["runs"] == 5
        assert line["effect"] == pytest.approx(of.eval("seen - unseen").mean())
        assert line["effect"] == pytest.approx(line["seen"] - line["unseen"])
    (line,) = run.asked(exposure_gaps).to_dict("records")
    assert line["gap"] - line["gap_exposed"] == pytest.approx(line["effect"])
    assert line["effect"] == pytest.approx(line["seen"] - line["unseen"])
    assert line["effect"] == pytest.approx(0.05)


def test_exposure_takes_difficulty_out_of_the_gap():
    """The unseen classes of fold 0 are harder by 0.04; being unseen costs 0.05 more."""
    run = Run()
    folds_of(run, 1, loss=lambda c: 0.05, exposed_loss=lambda c: 0)
    (line,) = run.asked(exposure_gaps).to_dict("records")
    hard = np.mean([c / 50 for c in range(20) if c % 5]) - np.mean([0, 0.1, 0.2, 0.3])
    assert line["gap_exposed"] == pytest.approx(hard)
    assert line["gap"] == pytest.approx(hard + 0.05)
    assert line["effect"] == pytest.approx(0.05)
    # Classes differ by much, the two encoders by a constant: the difference is known well.
    assert line["low"] == pytest.approx(0.05, abs=0.02)
    assert line["gap_high"] - line["gap_low"] > 0.1 > line["high"] - line["low"]


def test_no_twin_no_table():
    run = Run()
    folds_of(run, 2, loss=lambda c: 0.1)
    assert not len(run.asked(exposure_gaps))


def test_way_matched_draws_are_averaged_in_a_run():
    run = Run()
    unseen = [0, 1, 2, 3]
    for seed, draw in itertools.product((0, 1), range(3)):
        classes = sorted(np.random.default_rng([seed, draw]).choice(range(4, 20), 4, False))
        run.add(lambda c, d=draw: 0.5 + 0.1 * d, task="way_matched", classes=classes, seed=seed,
                draw=draw)  # fmt: skip
    for seed in (0, 1):
        run.add(lambda c: 0.45, task="unseen", classes=unseen, seed=seed)
    (line,) = run.asked(way_matched_gaps, unseen=False).to_dict("records")
    assert (line["ways"], line["draws"], line["runs"]) == ("4", 3, 2)
    assert line["seen"] == pytest.approx(0.6) and line["unseen"] == pytest.approx(0.45)
    assert line["effect"] == pytest.approx(0.15)
    assert line["low"] < 0.15 < line["high"]


def test_way_matched_tasks_need_an_unseen_one_of_their_run():
    run = Run()
    run.add(lambda c: 0.5, task="way_matched", classes=[4, 5], seed=0)
    run.add(lambda c: 0.5, task="unseen", classes=[0, 1], seed=1)
    assert not len(run.asked(way_matched_gaps, unseen=False))
