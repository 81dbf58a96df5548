"""The checks of a run's folder: what its numbers are must follow from its files, one check each.

A check that lacks the files it needs says so: it never passes for want of evidence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
from omegaconf.errors import OmegaConfBaseException

from benchmarks.errors import ColorprobeError, IntegrityError
from benchmarks.run_files import RunFiles
from benchmarks.split_file import Manifest, overlaps, read_manifest
from benchmarks.splits import audit

OK, FAILED, SKIPPED, STALE, DECLARED = "ok", "FAILED", "not checked", "stale", "declared"
DELETE = "restore the file, or delete it and give the run's command again"


@dataclass(frozen=True)
class Finding:
    """What a check found: one of the words above, what it is about, and what to do."""

    status: str
    text: str
    remedy: str = ""


Check = Callable[[RunFiles], Finding]


def finding(check: Check, run: RunFiles) -> Finding:
    """What a check finds; a failure that it foresees is FAILED."""
    try:
        return check(run)
    except ColorprobeError as error:
        return Finding(FAILED, error.cause, error.remedy)
    except OmegaConfBaseException as error:
        said = str(error).splitlines()[0]
        return Finding(FAILED, f"config.yaml is not that of a run: {said}", run.again)


def files(run: RunFiles) -> Finding:
    """rows.csv, run.json and config.yaml can be read."""
    n = len(run.rows)
    facts, config = run.facts, run.config
    lacking = [k for k in ("methods", "probes", "baselines", "budgets") if k not in config]
    if lacking or "command" not in facts:
        return Finding(FAILED, f"config.yaml or run.json lacks {lacking or 'command'}", run.again)
    return Finding(OK, f"rows.csv ({n} rows), run.json and config.yaml can be read")


def predictions(run: RunFiles) -> Finding:
    """Every top-1 is, to the last digit, that of the predictions of single images."""
    top1 = run.rows[run.rows["metric"] == "top1"].to_dict("records")
    if not run.has_predictions:
        return Finding(SKIPPED, f"no predictions are here, so {len(top1)} top-1 are as told")
    for row in top1:
        record = run.predictions(row["key"])
        if len(np.unique(record["ids"])) != len(record["ids"]):
            return Finding(FAILED, f"record {row['key']} predicts an image twice", DELETE)
        among = _among(record["label"], row, run)
        right = (record["predicted"] == record["label"])[among]
        if len(right) != row["n_test"] or not len(right) or float(right.mean()) != row["value"]:
            of = float(right.mean()) if len(right) else float("nan")
            return Finding(
                FAILED,
                f"the {row['classes']} top-1 of {_name(row)} is {row['value']!r} on "
                f"{row['n_test']} images in rows.csv, {of!r} on {len(right)} by its predictions",
                DELETE,
            )
    records = len({row["key"] for row in top1})
    return Finding(OK, f"{len(top1)} top-1 of {records} records follow exactly from predictions")


def records(run: RunFiles) -> Finding:
    """Rows and predictions are those of the records in the cache, whose checksums hold."""
    by_key = {str(key): rows for key, rows in run.rows.groupby("key")}
    here = [key for key in by_key if run.store.has("rows", key)]
    if not here:
        return Finding(SKIPPED, f"none of {len(by_key)} records is in {run.store.root}")
    for key in here:
        fault = _against_record(run, key, by_key[key].to_dict("records"))
        if fault:
            return Finding(FAILED, fault, DELETE)
    encoders = {line["key"] for line in run.table("encoders.csv")}
    weights = [key for key in encoders if run.store.has("encoders", key)]
    for key in weights:
        run.store.path("encoders", key)
    away = len(by_key) - len(here)
    more = f"; {away} records are not in the cache, not checked" if away else ""
    return Finding(
        OK, f"{len(here)} records and {len(weights)} of {len(encoders)} encoders are as "
        f"written, and so are all metrics of their rows{more}",
    )  # fmt: skip


def lock(run: RunFiles) -> Finding:
    """The test labels were opened once for every record."""
    if "test_reads" not in run.rows:
        return Finding(SKIPPED, "rows.csv does not say how often the test labels were read")
    reads = run.rows.drop_duplicates("key")
    wrong = reads[reads["test_reads"] != 1].to_dict("records")
    if not wrong:
        return Finding(OK, f"each of {len(reads)} records read the test labels once")
    on_test = (run.facts.get("selection") or {}).get("on_test")
    told = f"{len(wrong)} records read the test labels more or less than once"
    if on_test:
        return Finding(DECLARED, f"{told}: the test set chose, a defect this experiment keeps")
    return Finding(FAILED, f"{told}, such as {_name(wrong[0])}", "distrust these rows; run again")


def split(run: RunFiles) -> Finding:
    """The split files are those of the rows; their sides are disjoint; nothing unseen pretrains."""
    pairs = sorted(set(zip(run.rows["fold"], run.rows["split"], strict=True)))
    there = [pair for pair in pairs if (run.folder / f"split-{pair[0]}.tsv").is_file()]
    labels = _labels(run)
    for fold, told in there:
        found = read_manifest(run.folder / f"split-{fold}.tsv")
        if found.split.manifest_hash != told:
            raise IntegrityError(f"split-{fold}.tsv is not the split of the rows {told}", DELETE)
        for fault in overlaps(found):
            raise IntegrityError(f"split-{fold}.tsv: {fault}", "distrust this run")
        _check_tested(run, int(fold), found)
        if labels:
            audit(found.split, *labels)
    if len(there) < len(pairs):
        return Finding(SKIPPED, f"{len(pairs) - len(there)} of {len(pairs)} splits have no file")
    classes = "no unseen class pretrains" if labels else (
        "not checked: classes of pretraining images, which are not in the cache")  # fmt: skip
    return Finding(OK, f"{len(pairs)} split(s) of the rows, sides disjoint; {classes}")


def _among(labels: np.ndarray, row: dict[Any, Any], run: RunFiles) -> np.ndarray:
    if row["classes"] == "all":
        return np.ones(len(labels), bool)
    if int(row["fold"]) not in run.unseen:
        raise IntegrityError(f"run.json lacks the unseen classes of fold {row['fold']}", run.again)
    unseen = np.isin(labels, run.unseen[int(row["fold"])])
    return unseen if row["classes"] == "unseen" else ~unseen


def _against_record(run: RunFiles, key: str, rows: list[dict[Any, Any]]) -> str:
    """What differs between a record and its rows and predictions; "" if nothing does."""
    import json

    folder = run.store.path("rows", key)
    metrics = json.loads((folder / "result.json").read_text())["metrics"]
    written = {(m["classes"], m["metric"]): (m["value"], m["n_test"]) for m in metrics}
    for row in rows:
        if written.get((row["classes"], row["metric"])) != (row["value"], row["n_test"]):
            return f"{row['metric']} of {_name(row)} in rows.csv is not that of its record"
    if len(rows) != len(written):
        return f"record {key} has {len(written)} values, rows.csv {len(rows)} of them"
    if json.loads((folder / "choice.json").read_text())["tap"] != rows[0]["tap"]:
        return f"the tap of {_name(rows[0])} in rows.csv is not that of its choice"
    copy = run.folder / "predictions" / f"{key}.npz"
    if copy.is_file() and copy.read_bytes() != (folder / "predictions.npz").read_bytes():
        return f"predictions/{key}.npz is not what its record holds"
    return ""


def _check_tested(run: RunFiles, fold: int, found: Manifest) -> None:
    """IntegrityError if a record of this fold was tested on an image that is not of the test."""
    if not run.has_predictions:
        return
    for key in run.rows.loc[run.rows["fold"] == fold, "key"].unique():
        foreign = np.setdiff1d(run.predictions(key)["ids"], found.split.test)
        for one in islice(foreign, 1):
            raise IntegrityError(f"record {key} is tested on image {one}, not of the test", DELETE)


def _labels(run: RunFiles) -> tuple[np.ndarray, np.ndarray] | None:
    """Labels and contents of the run's images by their fingerprint, if the cache has them."""
    import json

    for facts in sorted((run.store.root / "images").glob("*/facts.json")):
        told = json.loads(facts.read_text()).get("fingerprint")
        if told == run.facts.get("fingerprint"):
            arrays = [np.load(facts.parent / f"{name}.npy", allow_pickle=False)
                      for name in ("labels", "hashes")]  # fmt: skip
            return arrays[0], arrays[1]
    return None


def _name(row: dict[Any, Any]) -> str:
    return (
        f"{row['method']}/{row['classifier']}/{row['labels_per_class']} "
        f"(fold {row['fold']}, seed {row['seed']}, draw {row['draw']}, key {row['key']})"
    )
