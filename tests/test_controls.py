"""Mandatory controls: told by what a handle does, demanded at the start and by every table."""

import pytest

from benchmarks.checks import check
from benchmarks.controls import EXPOSED, MANDATORY, absent, controls, lacking, require
from benchmarks.errors import ConfigError, IntegrityError
from benchmarks.settings import load_config, plain

WHOLE = ["methods=[block_regression,block_untrained]", "probes=[linear,shuffled]",
         "baselines=[chance,small_cnn,pixel_linear]"]  # fmt: skip
ROLES = {
    "untrained encoder": [["block_untrained", "linear"]],
    "trained from scratch": [["small_cnn", "pixels"]],
    "shuffled labels": [["block_regression", "shuffled"], ["block_untrained", "shuffled"]],
    "chance": [["chance", "pixels"]],
    "pixels or colour alone": [["pixel_linear", "pixels"]],
}


def test_roles_are_those_of_what_a_handle_does():
    assert controls(load_config(WHOLE)) == ROLES
    assert set(ROLES) == set(MANDATORY)


def test_a_name_makes_no_control():
    """Trained for one pass, a method called untrained is none; and the other way round."""
    cfg = load_config([*WHOLE, "methods.block_untrained.pretrain.epochs=1"])
    assert lacking(cfg) == ["untrained encoder"]
    cfg = load_config([*WHOLE, "+methods.block_regression.pretrain.epochs=0"])
    assert ["block_regression", "linear"] in controls(cfg)["untrained encoder"]


@pytest.mark.parametrize(
    ("without", "role"),
    [
        ("methods=[block_regression]", "untrained encoder"),
        ("probes=[linear]", "shuffled labels"),
        ("baselines=[small_cnn,pixel_linear]", "chance"),
        ("baselines=[chance,pixel_linear]", "trained from scratch"),
        ("baselines=[chance,small_cnn]", "pixels or colour alone"),
        ("+probes.shuffled.methods=[nobody]", "shuffled labels"),
    ],
)
def test_without_a_control_nothing_starts_unless_it_is_declared(without, role):
    cfg = load_config([*WHOLE, without])
    cfg.exploratory = False
    with pytest.raises(ConfigError, match=f"controls are missing: {role}\n.*exploratory=true"):
        check(cfg)
    cfg.exploratory = True
    check(cfg)


def test_a_part_chosen_on_the_command_line_is_exploratory_by_itself():
    assert not load_config([]).exploratory
    assert not load_config(WHOLE).exploratory
    assert load_config(["methods=[splitbrain_cl]"]).exploratory
    assert load_config(["probes=[linear]"]).exploratory


def test_a_table_without_its_control_is_refused_or_marked():
    pairs = {(method, classifier) for rows in ROLES.values() for method, classifier in rows}
    assert require(pairs, {"controls": ROLES}) == ""
    for lost in (("block_untrained", "linear"), ("small_cnn", "pixels")):
        with pytest.raises(IntegrityError, match="lacks its controls"):
            require(pairs - {lost}, {"controls": ROLES})
    fewer = pairs - {("small_cnn", "pixels")}
    mark = require(fewer, {"controls": ROLES, "exploratory": True})
    assert mark == "Exploratory: lacks trained from scratch. "
    assert absent(pairs, {}) == list(MANDATORY), "a run that declares nothing has nothing"


def test_a_chance_level_by_number_and_probes_of_each_tap_count():
    roles = {**ROLES, "untrained encoder": [["block_untrained", "linear_at"]], "chance": []}
    pairs = {("block_untrained", "linear_at@mid"), ("small_cnn", "pixels"),
             ("block_regression", "shuffled"), ("pixel_linear", "pixels")}  # fmt: skip
    assert absent(pairs, {"controls": roles}) == ["chance"]
    assert absent(pairs, {"controls": roles, "chance": 0.05}) == []


def test_exposure_adds_a_twin_and_its_beginnings():
    cfg = load_config(["methods=[block_regression,colorful_l2_ft]",
                       "exposure=[block_regression,colorful_l2_ft]"])  # fmt: skip
    twin = plain(cfg.methods["block_regression" + EXPOSED])
    assert twin == {**plain(cfg.methods.block_regression), "exposed": True}
    begun = cfg.methods["colorful_l2_ft" + EXPOSED].start
    assert all(first.exposed for first in begun.values()) and len(begun) == 1


def test_exposure_of_what_does_not_compete():
    cfg = load_config(["methods=[block_regression]", "exposure=[block_untrained]"])
    with pytest.raises(ConfigError, match="exposure=block_untrained does not exist"):
        check(cfg)
    part = load_config(["exp=food101_holdout", "methods=[block_regression]"])
    assert plain(part.exposure) == []  # declared by the experiment, of a method not chosen


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("tasks=[all,way_matched]", "nothing to match"),
        ("tasks=[all,unseen,way_matched] way_matched.classifiers=[knn]", "classifiers=knn"),
        ("way_matched.draws=0", "way_matched.draws=0"),
    ],
)
def test_way_matched_tasks_that_cannot_be(override, said):
    with pytest.raises(ConfigError, match=said):
        check(load_config([*WHOLE, *override.split()]))
