"""The effect that a plan quotes is that of an earlier run like it, or says in what that differs."""

import pandas as pd
import pytest
from omegaconf import OmegaConf

from benchmarks.detectable import detectable
from benchmarks.run_files import RunFiles
from benchmarks.significance import PAIR

SIDES = ["block_regression", "linear"], ["block_untrained", "linear"]
ASKED = [
    "methods=[block_regression,block_untrained]", "baselines=[small_cnn]", "folds=[0,1]",
    f"comparisons=[[{','.join('[' + ','.join(side) + ']' for side in SIDES)}]]",
    "primary={labels_per_class:3,classes:all}", "budgets=[3]",
]  # fmt: skip


@pytest.fixture(scope="module")
def asked(tiny):
    return OmegaConf.to_container(tiny(*ASKED))


@pytest.fixture
def plan(asked):
    """The configuration of a run of folds 0 and 1 and seed 0, with overrides."""

    def make(*overrides):
        cfg = OmegaConf.create(asked)
        cfg.merge_with_dotlist(list(overrides))
        return cfg

    return make


@pytest.fixture
def earlier(plan, tmp_path):
    """Folders of finished runs as far as plans read them, of the plan's configuration but for..."""

    def make(name, *overrides, runs=2, points=5.0):
        folder = tmp_path / name
        folder.mkdir()
        OmegaConf.save(plan(*overrides), folder / "config.yaml")
        (folder / "rows.csv").touch()
        row = dict(zip(PAIR, [*SIDES[0], *SIDES[1]], strict=True))
        row |= {"runs": runs, "smallest_detectable": points / 100}
        lines = [row | {"primary": False, "smallest_detectable": 0.5}, row | {"primary": True}]
        pd.DataFrame(lines).to_csv(folder / "comparisons.csv", index=False)
        return RunFiles(folder)

    return make


def test_a_run_of_the_same_folds_and_seeds_comes_before_one_of_others(earlier, plan):
    one = earlier("a_one", "folds=[0]", runs=1, points=9.0)
    seeds = earlier("b_seeds", "folds=[0]", "seeds=[3,4]", points=8.0)
    same = earlier("c_same")
    runs = [one, seeds, same]
    assert detectable(plan(), [], runs) == "5.0 points, as measured in c_same (2 run(s))"
    of_one = "9.0 points, as measured in a_one (1 run(s))"
    assert detectable(plan("folds=[0]"), [], runs) == of_one


def test_a_plan_of_more_folds_says_that_the_figure_is_of_fewer_runs(earlier, plan):
    runs = [earlier("a_one", "folds=[0]", runs=1), earlier("b_two", points=7.0)]
    asked = plan("folds=[0,1,2,3,4]", "draws=2")
    assert detectable(asked, [], runs) == (
        "7.0 points, as measured in b_two (2 run(s)); this plan is of 5 run(s) and differs: "
        "folds [0, 1, 2, 3, 4] in place of [0, 1], draws 2 in place of 1"
    )
    said = detectable(asked, [], runs[:1])
    assert said.startswith("5.0 points, as measured in a_one (1 run(s)); this plan is of 5 run(s)")


def test_draws_are_no_runs_of_their_own(earlier, plan):
    """Tests average the draws of a fold and seed, so four runs of one draw are nearer than two."""
    same, more = earlier("a_same", "draws=3"), earlier("b_more", "seeds=[0,1,2]", runs=6)
    said = detectable(plan("draws=3"), [], [more, same])
    assert said == "5.0 points, as measured in a_same (2 run(s))"


@pytest.mark.parametrize(
    "change",
    ["methods.block_regression.model.norm_groups=2", "pretrain.epochs=9", "max_features=7",
     "probes.linear.probe.folds=9"],
)  # fmt: skip
def test_a_run_of_another_method_comes_after_others_of_as_many_runs(earlier, plan, change):
    other = earlier("a_other", change)
    said = detectable(plan(), [], [other])
    assert "differs: another block_regression (linear)" in said
    like = earlier("b_like", "folds=[2,3]", "split.seed=5")
    said = detectable(plan(), [], [other, like])
    assert "b_like (2 run(s)); this plan is of 2 run(s) and differs: folds [0, 1]" in said
    one = earlier("c_one", "folds=[0]", runs=1)
    assert "in a_other (2 run(s))" in detectable(plan(), [], [one, other])


def test_methods_that_are_not_compared_do_not_matter(earlier, plan):
    other = earlier("other", "baselines.small_cnn.baseline.steps=7", "budgets=[3]")
    assert detectable(plan(), [], [other]).endswith("as measured in other (2 run(s))")


def test_another_split_is_told(earlier, plan):
    run = earlier("other", "split.seed=5")
    assert "differs: another split" in detectable(plan(), [], [run])


@pytest.mark.parametrize("change", ["data.size=20", "name=x", "primary.labels_per_class=2"])
def test_a_run_of_another_experiment_is_no_source(earlier, plan, change):
    with pytest.raises(ValueError, match="need at least one array"):
        detectable(plan(), [], [earlier("other", change)])  # no rounds to count images of either
