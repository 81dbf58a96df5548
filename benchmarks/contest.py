"""What all methods share: one fold and seed, a task's classes and images, the test lock."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64

from benchmarks.data import ImageStore
from benchmarks.draws import generator
from benchmarks.errors import ConfigError, IntegrityError
from benchmarks.splits import Split, label_budget
from benchmarks.store import Store

WAY_MATCHED = "way_matched"
HIDDEN = -1  # stands for a test label wherever the lock is not


@dataclass(frozen=True)
class Round:
    """One fold and one seed: images, split, and where records go."""

    images: ImageStore
    split: Split
    fold: int
    seed: int
    store: Store
    device: str


class TestLock:
    """Test labels that open only after `choice`, one record's file, is on disk.

    `reads` counts the openings.
    """

    __test__ = False  # not a test class, whatever its name

    def __init__(self, labels: Int64[np.ndarray, " t"], choice: Path) -> None:
        self._labels, self._choice = labels, choice
        self.reads = 0

    def open(self) -> Int64[np.ndarray, " t"]:
        """The labels; IntegrityError while the file of the choice does not exist."""
        if not self._choice.is_file():
            raise IntegrityError(
                "the test labels were asked for before the choice was on disk",
                "report this as a bug",
            )
        return self.break_open()

    def break_open(self) -> Int64[np.ndarray, " t"]:
        """The labels before any choice: seed 004's defect, for `selection.on_test` alone."""
        self.reads += 1
        return self._labels


class Contest:
    """A task within a round: its classes, pool and test images; test labels are locked away.

    The task `way_matched` has as many seen classes as are unseen, at random by `draw`: the same
    chance level. Raises DataError at once, before anything is trained, if a class cannot fill the
    largest budget.
    """

    def __init__(
        self, round_: Round, task: str, *, largest_budget: int = 1, draw: int | None = None
    ) -> None:
        split, labels = round_.split, round_.images.labels
        both = np.union1d(split.seen, split.unseen)
        groups = {"all": both, "seen": split.seen, "unseen": split.unseen}
        if task == WAY_MATCHED:
            groups["seen"] = _as_many_seen(round_, draw or 0)
        group = "seen" if task == WAY_MATCHED else task
        if group not in groups:
            known = ", ".join([*groups, WAY_MATCHED])
            raise ConfigError(f"task {task} does not exist", f"known: {known}")
        if not len(groups[group]):
            raise ConfigError(f"this split has no {group} classes", "choose another task or split")
        self.round, self.task, self.classes, self.draw = round_, task, groups[group], draw
        shown = groups if task == "all" else {group: groups[group]}
        self.groups = {name: classes for name, classes in shown.items() if len(classes)}
        self.pool = split.pool[np.isin(labels[split.pool], self.classes)]
        self.test = split.test[np.isin(labels[split.test], self.classes)]
        self._test_labels = labels[self.test]
        self.labels = labels.copy()
        self.labels[split.test] = HIDDEN
        self.training(largest_budget, draw=0)

    def lock(self, choice: Path) -> TestLock:
        """A lock over the labels of `test`, as class ids of the store, closed until `choice` is."""
        return TestLock(self._test_labels, choice)

    def training(self, labels_per_class: int, *, draw: int) -> Int64[np.ndarray, " m"]:
        """Ids of the labelled images of a budget; larger budgets contain smaller ones."""
        return label_budget(
            self.labels,
            self.pool,
            labels_per_class=labels_per_class,
            draw=draw,
            seed=self.round.seed,
            class_names=self.round.images.class_names,
        )

    def targets(self, labels: Int64[np.ndarray, " m"]) -> Int64[np.ndarray, " m"]:
        """Class ids as 0..c-1 of the task: a head has exactly the classes that are present."""
        if not np.isin(labels, self.classes).all():
            raise IntegrityError("a hidden or foreign label was used", "report this as a bug")
        return np.searchsorted(self.classes, labels)


def _as_many_seen(round_: Round, draw: int) -> Int64[np.ndarray, " c"]:
    """Seen classes, as many as are unseen, at random by seed, fold and `draw`."""
    seen, n_classes = round_.split.seen, len(round_.split.unseen)
    if not 0 < n_classes <= len(seen):
        raise ConfigError(
            f"{len(seen)} seen classes cannot match {n_classes} unseen ones",
            "take way_matched out of tasks, or hold out fewer classes",
        )
    drawn = generator(round_.seed, "way-matched classes", round_.fold, draw)
    return np.sort(drawn.choice(seen, n_classes, replace=False))
