"""Which entrant meets which task, budget and draw: the cells of a round's table."""

from collections.abc import Collection, Sequence
from itertools import product

from benchmarks.contest import WAY_MATCHED, Contest, Round
from benchmarks.errors import ConfigError
from benchmarks.scoring import Entrant

Cell = tuple[Entrant, Contest, int, int]


def contests(
    at: Round, tasks: Sequence[str], way_matched_draws: int, largest_budget: int
) -> list[Contest]:
    """A contest a task; `way_matched` has one a draw, each of other seen classes.

    ConfigError for a task of fewer than two classes, which a head cannot tell apart.
    """
    found = []
    for task in tasks:
        draws = range(way_matched_draws) if task == WAY_MATCHED else [None]
        found += [Contest(at, task, largest_budget=largest_budget, draw=draw) for draw in draws]
    for contest in found:
        if len(contest.classes) < 2:
            raise ConfigError(
                f"the task {contest.task} has {len(contest.classes)} class in fold {at.fold}",
                "take fewer split.n_folds, or leave the task out of tasks",
            )
    return found


def cells(
    field: Sequence[Entrant],
    contests: Sequence[Contest],
    budgets: Sequence[int],
    draws: int,
    way_matched_classifiers: Collection[str],
) -> list[Cell]:
    """(entrant, contest, labels a class, draw) of every row.

    A way-matched contest is met by the classifiers named, with the labels of its own draw: both
    its classes and its labels differ from draw to draw.
    """
    return [
        (entrant, contest, int(budget), draw)
        for entrant, contest, budget in product(field, contests, budgets)
        if contest.draw is None or entrant.classifier.split("@")[0] in way_matched_classifiers
        for draw in (range(draws) if contest.draw is None else [contest.draw])
    ]
