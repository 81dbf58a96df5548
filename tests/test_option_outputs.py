"""A sample of options, really run at tiny size: the bytes of what is recorded change with them.

Every key of the pretraining recipe is in the sample; keys alone are tests/test_options.py's.
"""

import dataclasses

import numpy as np
import pytest

from benchmarks.contest import Contest
from benchmarks.entrants import baseline_entrants, probe_entrants
from benchmarks.pretrain import Recipe
from benchmarks.scoring import score
from benchmarks.selection import Selection

RECIPE = {
    "epochs": 2, "batch_size": 6, "optimizer": "sgd", "lr": 1e-2, "weight_decay": 0.5,
    "beta1": 0.5, "beta2": 0.9, "schedule": "constant", "clip": 1e-3, "flip": "false",
    "precision": "bf16-mixed",
}  # fmt: skip
OF_A_BASELINE = [
    "scale.steps=8", "scale.max_epochs=1", "scale.trials=2", "scale.precision=bf16",
    "scale.pixel_size=8",
]  # fmt: skip
OF_A_PROBE = ["selection.folds=3", "selection.on_test=true", "max_features=16"]


def weights(make_encoders, at, *overrides):
    (encoder,) = make_encoders(at, *overrides)
    return (encoder.folder / "encoder.safetensors").read_bytes()


@pytest.fixture(scope="module")
def plain(make_round, tmp_path_factory):
    """A round whose records are of the tiny configuration as it is."""
    return make_round(tmp_path_factory.mktemp("plain"))


def test_the_sample_has_every_key_of_the_recipe():
    assert set(RECIPE) == {field.name for field in dataclasses.fields(Recipe)}


@pytest.mark.parametrize("key", RECIPE)
def test_a_key_of_the_recipe_changes_the_weights(make_encoders, plain, at, key):
    changed = weights(make_encoders, at, f"++pretrain.{key}={RECIPE[key]}")
    assert changed != weights(make_encoders, plain)


def test_nothing_else_changes_them(make_encoders, plain, at):
    assert weights(make_encoders, at) == weights(make_encoders, plain)


def recorded(at, cfg, entrants):
    """The choice and the predictions of the first entrant, as they are on disk."""
    how = {"labels_per_class": 3, "draw": 0, "selection": Selection(**cfg.selection)}
    row = score(next(entrants), Contest(at, "all"), **how)[0]
    folder = at.store.path("rows", row["key"])
    told = np.load(folder / "predictions.npz")
    choice = (folder / "choice.json").read_bytes()
    return choice + told["predicted"].tobytes() + told["confidence"].tobytes()


@pytest.mark.parametrize("override", OF_A_BASELINE)
def test_an_option_changes_what_a_baseline_predicts(tiny, plain, at, override):
    before, after = (
        recorded(of, cfg, baseline_entrants(of.images, cfg.baselines))
        for of, cfg in ((plain, tiny("baselines=[small_cnn]")),
                        (at, tiny("baselines=[small_cnn]", override)))
    )  # fmt: skip
    assert before != after


@pytest.mark.parametrize("override", OF_A_PROBE)
def test_an_option_changes_what_a_probe_chooses_or_predicts(
    tiny, make_encoders, plain, at, override
):
    before, after = (
        recorded(of, cfg, probe_entrants(make_encoders(of, *overrides)[0], cfg.probes))
        for of, overrides in ((plain, ["selection.folds=2"]), (at, ["selection.folds=2", override]))
        for cfg in (tiny(*overrides),)
    )
    assert before != after
