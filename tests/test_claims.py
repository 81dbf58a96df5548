"""Tests of benchmarks/claims: verdicts on synthetic runs of known truth, and the committed page."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.claims import __main__ as command
from benchmarks.claims.declarations import Claim, Command, Endpoint, declared
from benchmarks.claims.evidence import Difference, by_picture, evidence, write_measured
from benchmarks.claims.page import amount, claims_page
from benchmarks.claims.runs import run_folders
from benchmarks.claims.verdicts import decide, departures, verdict_on
from benchmarks.errors import IntegrityError
from benchmarks.picture_metrics import pooled
from benchmarks.significance import compare

ROOT = Path(__file__).resolve().parents[1]
LABELS = np.repeat(np.arange(16), 25)
UNSEEN = {0: [0, 1, 2, 3], 1: [4, 5, 6, 7]}
SKILL = {"good": 0.7, "twin": 0.7, "poor": 0.4}


def write_run(root, *, folds=(0, 1), name="demo", preset="cpu", extra="", commit="abc1234"):
    """A run of three methods, whose top-1 and PSNR are known, as an experiment leaves it."""
    rng, rows, quality = np.random.default_rng(0), [], []
    for part in ("predictions", "quality"):
        (root / part).mkdir(parents=True)
    shared = rng.random(len(LABELS))
    for (method, skill), fold in itertools.product(SKILL.items(), folds):
        key, right = f"{method}-{fold}", shared < skill
        predicted = np.where(right, LABELS, (LABELS + 1) % 16)
        ids = {"ids": np.arange(len(LABELS)), "label": LABELS}
        np.savez(root / "predictions" / f"{key}.npz", **ids, predicted=predicted)
        psnr = 20 + 4 * skill + rng.normal(0, 0.5, len(LABELS))
        np.savez(root / "quality" / f"{key}.npz", **ids, psnr=psnr, lpips_alex=1 - psnr / 50)
        unseen = np.isin(LABELS, UNSEEN[fold])
        groups = {"all": unseen | True, "seen": ~unseen, "unseen": unseen}
        for classes, among in groups.items():
            at = {"method": method, "fold": fold, "seed": 0, "classes": classes, "key": key,
                  "split": f"cafe{fold}", "commit": commit}  # fmt: skip
            rows.append({**at, "classifier": "linear", "task": "all", "labels_per_class": 25,
                         "draw": 0, "metric": "top1", "value": right[among].mean(),
                         "n_test": int(among.sum())})  # fmt: skip
            measures = {"psnr": psnr, "lpips_alex": 1 - psnr / 50}.items()
            quality += [{**at, "metric": m, "value": v[among].mean()} for m, v in measures]
    pd.DataFrame(rows).to_csv(root / "rows.csv", index=False)
    pd.DataFrame(quality).to_csv(root / "quality.csv", index=False)
    line = f"python benchmarks/run.py exp={name} preset={preset} data.path=x {extra}".strip()
    facts = {"name": name, "preset": preset, "data": "food", "folds": list(folds), "seeds": [0],
             "unseen_classes": UNSEEN, "commit": commit, "command": line}  # fmt: skip
    (root / "run.json").write_text(json.dumps(facts))
    return root


def endpoint(a="good", b="poor", **changes):
    """Of top-1, or of a measure of pictures where `changes` name one."""
    sides = {side: (name,) if "measure" in changes else (name, "linear")
             for side, name in (("a", a), ("b", b))}  # fmt: skip
    whole = {"direction": "greater", "classes": "all", "labels_per_class": 25, "smallest": 0.05}
    return Endpoint(**{**whole, **sides, **changes})


def pictures(a="good", b="poor", **changes):
    return endpoint(a, b, **{"measure": "psnr", "labels_per_class": None, **changes})


def claim(*endpoints, **changes):
    commands = (Command(overrides=("exp=demo", "preset=cpu", "data.path=DIR"), minutes=5),)
    whole = {"name": "01_demo", "question": "Is it | so?", "source": "us", "declaration": "1a2b",
             "commands": commands, "endpoints": endpoints}  # fmt: skip
    return Claim(**{**whole, **changes})


def verdicts(claim_, *roots):
    folders = run_folders(roots)
    for folder in folders:
        write_measured(folder, [claim_])
    return [part.verdict for part in decide(claim_, folders).parts]


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "results" / "demo")


def test_known_truths_get_their_verdicts(run):
    back = {"a": "poor", "b": "good"}
    asked = claim(endpoint(), endpoint(direction="less"), endpoint(**back),
                  endpoint(**back, direction="less"), endpoint("good", "absent"))  # fmt: skip
    expected = ["supported", "contradicted", "contradicted", "supported", "not run"]
    assert verdicts(asked, run) == expected


def test_pictures_get_theirs(run):
    asked = claim(pictures(), pictures("poor", "good"), pictures("good", "twin"),
                  pictures("good", "twin", direction="equal", smallest=0.5),
                  pictures(direction="equal", smallest=0.5),
                  pictures(measure="lpips", direction="less"))  # fmt: skip
    expected = ["supported", "contradicted", "not decided", "supported", "contradicted"]
    assert verdicts(asked, run) == [*expected, "supported"]


def test_equal_methods_are_not_decided_unless_equality_is_claimed(run):
    asked = claim(endpoint("good", "twin"), endpoint("good", "twin", direction="equal"))
    assert verdicts(asked, run) == ["not decided", "supported"]


def difference(effect, reach, p=0.01):
    return Difference("top1", effect, effect - reach, effect + reach, p, reach, 1, 100, 10)


@pytest.mark.parametrize(
    ("direction", "effect", "reach", "p", "verdict"),
    [
        ("greater", 0.1, 0.05, 0.06, "not decided"),
        ("greater", 0.1, 0.2, 0.01, "not decided"),
        ("less", -0.1, 0.05, 0.05, "supported"),
        ("equal", 0.01, 0.03, 0.001, "supported"),
        ("equal", 0.04, 0.03, 0.001, "not decided"),
        ("equal", 0.10, 0.03, 0.001, "contradicted"),
        ("equal", 0.10, 0.03, 0.06, "not decided"),
        ("greater", 0.1, float("nan"), 0.01, "not decided"),
    ],
)
def test_interval_and_p_must_both_agree(direction, effect, reach, p, verdict):
    assert verdict_on(endpoint(direction=direction), difference(effect, reach), p) == verdict


def test_holm_counts_what_was_declared_not_what_was_run(run):
    alone = decide(claim(endpoint()), run_folders([run])).parts[0]
    missing = [endpoint("good", "absent"), endpoint("poor", "absent")]
    among = decide(claim(endpoint(), *missing), run_folders([run])).parts[0]
    assert not alone.found.tested, "without claims.csv and tests there are two values alone"
    write_measured(run_folders([run])[0], [claim(endpoint())])
    alone = decide(claim(endpoint()), run_folders([run])).parts[0]
    among = decide(claim(endpoint(), *missing), run_folders([run])).parts[0]
    assert among.p_holm == pytest.approx(min(1, 3 * alone.p_holm))


def test_evidence_outlives_the_single_images(run):
    asked = [endpoint(), pictures(classes="unseen")]
    folder = run_folders([run])[0]
    write_measured(folder, [claim(*asked)])
    first = [evidence(folder, end) for end in asked]
    for path in [*run.glob("predictions/*"), *run.glob("quality/*")]:
        path.unlink()
    folder = run_folders([run])[0]
    write_measured(folder, [claim(*asked)])
    assert [evidence(folder, end) for end in asked] == first
    assert first[0].runs == 2 and first[1].n_classes == 8


def test_the_runs_own_test_is_read_both_ways(run):
    folder = run_folders([run])[0]
    pair = [(("good", "linear"), ("poor", "linear"))]
    compare(folder.rows, folder.predictions, pair, seed=0, unseen=UNSEEN).to_csv(
        run / "comparisons.csv", index=False
    )
    there, back = evidence(folder, endpoint()), evidence(folder, endpoint("poor", "good"))
    assert there.tested and there.effect == -back.effect and there.low == -back.high
    assert evidence(folder, endpoint("good", "twin")).tested is False


def test_values_of_other_pictures_are_refused(run):
    record = dict(np.load(run / "quality" / "poor-0.npz"))
    np.savez(run / "quality" / "poor-0.npz", **{**record, "ids": record["ids"] + 1})
    with pytest.raises(IntegrityError, match="different pictures"):
        verdicts(claim(pictures()), run)


def test_values_by_picture_have_the_pooled_mean():
    rng = np.random.default_rng(0)
    names = ("auc_rebalanced.area", "auc_rebalanced.weight", "ab_width.a", "ab_width.b", "psnr")
    values = {name: rng.random(40) + 0.5 for name in names}
    values["ab_width.square"] = values["ab_width.a"] ** 2 + values["ab_width.b"] ** 2 + 1
    for metric, value in pooled(values).items():
        assert by_picture(values, metric).mean() == pytest.approx(value)


@pytest.mark.parametrize("metric", ["auc_rebalanced", "ab_width"])
def test_influences_give_the_standard_error_of_a_plain_bootstrap(metric):
    rng = np.random.default_rng(1)
    values = {f"auc_rebalanced.{p}": rng.random(300) + 0.5 for p in ("area", "weight")}
    values |= {f"ab_width.{p}": rng.normal(5, 3, 300) for p in "ab"}
    values["ab_width.square"] = values["ab_width.a"] ** 2 + values["ab_width.b"] ** 2 + 1
    draws = rng.integers(0, 300, (2000, 300))
    loop = [pooled({k: v[draw] for k, v in values.items()})[metric] for draw in draws]
    assert by_picture(values, metric).std() / np.sqrt(300) == pytest.approx(np.std(loop), rel=0.1)


def test_of_several_runs_the_declared_one_decides(tmp_path):
    asked = claim(endpoint(), also=("other",))
    write_run(tmp_path / "a", preset="full")
    write_run(tmp_path / "b", folds=(0,), extra="pretrain.epochs=2")
    write_run(tmp_path / "c", name="other", folds=(0,))
    verdicts(asked, tmp_path)
    first = decide(asked, run_folders([tmp_path])).parts[0]
    assert first.folder.path.name == "c" and not departures(asked, first.folder)
    only = decide(asked, run_folders([tmp_path / "b"])).parts[0]
    assert "departs from the declared command: pretrain.epochs=2" in only.remarks[0]
    assert "preset=full" in decide(asked, run_folders([tmp_path / "a"])).parts[0].remarks[0]


def test_a_copy_or_a_part_of_a_run_is_no_second_run(tmp_path):
    asked = claim(endpoint(), pictures())
    for name, folds in (("a", (0, 1)), ("b", (0, 1)), ("c", (0,))):
        write_run(tmp_path / name, folds=folds)
    verdicts(asked, tmp_path)
    assert not [r for part in decide(asked, run_folders([tmp_path])).parts for r in part.remarks]
    for table in ("rows.csv", "quality.csv"):
        lines = pd.read_csv(tmp_path / "c" / table)
        lines.assign(key="new-" + lines["key"]).to_csv(tmp_path / "c" / table, index=False)
    parts = decide(asked, run_folders([tmp_path])).parts
    assert [part.remarks for part in parts] == [("1 more run has this pair",)] * 2


def test_controls_beside_a_pair_are_no_departure(tmp_path):
    write_run(tmp_path / "a", extra="exposure=[net]")
    (folder,) = run_folders([tmp_path])
    assert not departures(claim(endpoint()), folder)


def test_amounts_show_what_is_of_interest():
    assert amount(endpoint(smallest=0.01), -0.0123, signed=True) == "\u22121.2"
    assert amount(endpoint(smallest=0.001), 0.0123) == "1.23"
    assert amount(pictures(smallest=0.5), 0.123, signed=True) == "+0.12"


def test_the_command_writes_the_page(run, capsys):
    out = run.parent / "claims.md"
    assert command.main(["--runs", str(run.parent), "--out", str(out)]) == 0
    assert (
        "26 questions: 26 not run." in out.read_text()
        and "1 run folders" in capsys.readouterr().out
    )
    (run / "run.json").write_text("{")
    assert command.main(["--runs", str(run), "--out", str(out)]) == 3


def committed():
    folders = [p for p in sorted((ROOT / "results").iterdir()) if p.name not in ("runs", "cache")]
    return run_folders(folders)


def test_the_committed_page_is_what_the_declarations_and_runs_give():
    page = claims_page([decide(c, committed()) for c in declared()], ROOT / "results")
    told = "run python -m benchmarks.claims"
    assert (ROOT / "results" / "claims.md").read_text() == page, told
    assert len(re.findall(r"^\| \d+ \| .*declared: `", page, re.MULTILINE)) == 26
