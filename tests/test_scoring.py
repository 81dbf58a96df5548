"""The choice comes before the test, a record is made once, rows say what was measured."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss, top_k_accuracy_score

from benchmarks.contest import Contest
from benchmarks.errors import IntegrityError
from benchmarks.scoring import Entrant, Pixels, metric_values, score
from benchmarks.selection import Selection
from probes.pixel_linear import PixelLinear

DECAYS = (1.0, 0.01)
ONE_FOLD = Selection(folds=1)


def entrant(images, probe=None, **changes):
    """Logistic regression on pixels as it enters the table, or what stands in for it."""
    settings = {
        "method": "pixel_linear", "classifier": "pixels", "label_free": True,
        "probe": probe or (lambda seed: PixelLinear(size=4, weight_decays=DECAYS, seed=seed)),
        "features": lambda: Pixels(images.images), "default_tap": "pixels", "made_of": {"x": 1},
    }  # fmt: skip
    return Entrant(**settings | changes)


def scored(at, made, *, task="all", budget=2, draw=0, selection=ONE_FOLD):
    return score(made, Contest(at, task), labels_per_class=budget, draw=draw, selection=selection)


def read(at, key, name):
    return json.loads((at.store.path("rows", key) / name).read_text())


def test_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.ones(9), 300)
    target, among = rng.integers(0, 9, 300), rng.random(300) < 0.4
    found = {m["metric"]: m["value"] for m in metric_values(proba, target, among)}
    of, labels = (target[among], proba[among]), np.arange(9)
    assert found["top1"] == accuracy_score(of[0], of[1].argmax(1))
    assert found["top5"] == top_k_accuracy_score(*of, k=5, labels=labels)
    assert found["nll"] == pytest.approx(log_loss(*of, labels=labels), rel=1e-9)


def test_ties_and_zeros_do_not_flatter():
    flat = metric_values(np.full((4, 8), 1 / 8), np.array([0, 1, 2, 3]), np.ones(4, bool))
    assert [m["value"] for m in flat] == [0.25, 0.0, pytest.approx(np.log(8))]
    sure = metric_values(np.eye(2)[[0, 0]], np.array([1, 1]), np.ones(2, bool))
    assert sure[2]["value"] == pytest.approx(-np.log(1e-12))


def test_rows_say_what_was_measured_and_agree_with_the_predictions(at):
    rows = scored(at, entrant(at.images))
    contest = Contest(at, "all")
    saved = np.load(at.store.path("rows", rows[0]["key"]) / "predictions.npz")
    assert saved["ids"].tolist() == contest.test.tolist()
    assert saved["label"].tolist() == at.images.labels[contest.test].tolist()
    assert saved["confidence"].shape == saved["predicted"].shape
    assert ((saved["confidence"] >= 1 / len(contest.classes)) & (saved["confidence"] <= 1)).all()
    for row in rows:
        assert set(row) == {
            "method", "label_free", "classifier", "task", "labels_per_class", "fold", "seed",
            "draw", "split", "tap", "classes", "n_test", "metric", "value", "trials", "seconds",
            "test_reads", "key", "device", "commit", "ways",
        }  # fmt: skip
        assert (row["tap"], row["trials"], row["test_reads"]) == ("pixels", 2, 1)
        assert row["split"] == at.split.manifest_hash
        inside = np.isin(saved["label"], contest.groups[row["classes"]])
        assert row["n_test"] == inside.sum()
        if row["metric"] == "top1":
            assert row["value"] == np.mean(saved["predicted"][inside] == saved["label"][inside])
    cells = [(row["classes"], row["metric"]) for row in rows]
    assert cells == [(c, m) for c in ("all", "seen", "unseen") for m in ("top1", "top5", "nll")]


def test_predictions_are_class_ids_of_the_store_also_in_a_smaller_task(at):
    rows = scored(at, entrant(at.images), task="unseen")
    saved = np.load(at.store.path("rows", rows[0]["key"]) / "predictions.npz")
    assert set(saved["predicted"]) <= set(at.split.unseen)
    assert set(saved["label"]) == set(at.split.unseen)


def test_a_record_is_made_once_and_then_read(at):
    first = scored(at, entrant(at.images))

    def never(*_):
        raise AssertionError("computed again")

    again = entrant(at.images, probe=never, features=never)
    assert scored(at, again) == first


def test_whatever_changes_the_answer_changes_the_key(at, make_round, tmp_path):
    plain = entrant(at.images)
    keys = [
        scored(at, plain), scored(at, plain, budget=3), scored(at, plain, draw=1),
        scored(at, plain, task="seen"), scored(at, plain, selection=Selection(folds=2)),
        scored(at, plain, selection=Selection(folds=1, on_test=True)),
        scored(at, replace(plain, shuffle=True)), scored(at, replace(plain, made_of={"x": 2})),
        scored(at, replace(plain, method="b")), scored(at, replace(plain, classifier="b")),
        scored(make_round(tmp_path, seed=1), plain), scored(make_round(tmp_path, fold=1), plain),
    ]  # fmt: skip
    assert len({rows[0]["key"] for rows in keys}) == len(keys)


def test_choosing_on_test_breaks_the_lock_and_says_so(at):
    rows = scored(at, entrant(at.images), selection=Selection(on_test=True))
    assert {row["test_reads"] for row in rows} == {2}
    choice = read(at, rows[0]["key"], "choice.json")
    assert choice["rule"] == "TEST SET"
    # The best score on the test set is what is then reported, but for the solver's tolerance.
    best = max(choice["scores"]["pixels"])
    assert rows[0]["value"] == pytest.approx(best, abs=2 / len(at.split.test))


def test_shuffled_labels_end_at_chance_where_true_ones_do_not(pictures, make_round, tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (8, 1, 1, 3))
    plain = np.broadcast_to(colours[pictures.labels], pictures.images.shape).astype(np.uint8)
    at = make_round(tmp_path, images=replace(pictures, images=plain))
    true = [scored(at, entrant(at.images), budget=4, draw=d)[0]["value"] for d in range(8)]
    shuffled = entrant(at.images, shuffle=True)
    values = [scored(at, shuffled, budget=4, draw=d)[0]["value"] for d in range(8)]
    assert min(true) == 1.0
    assert np.mean(values) < 1 / 8 + 3 * 0.12 / 8**0.5  # 0.12: deviation of 8 classes by chance


class Nosy(PixelLinear):
    """A probe that tries to look at the answers while it is still being chosen."""

    def __init__(self, look, **settings):
        super().__init__(**settings)
        self.look = look

    def validate_folds(self, X, y, folds):
        self.look()
        return super().validate_folds(X, y, folds)


@pytest.mark.parametrize("way", ["labels", "lock"])
def test_asking_for_test_labels_early_is_refused_and_leaves_no_record(at, way):
    contest = Contest(at, "all")

    def look():
        if way == "labels":
            contest.targets(contest.labels[contest.test])
        (folder,) = at.store.root.glob("rows/*.tmp")
        contest.lock(folder / "choice.json").open()

    nosy = entrant(at.images, lambda seed: Nosy(look, size=4, weight_decays=DECAYS, seed=seed))
    with pytest.raises(IntegrityError):
        scored(at, nosy)
    assert not list(at.store.root.glob("rows/*/result.json"))
    assert len(scored(at, entrant(at.images))) == 9  # the next, honest try is not in its way


def test_test_images_are_read_after_the_choice_is_on_disk(at):
    reads = []

    class Watched(Pixels):
        def take(self, tap, ids):
            decided = bool(list(at.store.root.glob("rows/*.tmp/choice.json")))
            reads.append((bool(set(ids) & set(at.split.test)), decided))
            return super().take(tap, ids)

    scored(at, entrant(at.images, features=lambda: Watched(at.images.images)))
    assert reads == [(False, False), (False, True), (True, True)]
