"""What the folder of a finished run says of a claim's endpoint.

From claims.csv, where the differences are kept that single images gave; else from the tests in
comparisons.csv; else from the two values of rows.csv alone, without an interval. Rank correlations
over systems come from rows.csv and quality.csv.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from benchmarks.bootstrap import Paired
from benchmarks.claims.declarations import CORRELATION, Claim, Endpoint
from benchmarks.claims.rank_agreement import rank_agreement, scores_of_systems
from benchmarks.claims.runs import RunFolder
from benchmarks.errors import IntegrityError
from benchmarks.significance import PAIR, RUN, compare, paired_difference
from benchmarks.store import atomic_write

NAMED_BY_NETWORK = ("lpips", "fid")  # their metrics carry the trunk's name: lpips_alex_random
NUMBERS = ("effect", "low", "high", "p", "smallest_detectable")
COUNTS = ("runs", "n_test", "n_classes")


@dataclass(frozen=True)
class Difference:
    """A measured endpoint; where two values are all there is, interval and p are NaN.

    Of a rank correlation `n_test` counts systems, and `n_classes` is 0.
    """

    metric: str
    effect: float
    low: float
    high: float
    p: float
    smallest_detectable: float
    runs: int
    n_test: int
    n_classes: int

    @property
    def tested(self) -> bool:
        """Whether it has an interval."""
        return not (math.isnan(self.low) or math.isnan(self.high))


def write_measured(folder: RunFolder, claims: Iterable[Claim]) -> None:
    """Keep in claims.csv what single images say of the endpoints of this run's claims."""
    asked = [e for c in claims if folder.name in c.experiments for e in c.endpoints]
    found = {e.key: measured(folder, e) for e in asked if e.measure != CORRELATION}
    lines = [{"endpoint": key, **asdict(said)} for key, said in found.items() if said]
    if lines:
        text = pd.DataFrame(lines).to_csv(index=False)
        atomic_write(folder.path / "claims.csv", text.encode())


def evidence(folder: RunFolder, endpoint: Endpoint) -> Difference | None:
    """What the folder's tables say of an endpoint, None if the run does not have both sides."""
    if endpoint.measure == CORRELATION:
        return _correlation(folder, endpoint)
    kept = folder.table("claims.csv")
    if len(kept) and (kept["endpoint"] == endpoint.key).any():
        line = kept[kept["endpoint"] == endpoint.key].iloc[0]
        return _difference(line["metric"], line)
    if endpoint.measure != "top1":
        return None
    return _own_test(folder, endpoint) or _values_alone(folder, endpoint)


def measured(folder: RunFolder, endpoint: Endpoint, *, seed: int = 0) -> Difference | None:
    """The difference by single images, None if the folder does not have them for both sides."""
    if endpoint.measure != "top1":
        return _by_pictures(folder, endpoint, seed) if folder.has("quality") else None
    top1 = _cell(folder.rows, endpoint)
    if not folder.has("predictions") or not len(top1):
        return None
    found = compare(
        top1, folder.predictions, [(endpoint.a, endpoint.b)], seed=seed, unseen=folder.unseen
    )
    return _difference("top1", found.iloc[0]) if len(found) else None


def records(folder: RunFolder, endpoint: Endpoint) -> set[str]:
    """Keys of the records on which the folder's evidence rests."""
    if endpoint.measure == CORRELATION:
        return {*folder.rows["key"], *folder.quality["key"]}
    top1 = endpoint.measure == "top1"
    rows = _cell(folder.rows, endpoint) if top1 else folder.quality
    names = rows[["method", "classifier"][: len(endpoint.a)]].apply(tuple, axis=1)
    return set(rows.loc[names.isin([endpoint.a, endpoint.b]), "key"])


def by_picture(values: Mapping[str, np.ndarray], metric: str) -> Float[np.ndarray, " n"]:
    """Numbers, one a picture, whose mean is picture_metrics.pooled's value of the metric.

    Of the two that are no means over pictures they are the pooled value plus each picture's
    influence on it (the delta method: Davison and Hinkley 1997, section 2.7).
    """
    if metric == "auc_rebalanced":
        area, weight = (values[f"auc_rebalanced.{part}"] for part in ("area", "weight"))
        ratio = area.mean() / weight.mean()
        return ratio + (area - ratio * weight) / weight.mean()
    if metric == "ab_width":
        a, b, square = (values[f"ab_width.{part}"] for part in ("a", "b", "square"))
        width = math.sqrt(max(square.mean() - a.mean() ** 2 - b.mean() ** 2, 0.0))
        if width == 0:
            return np.zeros(len(a))
        influence = square - square.mean()
        for mean in (a, b):
            influence = influence - 2 * mean.mean() * (mean - mean.mean())
        return width + influence / (2 * width)
    return values[metric].astype(float)


def _by_pictures(folder: RunFolder, endpoint: Endpoint, seed: int) -> Difference | None:
    metric = _metric(folder.quality, endpoint.measure)
    a, b = (_records(folder.quality, side[0]) for side in (endpoint.a, endpoint.b))
    both = a.merge(b, on=["fold", "seed"], suffixes=("_a", "_b"))
    if metric is None or not len(both):
        return None
    runs = [_paired(folder, endpoint, metric, run) for _, run in both.iterrows()]
    return _difference(metric, paired_difference(runs, seed=seed))


def _paired(folder: RunFolder, endpoint: Endpoint, metric: str, run: pd.Series) -> Paired:
    a, b = folder.values(run["key_a"]), folder.values(run["key_b"])
    if not np.array_equal(a["ids"], b["ids"]) or not np.array_equal(a["label"], b["label"]):
        raise IntegrityError(
            f"{endpoint.a[0]} and {endpoint.b[0]} in {folder.path} painted different pictures",
            "rerun its command: finished records are reused",
        )
    is_unseen = np.isin(a["label"], folder.unseen[int(run["fold"])])
    groups = {"all": np.ones(len(is_unseen), bool), "seen": ~is_unseen, "unseen": is_unseen}
    among = groups[endpoint.classes]
    numbers = [by_picture({k: of[among] for k, of in side.items()}, metric) for side in (a, b)]
    at = (int(run["fold"]), int(run["seed"]))
    return Paired(a["ids"][among], a["label"][among], numbers[0], numbers[1], at)


def _records(quality: pd.DataFrame, method: str) -> pd.DataFrame:
    of_method = quality[quality["method"] == method]
    return of_method[["fold", "seed", "key"]].drop_duplicates()


def _metric(quality: pd.DataFrame, measure: str) -> str | None:
    """The name under which a run has the measure, if it has: lpips may be lpips_alex_random."""
    names = list(quality["metric"].unique()) if len(quality) else []
    named = measure in NAMED_BY_NETWORK
    fits = [n for n in names if n == measure or (named and n.startswith(f"{measure}_"))]
    return str(fits[0]) if fits else None


def _correlation(folder: RunFolder, endpoint: Endpoint) -> Difference | None:
    names: list[str] = []
    sides: list[pd.Series] = []
    for kind, name in (endpoint.a, endpoint.b):
        rows, metric = folder.quality, _metric(folder.quality, name)
        if kind == "top1":
            cell = _cell(folder.rows, endpoint)
            rows, metric = cell[cell["classifier"] == name], "top1"
        if metric is None:
            return None
        sides.append(scores_of_systems(rows, metric, endpoint.classes))
        names.append(metric)
    runs = folder.rows.groupby(["fold", "seed"]).ngroups
    found = rank_agreement(*sides)
    counts = {"runs": runs, "n_classes": 0}
    return _difference(" ~ ".join(names), {**found, **counts}) if found else None


def _cell(rows: pd.DataFrame, endpoint: Endpoint) -> pd.DataFrame:
    """Rows of top-1 on the endpoint's classes with its labels."""
    wanted = {"metric": "top1", "task": "all", "classes": endpoint.classes,
              "labels_per_class": endpoint.labels_per_class}  # fmt: skip
    return _where(rows, wanted)


def _where(table: pd.DataFrame, wanted: Mapping[str, Any]) -> pd.DataFrame:
    for name, value in wanted.items():
        table = table[table[name] == value]
    return table


def _own_test(folder: RunFolder, endpoint: Endpoint) -> Difference | None:
    """The run's own test of the pair, or of the pair the other way round."""
    tests = folder.table("comparisons.csv")
    if not len(tests):
        return None
    tests = _cell(tests.assign(metric="top1"), endpoint)
    for (a, b), sign in (((endpoint.a, endpoint.b), 1), ((endpoint.b, endpoint.a), -1)):
        lines = _where(tests, dict(zip(PAIR, (*a, *b), strict=True)))
        if len(lines):
            found = lines.iloc[0].to_dict()
            low, high = sorted((sign * found["low"], sign * found["high"]))
            turned = {"effect": sign * found["effect"], "low": low, "high": high}
            return _difference("top1", {**found, **turned})
    return None


def _values_alone(folder: RunFolder, endpoint: Endpoint) -> Difference | None:
    """The mean difference over the runs that both sides have, draws averaged in their run."""
    cell = _cell(folder.rows, endpoint)
    a, b = (
        _where(cell, dict(zip(("method", "classifier"), side, strict=True)))
        for side in (endpoint.a, endpoint.b)
    )
    both = a.merge(b, on=RUN, suffixes=("_a", "_b"))
    if not len(both):
        return None
    of_runs = (both["value_a"] - both["value_b"]).groupby([both["fold"], both["seed"]]).mean()
    found = dict.fromkeys(NUMBERS, math.nan) | {"effect": of_runs.mean()}
    counts = {"runs": len(of_runs), "n_test": both["n_test_a"].max(), "n_classes": 0}
    return _difference("top1", {**found, **counts})


def _difference(metric: str, found: Mapping[Any, Any] | pd.Series) -> Difference:
    numbers: dict[str, Any] = {name: float(found[name]) for name in NUMBERS}
    return Difference(metric, **numbers, **{name: int(found[name]) for name in COUNTS})
