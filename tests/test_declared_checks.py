"""What the report alone reads is refused before anything is computed, or can be told."""

import pytest

from benchmarks.declared_checks import check_declared
from benchmarks.errors import ConfigError

REFUSED = {
    "comparisons=null": "lists no pairs",
    "comparisons=[[a,b]]": "no pair of rows",
    "comparisons=[[[alexnet_cl,linear]]]": "no pair of rows",
    "comparisons=[[[alexnet_cl,linear],[alexnet_cl,3]]]": "no pair of rows",
    "comparisons=[[[nope,linear],[alexnet_cl,linear]]]": "nope does not exist",
    "comparisons=[[[alexnet_cl,linea],[splitbrain_cl,linear]]]": "did you mean linear",
    "comparisons=[[[small_resnet,linear],[alexnet_cl,linear]]]": "baselines with pixels",
    "comparisons=[[[alexnet_cl,pixels],[splitbrain_cl,linear]]]": "baselines with pixels",
    "comparisons=[[[alexnet_cl,linear],[alexnet_cl,linear]]]": "against itself",
    "comparisons=[[[alexnet_cl,linear],[chance,pixels]],[[alexnet_cl,linear],[chance,pixels]]]":
        "twice",
    "primary=25": "no endpoint",
    "primary.labels_per_class=x": "whole number",
    "primary.labels_per_class=0": "whole number",
    "primary.classes=null": "does not exist",
    "+primary.task=some": "way_matched",
    "+primary.metric=top1": "primary key=metric",
    "defects=word": "no list of texts",
    "defects=[3]": "no list of texts",
}  # fmt: skip
TAKEN = [
    "comparisons=[]", "primary=null", "primary={labels_per_class:3}", "defects=[range]",
    "comparisons=[[[alexnet_cl,linear@conv3],[small_resnet,pixels]]]",
    "comparisons=[[[splitbrain_cl_exposed,linear],[splitbrain_cl,linear]]]",
]  # fmt: skip


@pytest.mark.parametrize("added", REFUSED)
def test_what_no_report_can_tell_of_is_refused(tiny, added):
    with pytest.raises(ConfigError, match=REFUSED[added]):
        tiny(added)


@pytest.mark.parametrize("added", TAKEN)
def test_what_a_report_can_tell_of_passes(tiny, added):
    check_declared(tiny(added))
