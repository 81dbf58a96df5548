"""The smallest difference that a planned run could find: that of an earlier run, or a bound.

Earlier runs are of the same experiment. Where none has the plan's folds, seeds and methods, the
nearest is told with what is different: one run, say, knows nothing of what seeds and folds add.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from benchmarks.contest import Round
from benchmarks.run_files import RunFiles
from benchmarks.settings import plain
from benchmarks.significance import POWER

DISAGREE = 0.2  # assumed share of test images on which one of two rows is right, the other wrong
ERRORS = 1.96 + POWER  # standard errors: two-sided 5 %, 80 % power
EXPERIMENT = ("name", "preset_name", "data", "comparisons", "primary")
REPEATS = ("folds", "seeds", "draws")
Tested = tuple[RunFiles, dict[str, str]]


def detectable(cfg: Any, rounds: Sequence[Round], runs: Iterable[RunFiles]) -> str:
    """The smallest difference that the primary comparison could find, in words, with its source.

    That of the nearest earlier run of the same experiment, and in what it differs from the plan.
    """
    found = _nearest(cfg, runs)
    if found:
        run, row = found
        points = 100 * float(row["smallest_detectable"])
        where = f"{run.folder.name} ({row['runs']} run(s))"
        others = _differences(cfg, run.config)
        told = f"; this plan is of {_n_runs(cfg)} run(s) and differs: {', '.join(others)}"
        return f"{points:.1f} points, as measured in {where}{told if others else ''}"
    group = str((plain(cfg.primary) or {}).get("classes", "all"))
    ids = [at.split.test[np.isin(at.images.labels[at.split.test], _classes(at, group))]
           for at in rounds]  # fmt: skip
    n = len(np.unique(np.concatenate(ids)))
    if n == 0:
        return "not known before the images are decoded: no earlier run of this kind"
    return (
        f"at least {100 * ERRORS * (DISAGREE / n) ** 0.5:.1f} points on {n:,} test images "
        f"({group} classes): {ERRORS:.1f} x sqrt({DISAGREE} / n). Assumed: two rows disagree on "
        f"{100 * DISAGREE:.0f} % of them; differences between classes and seeds come on top"
    )


def _nearest(cfg: Any, runs: Iterable[RunFiles]) -> Tested | None:
    """The earlier run of the plan's experiment that differs least from it, with its primary test.

    The number of runs weighs most, by which intervals shrink, then what the compared methods are.
    """
    tested = [
        (run, row)
        for run in runs
        if all(plain(run.config.get(key)) == plain(cfg.get(key)) for key in EXPERIMENT)
        for row in run.table("comparisons.csv")
        if row["primary"] == "True"
    ]

    def distance(one: Tested) -> tuple[int, int, int]:
        run, row = one
        away = abs(_n_runs(cfg) - int(row["runs"]))
        return away, len(_changed(cfg, run.config)), len(_differences(cfg, run.config))

    return min(tested, key=distance, default=None)


def _differences(cfg: Any, earlier: Any) -> list[str]:
    """In what an earlier run differs from the plan, each in words."""
    ours, theirs = ({k: plain(of.get(k)) for k in REPEATS} for of in (cfg, earlier))
    found = [f"{k} {ours[k]} in place of {theirs[k]}" for k in REPEATS if ours[k] != theirs[k]]
    found += ["another split"] if plain(cfg.split) != plain(earlier.get("split")) else []
    return found + _changed(cfg, earlier)


def _changed(cfg: Any, earlier: Any) -> list[str]:
    """The sides of the primary comparison that an earlier run defined otherwise, in words."""
    return [
        f"another {method} ({classifier})"
        for method, classifier in cfg.comparisons[0]
        if _definition(cfg, (method, classifier)) != _definition(earlier, (method, classifier))
    ]


def _definition(cfg: Any, handle: Sequence[str]) -> list[Any]:
    """All that makes one side of a comparison, (method, classifier)."""
    method, classifier = handle
    learned = [cfg.methods.get(method), cfg.pretrain] if method in cfg.methods else []
    reader = [cfg.probes.get(classifier), cfg.baselines.get(method)]
    return [plain(part) for part in (*learned, *reader, cfg.selection, cfg.max_features)]


def _n_runs(cfg: Any) -> int:
    """Folds x seeds, as tests count runs: draws of one encoder are no runs of their own."""
    return len(cfg.folds) * len(cfg.seeds)


def _classes(at: Round, group: str) -> np.ndarray:
    both = np.union1d(at.split.seen, at.split.unseen)
    return both if group == "all" else getattr(at.split, group)
