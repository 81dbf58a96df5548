"""Test labels stay hidden until the choice is on disk; tasks, groups and budgets are what is said.

Answers come from the store's own arrays, by loops that share nothing with the code.
"""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.contest import HIDDEN, Contest, TestLock
from benchmarks.errors import ConfigError, DataError, IntegrityError


def test_test_labels_are_hidden_and_all_others_are_true(at):
    contest = Contest(at, "all")
    for i, label in enumerate(at.images.labels):
        assert contest.labels[i] == (HIDDEN if at.images.is_test[i] else label)
    assert at.images.labels.min() == 0  # the store itself was not touched


@pytest.mark.parametrize("task", ["all", "seen", "unseen"])
def test_a_task_has_the_images_of_its_classes(at, task):
    contest = Contest(at, task)
    classes = {"all": range(8), "seen": at.split.seen, "unseen": at.split.unseen}[task]
    assert contest.classes.tolist() == sorted(classes)
    labels = at.images.labels
    assert contest.pool.tolist() == [i for i in at.split.pool if labels[i] in classes]
    assert contest.test.tolist() == [i for i in at.split.test if labels[i] in classes]


def test_groups_are_all_seen_and_unseen_but_one_where_the_task_is_one(at):
    groups = Contest(at, "all").groups
    assert list(groups) == ["all", "seen", "unseen"]
    assert sorted([*groups["seen"], *groups["unseen"]]) == groups["all"].tolist() == [*range(8)]
    assert len(groups["unseen"]) == 2
    for task in ("seen", "unseen"):
        only = Contest(at, task).groups
        assert list(only) == [task]
        assert only[task].tolist() == groups[task].tolist()


def test_a_task_that_does_not_exist_is_refused_by_name(at):
    with pytest.raises(ConfigError, match=r"task sean does not exist\nknown: all, seen, unseen"):
        Contest(at, "sean")


def test_a_budget_beyond_the_pool_stops_before_anything_is_trained(at):
    Contest(at, "all", largest_budget=6)
    with pytest.raises(DataError, match="has 6 labelled images, 7 are asked for"):
        Contest(at, "all", largest_budget=7)
    assert not at.store.root.exists()


@pytest.mark.parametrize("task", ["all", "unseen"])
def test_budgets_are_nested_balanced_and_of_the_pool(at, task):
    contest = Contest(at, task)
    smaller: set[int] = set()
    for budget in (1, 2, 4, 6):
        ids = contest.training(budget, draw=0)
        assert smaller < set(ids.tolist()) <= set(contest.pool.tolist())
        counts = np.bincount(at.images.labels[ids], minlength=8)
        assert counts.tolist() == [budget * (c in contest.classes) for c in range(8)]
        smaller = set(ids.tolist())


def test_draws_and_seeds_give_other_labels(make_round, tmp_path):
    contest = Contest(make_round(tmp_path), "all")
    other_seed = Contest(make_round(tmp_path, seed=1), "all")
    first = contest.training(2, draw=0)
    assert not np.array_equal(first, contest.training(2, draw=1))
    assert not np.array_equal(first, other_seed.training(2, draw=0))
    assert np.array_equal(first, contest.training(2, draw=0))


def test_targets_number_the_classes_of_the_task(at):
    contest = Contest(at, "unseen")
    first, second = contest.classes
    targets = contest.targets(np.array([second, first, second]))
    assert targets.tolist() == [1, 0, 1]


def test_targets_refuse_hidden_and_foreign_labels(at):
    contest = Contest(at, "unseen")
    with pytest.raises(IntegrityError, match="hidden or foreign"):
        contest.targets(contest.labels[contest.test])
    with pytest.raises(IntegrityError, match="hidden or foreign"):
        contest.targets(at.split.seen[:1])


def test_the_lock_refuses_before_the_choice_and_counts_its_openings(at, tmp_path):
    contest = Contest(at, "seen")
    choice = tmp_path / "choice.json"
    lock = contest.lock(choice)
    with pytest.raises(IntegrityError, match="before the choice was on disk"):
        lock.open()
    assert lock.reads == 0
    choice.mkdir()  # a folder is no choice
    with pytest.raises(IntegrityError):
        lock.open()
    choice.rmdir()
    choice.write_text("{}")
    assert lock.open().tolist() == at.images.labels[contest.test].tolist()
    assert lock.reads == 1
    lock.open()
    assert lock.reads == 2


def test_another_records_choice_opens_nothing(at, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "choice.json").write_text("{}")
    with pytest.raises(IntegrityError, match="before the choice was on disk"):
        Contest(at, "all").lock(tmp_path / "choice.json").open()


def test_breaking_the_lock_is_counted_too(tmp_path):
    lock = TestLock(np.array([3, 1]), tmp_path / "choice.json")
    assert lock.break_open().tolist() == [3, 1]
    assert lock.reads == 1


def test_locks_do_not_share_their_count(at, tmp_path):
    contest = Contest(at, "all")
    contest.lock(tmp_path / "choice.json").break_open()
    assert contest.lock(tmp_path / "choice.json").reads == 0


def test_a_split_without_unseen_classes_has_no_such_task(at):
    split = replace(at.split, seen=np.arange(8), unseen=np.array([], np.int64))
    without = replace(at, split=split)
    assert list(Contest(without, "all").groups) == ["all", "seen"]
    with pytest.raises(ConfigError, match="no unseen classes"):
        Contest(without, "unseen")
