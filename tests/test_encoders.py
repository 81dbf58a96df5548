"""An encoder is on record once, and nothing but the pretrain split's pixels shapes it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmarks import encoders as module
from benchmarks.batches import load
from benchmarks.errors import ConfigError
from models.color import network_input

BLOCK = "methods.block_regression"
GRAY = "probe_inputs='gray[0,1]'"  # quoted, since brackets are lists to Hydra
BINS = "methods=[block_rebalanced]"  # its class weights come from the pretrain split


@pytest.fixture
def make(make_encoders, at):
    """Make the one encoder that overrides of the tiny configuration select."""

    def make_one(*overrides, round_=at):
        (encoder,) = make_encoders(round_, *overrides)
        return encoder

    return make_one


@pytest.fixture
def never(monkeypatch):
    """Call it to make any further training an error."""

    def stop(*_, **__):
        raise AssertionError("trained or extracted again")

    def arm():
        monkeypatch.setattr(module, "pretrain", stop)
        monkeypatch.setattr(module, "extract_latents", stop)

    return arm


def weights(encoder):
    return load_file(encoder.folder / "encoder.safetensors")


def same(one, two):
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_the_same_configuration_is_the_same_record(make, never):
    first = make()
    trained, latents = weights(first), first.latents
    never()
    second = make()
    assert (second.key, second.latents_key) == (first.key, first.latents_key)
    assert same(weights(second), trained)
    ids = first.at.split.pool[:3]
    assert np.array_equal(second.latents.take("mid", ids), latents.take("mid", ids))


def test_nothing_is_trained_before_it_is_asked_for(make, never):
    never()
    encoder = make()
    assert (encoder.label_free, encoder.tap, encoder.bottleneck) == (True, "mid", "bottleneck")
    assert not encoder.at.store.root.exists()


def test_whatever_shapes_the_weights_changes_the_key(make, make_round, tmp_path, pictures):
    other = replace(pictures, fingerprint="another")
    found = [
        make(), make("pretrain.epochs=2"), make("pretrain.lr=2e-3"), make(f"{BLOCK}.pixels=8"),
        make(f"{BLOCK}.pretext.losses={{smooth_l1:2.0}}"), make(BINS),
        make("scale.block_channels=[4,8]"), make(f"+{BLOCK}.pretrain.batch_size=6"),
        make(round_=make_round(tmp_path, seed=1)), make(round_=make_round(tmp_path, fold=1)),
        make(round_=make_round(tmp_path, images=other)),
    ]  # fmt: skip
    assert len({encoder.key for encoder in found}) == len(found)
    assert len({encoder.latents_key for encoder in found}) == len(found)


def test_what_is_read_changes_the_latents_alone(make):
    plain, coarse, other = (
        make(),
        make("max_features=8"),
        make(f"+{BLOCK}.{GRAY}"),
    )
    assert plain.key == coarse.key == other.key
    assert len({e.latents_key for e in (plain, coarse, other)}) == 3


def test_seeds_start_from_other_weights(make, make_round, tmp_path):
    untrained = "pretrain.epochs=0"
    one, two = make(untrained), make(untrained, round_=make_round(tmp_path, seed=1))
    assert not same(weights(one), weights(two))
    assert same(weights(one), one._untrained[0].state_dict())


def test_untrained_keeps_its_random_weights_but_sees_the_batch_statistics(make):
    encoder = make("methods=[splitbrain_untrained]")
    fresh = make("methods=[splitbrain_untrained]")._untrained[0].state_dict()
    moved = {key for key, value in weights(encoder).items() if not torch.equal(value, fresh[key])}
    running = {key for key in fresh if "running_" in key or "num_batches" in key}
    assert running and moved == running


def test_training_moves_the_weights(make):
    encoder = make()
    fresh = make()._untrained[0].state_dict()
    assert all(not torch.equal(v, fresh[k]) for k, v in weights(encoder).items() if "conv" in k)


def test_an_untrained_encoder_does_not_depend_on_what_probes_feed_it(make, make_round, tmp_path):
    """Its key does not name the probe's input, so its statistics must not come from there."""
    method = "methods=[splitbrain_untrained]"
    fed = "+methods.splitbrain_untrained.probe_inputs='L/100,ab/128'"
    plain, other = make(method), make(method, fed, round_=make_round(tmp_path / "other"))
    assert plain.key == other.key
    assert same(weights(plain), weights(other))


def test_copies_of_the_encoder_are_independent_and_thawed(make):
    encoder = make()
    one, two = encoder.encoder(), encoder.encoder()
    for parameter in one.parameters():
        assert parameter.requires_grad
        parameter.data.zero_()
    assert same(two.model.state_dict(), weights(encoder))
    assert same(encoder.encoder().model.state_dict(), weights(encoder))


@pytest.mark.parametrize(
    ("change", "inputs", "side"),
    [
        ((), "L/50-1", 16),
        ((f"{BLOCK}.pixels=8",), "L/50-1", 8),
        ((f"+{BLOCK}.{GRAY}",), "gray[0,1]", 16),
    ],
)
def test_latents_are_of_the_pixels_and_inputs_that_the_method_names(make, change, inputs, side):
    encoder = make("max_features=100000", *change)
    ids = encoder.at.split.test[[5, 0]]
    images = load(encoder.at.images.images, ids, "cpu")
    small = images.reshape(2, 3, side, 16 // side, side, 16 // side).mean((3, 5))
    model = encoder.encoder().model.eval()
    with torch.no_grad():
        expected = model.encode(network_input(small, inputs))["mid"]
    assert expected.shape[-1] == side // 2
    kept = {"rtol": 2**-11, "atol": 1e-4}  # the rounding of float16
    np.testing.assert_allclose(encoder.latents.take("mid", ids), expected, **kept)


def test_latents_are_of_pool_and_test_alone(make):
    encoder = make("pretrain.epochs=0")
    split = encoder.at.split
    assert encoder.latents.ids.tolist() == sorted([*split.pool, *split.test])
    with pytest.raises(KeyError):
        encoder.latents.take("mid", split.pretrain[:1])


@pytest.mark.parametrize("method", ["block_regression", "block_rebalanced", "splitbrain_untrained"])
def test_only_the_pretrain_split_shapes_the_encoder(make, make_round, pictures, tmp_path, method):
    """Pool, test and unseen images are replaced by noise: no bit of the weights may change."""
    plain = make(f"methods=[{method}]")
    inside = np.isin(np.arange(len(pictures.labels)), plain.at.split.pretrain)
    assert set(pictures.labels[inside]) == set(plain.at.split.seen)
    for spoiled, equal in ((~inside, True), (inside, False)):
        images = np.array(pictures.images)
        noise = np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)
        images[spoiled] = noise[spoiled]
        root = tmp_path / f"{method}-{equal}"
        other = make(
            f"methods=[{method}]", round_=make_round(root, images=replace(pictures, images=images))
        )
        assert same(weights(other), weights(plain)) is equal


STAGES = ("methods=[colorful_l2_ft]", "scale.colorful_width=0.05", "max_features=64")


def test_a_second_stage_begins_with_the_weights_of_the_first(make):
    # No step is taken in the second stage, so that what it began with is what it leaves.
    second = make(*STAGES, "+methods.colorful_l2_ft.pretrain.epochs=0")
    begun, first = weights(second), weights(second.start)
    differ = {name for name in begun if begun[name].shape != first[name].shape}
    assert len(differ) == 2  # weight and bias of the head: 313 classes against 2 values
    learned = [name for name in begun if name.endswith("weight") and name not in differ]
    assert learned
    assert all(torch.equal(begun[name], first[name]) for name in learned)


def test_a_second_stage_is_keyed_by_the_first(make):
    one, other = make(*STAGES), make(*STAGES, "methods.colorful_l2_ft.start.colorful.tap=conv4")
    changed = make(*STAGES, "methods.colorful_l2_ft.start.colorful.pretext.output.rebalance=null")
    assert one.key == other.key  # the tap has no part in training
    assert one.key != changed.key
    assert one.start.key != one.key


def test_a_size_that_does_not_fit_is_told_before_training(make, never):
    never()
    encoder = make("methods.block_regression.pixels=15")
    with pytest.raises(ConfigError, match=r"block_regression at 15 px: .*multiples of 2"):
        encoder.check()
