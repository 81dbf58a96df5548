"""A choice that does not exist is answered by the nearest one, or by all."""

import pytest

from benchmarks.choices import check_choice, options, unknown
from benchmarks.errors import ConfigError


def test_options_are_the_handles_of_a_group():
    assert options("quality") == ["none", "standard"] and options("nothing") == []


def test_the_nearest_is_offered_and_all_are_told():
    said = unknown("probes", "liner", ["knn", "linear"])
    assert said.cause == "probes=liner does not exist"
    assert said.remedy == "did you mean linear? known: knn, linear"
    assert unknown("probes", "zzz", []).remedy == "known: none"


def test_what_exists_passes():
    check_choice("device", "cpu", ("auto", "cpu"))
    with pytest.raises(ConfigError, match="device=None does not exist"):
        check_choice("device", None, ("auto", "cpu"))
