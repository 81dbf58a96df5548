"""Handles become entrants that read what they declare; a change of a handle is another entrant."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import alexnet

from benchmarks.contest import Contest
from benchmarks.entrants import baseline_entrants, entrants, probe_entrants
from benchmarks.errors import ConfigError
from benchmarks.scoring import Pixels, score
from benchmarks.selection import Selection
from models.encoder import EncoderClassifier
from probes.conv_head import ConvHead
from probes.finetune import Finetune
from probes.linear import LinearProbe
from probes.mlp import MlpProbe

PROBES = "probes=[linear,mlp,conv_head,finetune,shuffled]"
TAPS = ("conv_in", "down0", "down1", "mid", "bottleneck")


@pytest.fixture(scope="module")
def shared(make_round, tmp_path_factory):
    """A round whose encoder all tests of this file may share."""
    return make_round(tmp_path_factory.mktemp("entrants"))


@pytest.fixture(scope="module")
def field(tiny, make_encoders, shared):
    """Make the entrants of a configuration, by classifier or, for a baseline, by name."""

    def make(*overrides, at=shared):
        cfg = tiny(*overrides)
        found = entrants(make_encoders(at, *overrides), cfg.probes, cfg.baselines, at.images)
        return {e.method if e.classifier == "pixels" else e.classifier: e for e in found}

    return make


@pytest.mark.parametrize(
    ("classifier", "kind", "taps", "default"),
    [
        ("linear", LinearProbe, TAPS, "mid"),
        ("mlp", MlpProbe, ("mid",), "mid"),
        ("conv_head", ConvHead, ("bottleneck",), "bottleneck"),
        ("finetune", Finetune, ("mid",), "mid"),
        ("shuffled", LinearProbe, ("mid",), "mid"),
    ],
)
def test_a_probe_reads_what_its_handle_says(field, shared, classifier, kind, taps, default):
    entrant = field(PROBES)[classifier]
    features, probe = entrant.features(), entrant.probe(7)
    assert (entrant.method, entrant.label_free) == ("block_regression", True)
    assert (tuple(features.taps), entrant.default_tap) == (taps, default)
    assert isinstance(probe, kind) and probe.seed == 7
    assert entrant.probe(7) is not probe
    assert entrant.shuffle is (classifier == "shuffled")
    X = features.take(taps[-1], shared.split.pool[:2])
    pixels = classifier == "finetune"
    assert X.dtype == (np.uint8 if pixels else np.float32)
    assert X.shape[:1] == (2,)


def test_the_tap_of_a_method_is_its_own_or_else_the_bottleneck(field):
    own = field("methods.block_regression.tap=down0", PROBES)
    assert {own[name].default_tap for name in ("linear", "mlp", "finetune")} == {"down0"}
    assert own["mlp"].features().taps == ("down0",)
    assert own["conv_head"].default_tap == "bottleneck"
    none = field("methods.block_regression.tap=null", PROBES)
    assert none["mlp"].default_tap == "bottleneck"


def test_finetuning_starts_from_the_trained_weights_each_time(field, make_encoders, shared):
    (encoder,) = make_encoders(shared)
    network = field(PROBES)["finetune"].probe(0).network
    one, two = network(n_classes=3), network(n_classes=3)
    assert isinstance(one, EncoderClassifier) and one.tap == "mid"
    for other in (two.encoder, encoder.encoder()):
        for name, value in one.encoder.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name
    next(one.encoder.parameters()).data.zero_()
    assert next(two.encoder.parameters()).data.any()


def test_baselines_read_pixels_and_depend_on_no_method(field, shared):
    found = field("baselines=[pixel_linear,chance]", "methods=[]")
    assert set(found) == {"pixel_linear", "chance"}
    for entrant in found.values():
        features = entrant.features()
        assert isinstance(features, Pixels) and entrant.classifier == "pixels"
        assert features.take("pixels", np.array([3])).shape == (1, 16, 16, 3)
        assert np.array_equal(features.take("pixels", np.array([3]))[0], shared.images.images[3])


def test_every_probe_meets_every_method_and_then_the_baselines_come(tiny, make_encoders, shared):
    overrides = ["methods=[block_regression,block_untrained]", "probes=[linear,mlp]"]
    cfg = tiny(*overrides)
    found = entrants(make_encoders(shared, *overrides), cfg.probes, cfg.baselines, shared.images)
    assert [(e.method, e.classifier) for e in found] == [
        ("block_regression", "linear"), ("block_regression", "mlp"),
        ("block_untrained", "linear"), ("block_untrained", "mlp"), ("chance", "pixels"),
    ]  # fmt: skip


def test_a_probe_may_be_meant_for_some_methods_only(tiny, make_encoders, shared):
    overrides = [
        "methods=[block_regression,block_untrained]", "probes=[linear,mlp]",
        "+probes.mlp.methods=[block_untrained]",
    ]  # fmt: skip
    probes = tiny(*overrides).probes
    found = [e for m in make_encoders(shared, *overrides) for e in probe_entrants(m, probes)]
    assert [(e.method, e.classifier) for e in found] == [
        ("block_regression", "linear"), ("block_untrained", "linear"), ("block_untrained", "mlp"),
    ]  # fmt: skip


def test_a_probe_of_each_tap_is_an_entrant_a_tap(field, shared):
    found = field("probes=[linear_at]", "scale.steps=4")
    assert [name for name in found if "@" in name] == [f"linear_at@{tap}" for tap in TAPS]
    contest = Contest(shared, "all", largest_budget=3)
    keys = set()
    for tap in TAPS:
        entrant = found[f"linear_at@{tap}"]
        assert tuple(entrant.features().taps) == (tap,)
        rows = score(entrant, contest, labels_per_class=3, draw=0, selection=Selection(folds=1))
        assert {row["tap"] for row in rows} == {tap}
        keys |= {row["key"] for row in rows}
    assert len(keys) == len(TAPS)


def test_what_a_probe_cannot_read_is_refused(field):
    with pytest.raises(ConfigError, match=r"cannot read pictures\nknown: taps, tap, each_tap"):
        field("probes.linear.reads=pictures")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("+probes.shuffled.probe.wieght_decays=[1.0]", r"probes\.linear\.LinearProbe: .*wieght"),
        ("probes.shuffled.reads=pictures", "cannot read pictures"),
        ("+baselines.chance.baseline.colour=red", r"probes\.chance\.Chance: .*colour"),
        ("methods.block_untrained.tap=middle", "block_untrained has no tap middle"),
    ],
)
def test_a_bad_setting_is_told_before_anything_is_trained(
    field, make_round, tmp_path, change, said
):
    at = make_round(tmp_path / "cache")
    two = "methods=[block_regression,block_untrained]"
    with pytest.raises(ConfigError, match=said):
        field(two, "probes=[linear,shuffled]", change, at=at)
    assert not at.store.root.exists()


@pytest.mark.parametrize("change", [
    "+probes.linear.probe.max_iter=5", "probes.linear.reads=tap", "pretrain.epochs=2",
    "methods.block_regression.tap=down0", "max_features=32", "scale.block_channels=[4,8]",
])  # fmt: skip
def test_another_handle_is_another_record(field, change):
    assert field(change)["linear"].made_of != field()["linear"].made_of
    assert field()["linear"].made_of == field()["linear"].made_of


def test_another_baseline_is_another_record(tiny, pictures):
    def made_of(*overrides):
        (entrant,) = baseline_entrants(
            pictures, tiny("baselines=[small_cnn]", *overrides).baselines
        )
        return entrant.made_of

    assert made_of() == made_of()
    assert made_of("scale.steps=5") != made_of()
    assert made_of("+baselines.small_cnn.baseline.augment=none") != made_of()


def test_every_entrant_gives_rows(field, shared):
    """The whole way, tiny: frozen and fine-tuned encoders, pixels, controls."""
    contest = Contest(shared, "all", largest_budget=3)
    few = "scale.max_epochs=1"
    for entrant in field(PROBES, few, "baselines=[small_cnn,pixel_linear,chance]").values():
        rows = score(entrant, contest, labels_per_class=3, draw=0, selection=Selection(folds=1))
        assert len(rows) == 9
        assert all(np.isfinite(row["value"]) for row in rows)


def test_a_method_whose_loss_saw_labels_is_marked(field, tmp_path):
    """A trunk from a file may have learned from labels; a random one cannot."""
    trunk = tmp_path / "trunk.safetensors"
    save_file(alexnet().features.state_dict(), trunk)
    marks = [
        field("methods=[block_lpips]", f"scale.lpips={lpips}")["linear"].label_free
        for lpips in ("random", trunk)
    ]
    assert marks == [True, False]
