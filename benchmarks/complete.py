"""Is a run whole: every cell that it declares, and the controls and tables of its page."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from benchmarks import controls as mandatory
from benchmarks.contest import WAY_MATCHED
from benchmarks.run_files import TABLES, RunFiles
from benchmarks.settings import plain
from benchmarks.verify import FAILED, OK, SKIPPED, Finding


def tables(run: RunFiles) -> Finding:
    """encoders.csv, cost.csv and selection.csv tell of the rows' own methods and choices."""
    told = {name: run.table(name) for name in TABLES}
    probed = run.rows[run.rows["classifier"] != "pixels"]
    wanted = {(m, str(f), str(s)) for m, f, s in probed[["method", "fold", "seed"]].to_numpy()}
    for name in ("encoders.csv", "cost.csv"):
        missing = wanted - {(line["method"], line["fold"], line["seed"]) for line in told[name]}
        if missing and (run.folder / name).is_file():
            method, fold, seed = min(missing)
            return Finding(FAILED, f"{name} lacks {method} (fold {fold}, seed {seed})", run.again)
    for line in told["selection.csv"]:
        if line["chosen"] not in ("True", "False") or not _is_number(line["score"]):
            return Finding(
                FAILED, f"selection.csv has a line that tells nothing: {line}", run.again
            )
    absent = [name for name in TABLES if not (run.folder / name).is_file()]
    if absent:
        return Finding(SKIPPED, f"{', '.join(absent)}, which are not here")
    return Finding(OK, f"{', '.join(TABLES)} can be read and tell of the methods of all rows")


def cells(run: RunFiles) -> Finding:
    """Every declared cell has its row."""
    columns = ["method", "classifier", "task", "labels_per_class", "fold", "seed", "draw"]
    rows = run.rows[run.rows["metric"] == "top1"]
    there = {tuple(row) for row in rows[columns].to_numpy().tolist()}
    at_taps = {(row[0], row[1].split("@")[0], *row[2:]) for row in there}
    declared = list(_declared(run.config))
    missing = [cell for cell in declared if cell not in there | at_taps]
    if missing:
        names = dict(zip(columns, missing[0], strict=True))
        return Finding(FAILED, f"{len(missing)} of {len(declared)} declared cells are missing, "
                       f"such as {names}", run.again)  # fmt: skip
    return Finding(OK, f"all {len(declared)} declared cells are there")


def controls(run: RunFiles) -> Finding:
    """Every mandatory control has rows: who reads the table needs them to believe it."""
    roles = run.facts.get("controls") or mandatory.controls(run.config)
    shown = set(zip(run.rows["method"], run.rows["classifier"], strict=True))
    missing = [
        *mandatory.absent(shown, {**run.facts, "controls": roles}),
        *(f"untrained twin of {name}" for name in _without_twin(run, set(run.rows["method"]))),
    ]
    if not missing:
        return Finding(OK, f"{', '.join(mandatory.MANDATORY)} have rows, and an untrained twin")
    if run.facts.get("exploratory"):
        return Finding(OK, f"exploratory, and says so: lacks {', '.join(missing)}")
    return Finding(FAILED, f"controls are missing: {', '.join(missing)}",
                   "add them to methods, probes and baselines, and run again")  # fmt: skip


def _declared(config: Any) -> Iterator[tuple[Any, ...]]:
    entrants = [
        (str(method), str(probe))
        for method, (probe, handle) in product(config.methods, config.probes.items())
        if method in (handle.get("methods") or [method])
    ]
    entrants += [(str(name), "pixels") for name in config.baselines]
    for entrant, task, budget in product(entrants, config.tasks, config.budgets):
        draws = config.draws
        if task == WAY_MATCHED:
            matched = config.way_matched
            draws = matched.draws if entrant[1].split("@")[0] in matched.classifiers else 0
        for run in product(config.folds, config.seeds, range(draws)):
            yield (*entrant, task, budget, *run)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _without_twin(run: RunFiles, methods: set[str]) -> list[str]:
    """The primary comparison's first method, unless its network has an untrained row.

    Of a run without comparisons, the first method.
    """
    config = run.config
    asked = plain(config.get("comparisons")) or []
    primary = asked[0][0][0] if asked else next(iter(config.methods))
    if primary not in config.methods:
        return []  # a comparison of baselines
    untrained = [
        name
        for name, method in config.methods.items()
        if name in methods and (plain(method).get("pretrain") or {}).get("epochs") == 0
    ]
    same = any(config.methods[n].model == config.methods[primary].model for n in untrained)
    return [] if same else [primary]
