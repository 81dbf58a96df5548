"""The folder of a run holds what its report needs, equal to the records that it came from."""

import csv
import hashlib
import io
import itertools
import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf

from benchmarks import run_folder
from benchmarks.contest import Contest
from benchmarks.entrants import entrants
from benchmarks.report import page
from benchmarks.scoring import score
from benchmarks.selection import Selection
from benchmarks.store import Store

CONTRACT = [
    "exp", "method", "label_free", "tap", "classifier", "task", "classes", "labels_per_class",
    "fold", "seed", "draw", "metric", "value", "n_test", "trials", "seconds", "device", "split",
    "key", "commit",
]  # fmt: skip
HERE = ["block_regression", "linear"]
PAIRS = [[HERE, ["block_untrained", "linear"]], [["splitbrain_cl", "linear"], HERE]]
ASKED = [
    "methods=[block_regression,block_untrained]", "budgets=[2,3]", "folds=[0,1]",
    f"comparisons={PAIRS}", "primary={labels_per_class:3,classes:unseen}", "selection.folds=1",
]  # fmt: skip
COMMAND = "python benchmarks/run.py budgets=[2,3]"


class Run:
    """A run as run.py does it, at tiny size, and its folder."""

    def __init__(self, folder, cfg, make_round, make_encoders, overrides):
        self.folder, self.cfg = folder, cfg
        self.rows, self.encoders, self.rounds = [], [], []
        for fold in cfg.folds:
            at = make_round(folder.parent / "cache", fold=fold)
            methods = make_encoders(at, *overrides)
            field = entrants(methods, cfg.probes, cfg.baselines, at.images)
            for entrant, budget in itertools.product(field, cfg.budgets):
                how = {"labels_per_class": budget, "draw": 0}
                self.rows += score(
                    entrant, Contest(at, "all"), selection=Selection(**cfg.selection), **how
                )
            self.encoders += methods
            self.rounds.append(at)
        self.store = at.store
        self.write()

    def write(self):
        run_folder.write(
            self.folder,
            self.cfg,
            self.rows,
            encoders=self.encoders,
            rounds=self.rounds,
            command=COMMAND,
        )

    def table(self, name):
        return pd.read_csv(self.folder / name)


@pytest.fixture(scope="module")
def make_run(tmp_path_factory, tiny, make_round, make_encoders):
    def make(*overrides):
        folder = tmp_path_factory.mktemp("run") / "demo"
        return Run(folder, tiny(*overrides), make_round, make_encoders, overrides)

    return make


@pytest.fixture(scope="module")
def run(make_run):
    return make_run(*ASKED)


def test_rows_have_the_columns_of_the_contract_and_nothing_unexplained(run):
    columns = list(run.table("rows.csv"))
    assert columns[0] == "exp"
    assert len(columns) == len(set(columns))
    assert set(columns) == {*CONTRACT, "test_reads", "ways"}


def test_rows_are_those_of_the_records_to_the_last_digit(run):
    written = list(csv.DictReader(io.StringIO((run.folder / "rows.csv").read_text())))
    assert len(written) == len(run.rows) == 2 * 3 * 2 * 9  # folds, entrants, budgets, cells
    for line, row in zip(written, run.rows, strict=True):
        assert float(line["value"]) == row["value"]
        assert {name: line[name] for name in row} == {name: str(row[name]) for name in row}
        assert line["exp"] == "quickstart"


def test_predictions_are_the_records_and_stale_or_spoiled_ones_go(run):
    predictions = run.folder / "predictions"
    keys = {row["key"] for row in run.rows}
    some = predictions / f"{min(keys)}.npz"
    some.write_bytes(b"spoiled")
    (predictions / "0123stale.npz").write_bytes(b"")
    run.write()
    assert {path.stem for path in predictions.iterdir()} == keys
    for key in keys:
        record = run.store.path("rows", key) / "predictions.npz"
        assert (predictions / f"{key}.npz").read_bytes() == record.read_bytes()


def test_facts_are_counted_from_split_and_rows(run):
    facts = json.loads((run.folder / "run.json").read_text())
    splits = [at.split for at in run.rounds]
    assert facts["classes"] == {"all": 8, "seen": 6, "unseen": 2}
    assert (facts["n_pretrain"], facts["n_pool"], facts["n_test"]) == (6 * 6, 8 * 6, 8 * 4)
    assert facts["images"] == {
        str(i): {"n_pretrain": len(s.pretrain), "n_pool": len(s.pool), "n_test": len(s.test),
                 "dropped": len(s.dropped)}
        for i, s in enumerate(splits)
    }  # fmt: skip
    assert (facts["dropped"], facts["bad"], facts["image_size"]) == (0, [], 16)
    assert facts["unseen_classes"] == {str(i): s.unseen.tolist() for i, s in enumerate(splits)}
    assert facts["unseen_classes"]["0"] != facts["unseen_classes"]["1"]
    assert facts["split"] == ", ".join(split.manifest_hash[:12] for split in splits)
    assert facts["test_reads"] == 2 * 3 * 2  # a record each
    assert facts["comparisons"] == PAIRS, "declared, though no splitbrain_cl was run"
    assert (facts["folds"], facts["seeds"], facts["command"]) == ([0, 1], [0], COMMAND)
    assert (facts["name"], facts["preset"]) == ("quickstart", "full")
    assert facts["selection"] == {"folds": 1, "validation_images": None, "on_test": False}
    seconds = sum({row["key"]: row["seconds"] for row in run.rows}.values())
    seconds += run.table("cost.csv")["seconds"].sum()
    assert facts["hours"] == pytest.approx(seconds / 3600, abs=6e-4)
    assert facts["commit"] and facts["device"]


def test_the_configuration_is_whole_but_for_where_results_go(run):
    text = (run.folder / "config.yaml").read_text()
    kept = OmegaConf.create(text)
    assert "out" not in kept
    assert {**OmegaConf.to_container(kept), "out": run.cfg.out} == OmegaConf.to_container(run.cfg)


def test_a_split_is_written_as_its_hash_says(run):
    for at in run.rounds:
        text = (run.folder / f"split-{at.fold}.tsv").read_bytes()
        assert hashlib.sha256(text).hexdigest() == at.split.manifest_hash


def test_histories_are_long_and_name_their_encoder(run):
    table = run.table("history.csv")
    assert list(table) == ["method", "fold", "seed", "step", "images", "term", "value"]
    assert set(table["method"]) == {"block_regression"}  # the untrained one has no losses
    assert set(table["fold"]) == {0, 1} and {"lr", "smooth_l1"} <= set(table["term"])
    for encoder in run.encoders:
        for entry in json.loads((encoder.folder / "history.json").read_text()):
            at = (table["method"] == encoder.name) & (table["fold"] == encoder.at.fold)
            found = table[at & (table["step"] == entry["step"]) & (table["term"] == "smooth_l1")]
            assert found["value"].tolist() == [entry["smooth_l1"]]


def test_cost_is_that_of_every_encoder(run):
    table = run.table("cost.csv").set_index(["method", "fold"])
    assert sorted(table.index) == sorted((e.name, e.at.fold) for e in run.encoders)
    for encoder in run.encoders:
        cost = table.loc[(encoder.name, encoder.at.fold)]
        assert cost["parameters"] == sum(p.numel() for p in encoder.encoder().parameters())
        assert cost["images_seen"] == (36 if encoder.name == "block_regression" else 0)
        assert cost["label_free"]


def test_selection_lists_every_candidate_and_marks_the_chosen_one(run):
    table = run.table("selection.csv")
    assert set(table["classifier"]) == {"linear"}  # chance had nothing to choose
    for _, record in table.groupby(["method", "labels_per_class", "fold"]):
        assert len(record) == 5 * 8  # taps and decays
        chosen = record[record["chosen"]]
        assert len(chosen) == 1
        assert chosen["score"].item() == record["score"].max()


def test_fits_tell_what_their_records_warn_of(run):
    table = run.table("fits.csv").set_index("key")
    assert set(table.index) == {row["key"] for row in run.rows}
    for key, line in table.iterrows():
        result = json.loads((run.store.path("rows", key) / "result.json").read_text())
        for name in ("converged", "at_edge"):
            told = None if pd.isna(line[name]) else bool(line[name])
            assert told == result[name] and (told is None) == (line["classifier"] == "pixels")


def test_neighbours_are_of_the_first_method_compared(run):
    saved = np.load(run.folder / "neighbours.npz")
    rows = {(r["method"], r["classifier"], r["labels_per_class"], r["fold"]): r for r in run.rows}
    assert saved["tap"] == rows["block_regression", "linear", 3, 0]["tap"]
    assert np.isin(saved["ids"][:, 0], run.rounds[0].split.test).all()
    assert not (run.folder / "extremes.npz").exists()  # no quality was asked for


def test_examples_are_of_the_first_fold(run):
    first, images = run.rounds[0], run.rounds[0].images
    saved = dict(np.load(run.folder / "examples.npz"))
    ids = np.load(run.encoders[0].folder / "examples.npz")["ids"]
    assert np.array_equal(saved["truth"], images.images[ids])
    assert np.array_equal(saved["label"], images.labels[ids])
    assert saved["seen"].tolist() == [label in first.split.seen for label in saved["label"]]
    assert saved["class_names"].tolist() == list(images.class_names)
    assert np.ptp(saved["gray"], axis=-1).max() == 0
    red, green, blue = images.images[ids[0], 5, 7].astype(float)
    assert saved["gray"][0, 5, 7, 0] == round(0.299 * red + 0.587 * green + 0.114 * blue)
    for name in ("block_regression", "block_untrained"):
        assert saved[f"method__{name}"].shape == saved["truth"].shape


def test_the_report_is_made_from_it_and_leaves_out_who_did_not_enter(run):
    page.write(run.folder)
    compared = run.table("comparisons.csv")
    assert set(compared["a_method"]) == {"block_regression"}
    assert set(compared["b_method"]) == {"block_untrained"}
    assert (run.folder / "report.html").stat().st_size > 10_000


def test_a_run_without_encoders_has_a_report_too(make_run):
    run = make_run("methods=[]", "probes=[]", "budgets=[2]", "comparisons=[]")
    assert not (run.folder / "examples.npz").exists()
    assert run.table("history.csv").empty
    page.write(run.folder)
    assert (run.folder / "report.html").is_file()


def test_colorizations_no_longer_measured_are_taken_away(run):
    (run.folder / "quality.csv").write_text("of,an,earlier,run\n")
    run.write()
    assert not (run.folder / "quality.csv").exists()


def test_hours_count_each_encoder_once_and_what_it_starts_from(tmp_path):
    at = SimpleNamespace(store=Store(tmp_path))

    def encoder(key, seconds, start=None):
        with at.store.writing("encoders", key) as folder:
            (folder / "cost.json").write_text(json.dumps({"seconds": seconds}))
        return SimpleNamespace(key=key, at=at, start=start, folder=tmp_path / "encoders" / key)

    first = encoder("l1", 40.0)
    second = encoder("gan", 67.0, first)
    assert run_folder.pretraining_seconds([second]) == 107
    assert run_folder.pretraining_seconds([first, second, second]) == 107
