"""Tables beside the declared differences: other tests of the primary one, and spread."""

import numpy as np
import pandas as pd

from benchmarks.many_methods import friedman, interquartile_mean
from benchmarks.paired_tests import corrected_t, mcnemar_p, probability_of_outperforming
from benchmarks.report.render import Table
from benchmarks.report.savings import matched, of_handle, saved_labels
from benchmarks.report.source import HANDLE, Source
from benchmarks.report.standing import places_table, primary_rows, undecidable
from benchmarks.report.statements import p_text, points
from benchmarks.significance import RUN
from benchmarks.variance import variance_components

LEVELS = {  # folds and seeds are crossed: every fold meets the labels and weights of every seed
    "class fold": ["fold"], "seed": ["seed"], "fold and seed": ["fold", "seed"], "draw": RUN,
}  # fmt: skip


def evidence_tables(source: Source) -> list[Table]:
    """Return the tables that the run's rows allow: a single run has no spread, for one."""
    made = [places_table(source), other_tests(source), spread(source), saved_labels(source)]
    return [table for table in made if table is not None]


def other_tests(source: Source) -> Table | None:
    """Return what McNemar's test, folds and runs say of the primary comparison."""
    pair, rows = _primary_pair(source), primary_rows(source)
    if pair is None:
        return None
    (a, b), body = pair, []
    both = rows[of_handle(rows, a)].merge(rows[of_handle(rows, b)], on=RUN, suffixes=("_a", "_b"))
    for run in both.to_dict("records"):
        first, second = (matched(run, side, source)["correct"] for side in "ab")
        name = f"exact McNemar, fold {run['fold']}, seed {run['seed']}, draw {run['draw']}"
        effect = points(float(first.mean() - second.mean()))
        body.append((name, "other images, these classes", effect, _p(mcnemar_p(first, second))))
    by_run = both.groupby(["fold", "seed"])[["value_a", "value_b"]].mean()
    by_fold = by_run.groupby("fold").mean()
    counts = source.run.get("classes", {})
    differences = (by_fold["value_a"] - by_fold["value_b"]).to_numpy()
    # What no fold changes, two baselines from pixels, say, is one difference: Student's p is 0.
    varies = len(by_fold) > 1 and np.ptp(differences) > 1e-12
    if varies and counts.get("seen") and counts.get("unseen"):
        t = corrected_t(differences, n_train=counts["seen"], n_test=counts["unseen"])
        span = f"{points(t.mean)} ({points(t.low)} to {points(t.high)})"
        body.append((f"corrected t, {len(by_fold)} folds", "other folds", span, _p(t.p)))
    if len(by_run) > 1:
        won = probability_of_outperforming(*(by_run[f"value_{s}"].to_numpy() for s in "ab"))
        span = f"{won.probability:.2f} ({won.low:.2f} to {won.high:.2f})"
        name = f"probability that A is better, {len(by_run)} runs"
        body.append((name, "other folds and seeds, these test images", span, "-"))
    if not body:
        return None
    few = f" {why}." if (why := undecidable(source)) else ""
    one = "" if len(by_run) > 1 else " One run: folds and seeds cannot be tested."
    caption = (
        "Each answers a narrower question than the bootstrap over runs, classes and images; none "
        "is corrected for the others. Corrected t: Nadeau and Bengio, test to training classes; "
        "a probability's interval needs 6 runs to exclude one half, and takes runs of one seed or "
        f"fold for independent, which they are not quite.{one}{few}"
    )
    title = f"The primary comparison by other tests: {' · '.join(a)} against {' · '.join(b)}"
    return Table(title, ("test", "speaks of", "A - B", "p"), tuple(body), caption)


def spread(source: Source) -> Table | None:
    """Return the spread of top-1 at the primary endpoint by level, where runs differ by any."""
    rows = primary_rows(source)
    runs = rows[RUN].drop_duplicates()
    if len(runs) < 2:
        return None
    body: list[tuple[str, ...]] = []
    header: tuple[str, ...] = ()
    for (method, classifier), part in rows.groupby(HANDLE, sort=False):
        if len(part) < len(runs):
            continue
        ids = {name: part.groupby(columns).ngroup().to_numpy() for name, columns in LEVELS.items()}
        found = variance_components(part["value"].to_numpy() * 100, ids)
        header = tuple(f"{n} ({g})" for n, g in zip(found.level, found.groups, strict=True))
        body.append((str(method), str(classifier), _middle(part), *map(_sd, found["variance"])))
    caption = (
        "Standard deviations in points that each level adds (number of its groups), the last with "
        "all that lies within it; 0 is an estimate at or below zero. IQM: interquartile mean, "
        f"interval from runs resampled within folds.{_over_runs(rows)}"
    )
    names = ("method", "classifier", "IQM", *header)
    return Table("Spread of top-1 by level", names, tuple(body), caption) if body else None


def _primary_pair(source: Source) -> tuple[tuple[str, str], tuple[str, str]] | None:
    pairs = source.run.get("comparisons", [])
    return (tuple(pairs[0][0]), tuple(pairs[0][1])) if pairs else None


def _p(p: float) -> str:
    return p_text(p).removeprefix("p ").removeprefix("= ")


def _middle(part: pd.DataFrame) -> str:
    """The interquartile mean with its interval, where every fold has two runs or more."""
    strata = [of.to_numpy() * 100 for _, of in part.groupby("fold")["value"]]
    if min(map(len, strata)) < 2:
        return "-"
    found = interquartile_mean(strata, seed=0)
    return f"{found.mean:.1f} ({found.low:.1f} to {found.high:.1f})"


def _sd(variance: float) -> str:
    return "-" if np.isnan(variance) else f"{np.sqrt(max(0.0, variance)):.1f}"


def _over_runs(rows: pd.DataFrame) -> str:
    """Friedman's test with runs as blocks, in a sentence."""
    scores = rows.pivot_table(index=["fold", "seed"], columns=HANDLE, values="value").dropna()
    if len(scores) < 2 or scores.shape[1] < 3:
        return ""
    test = friedman(scores.to_numpy(), seed=0)
    return (
        f" Friedman over {len(scores)} runs on these test images, those of one seed or fold taken "
        f"for independent: {p_text(test.p)}."
    )
