"""Way-matched tasks: as many seen classes as are unseen, others each draw, for whom they name."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.contest import WAY_MATCHED, Contest
from benchmarks.entrants import baseline_entrants
from benchmarks.errors import ConfigError
from benchmarks.scoring import Entrant, score
from benchmarks.selection import Selection
from benchmarks.tasks import cells, contests

ASKED = {"way_matched_draws": 4, "largest_budget": 2}


def entrant(classifier):
    return Entrant("m", classifier, True, lambda seed: None, lambda: None, "tap", {})


def test_as_many_seen_classes_as_are_unseen(at):
    made = contests(at, ["unseen", WAY_MATCHED], **ASKED)
    assert [c.task for c in made] == ["unseen"] + [WAY_MATCHED] * 4
    assert [c.draw for c in made] == [None, 0, 1, 2, 3]
    for contest in made[1:]:
        assert len(contest.classes) == len(made[0].classes) == 2
        assert set(contest.classes) < set(at.split.seen)
        assert list(contest.groups) == ["seen"]
        labels = at.images.labels
        assert set(labels[contest.test]) == set(labels[contest.pool]) == set(contest.classes)
    assert len({tuple(c.classes) for c in made[1:]}) > 1


def test_draws_are_a_function_of_seed_fold_and_draw(at, make_round, tmp_path):
    first = [tuple(c.classes) for c in contests(at, [WAY_MATCHED], **ASKED)]
    assert first == [tuple(c.classes) for c in contests(at, [WAY_MATCHED], **ASKED)]
    other = contests(make_round(tmp_path, seed=1), [WAY_MATCHED], **ASKED)
    assert first != [tuple(c.classes) for c in other]


def test_too_few_seen_classes_are_refused(at):
    split = replace(at.split, seen=at.split.seen[:1], unseen=np.arange(2))
    with pytest.raises(ConfigError, match="1 seen classes cannot match 2 unseen ones"):
        Contest(replace(at, split=split), WAY_MATCHED, draw=0)
    split = replace(at.split, unseen=np.array([], np.int64))
    with pytest.raises(ConfigError, match="cannot match 0"):
        Contest(replace(at, split=split), WAY_MATCHED, draw=0)


def test_every_entrant_meets_every_task_but_way_matched_ones(at):
    field = [entrant(name) for name in ("linear", "linear@conv1", "finetune")]
    made = contests(at, ["all", WAY_MATCHED], **ASKED)
    found = cells(field, made, [1, 2], 2, ["linear"])
    met = {}
    for who, contest, budget, draw in found:
        met.setdefault((who.classifier, contest.task), []).append((budget, draw))
        assert contest.draw in (None, draw), "its labels are those of its own draw"
    assert set(met) == {
        ("linear", "all"), ("linear", WAY_MATCHED), ("linear@conv1", "all"),
        ("linear@conv1", WAY_MATCHED), ("finetune", "all"),
    }  # fmt: skip
    assert sorted(met["finetune", "all"]) == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert sorted(met["linear", WAY_MATCHED]) == [(b, d) for b in (1, 2) for d in range(4)]


def test_one_class_is_no_task(at):
    alone = replace(at, split=replace(at.split, unseen=at.split.unseen[:1]))
    with pytest.raises(ConfigError, match="unseen has 1 class"):
        contests(alone, ["unseen"], **ASKED)


def test_a_way_matched_row_is_scored_as_any_other(at, tiny):
    (chance,) = baseline_entrants(at.images, tiny().baselines)
    (_, contest) = contests(at, [WAY_MATCHED], **ASKED | {"way_matched_draws": 2})
    rows = score(chance, contest, labels_per_class=2, draw=1, selection=Selection(folds=1))
    (top1,) = [row for row in rows if row["metric"] == "top1"]
    assert (top1["task"], top1["classes"], top1["draw"]) == (WAY_MATCHED, "seen", 1)
    assert (top1["ways"], top1["n_test"], top1["test_reads"]) == (2, 8, 1)
    saved = np.load(at.store.path("rows", top1["key"]) / "predictions.npz")
    assert set(saved["label"]) == set(contest.classes) >= set(saved["predicted"])
