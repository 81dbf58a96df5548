import copy
import hashlib

import pytest
import torch
from torch import nn

from models.alexnet import HalfAlexNet
from models.color import network_input
from models.encoder import Encoder, EncoderClassifier, FrozenEncoder, weights_hash

INPUTS = "L/50-1"


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    return Encoder(HalfAlexNet(1, 2, stride=2, fc_width=8, width=0.125), INPUTS)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(1))


def test_encoder_normalises_its_own_input(encoder, images):
    encoder.eval()
    expected = encoder.model.encode(network_input(images, INPUTS))
    actual = encoder(images)
    assert tuple(actual) == encoder.taps == encoder.model.taps
    assert encoder.bottleneck == "conv5"
    assert all(torch.equal(actual[tap], expected[tap]) for tap in encoder.taps)
    assert {tap: maps.shape[1] for tap, maps in actual.items()} == encoder.channels


def test_encoder_trains(encoder, images):
    encoder(images)[encoder.bottleneck].sum().backward()
    assert encoder.model.conv1[0].weight.grad is not None


def test_frozen_encoder_gives_the_encoders_evaluation_taps(encoder, images):
    expected = copy.deepcopy(encoder).eval()(images)
    frozen = FrozenEncoder(encoder)
    actual = frozen(images)
    assert tuple(actual) == frozen.taps
    assert all(torch.equal(actual[tap], expected[tap]) for tap in expected)
    assert frozen.channels == encoder.channels
    assert frozen.bottleneck == encoder.bottleneck


def test_train_cannot_thaw_a_frozen_encoder(encoder, images):
    frozen = FrozenEncoder(encoder)
    parent = nn.ModuleDict({"encoder": frozen, "head": nn.BatchNorm2d(3)})
    before = {name: value.clone() for name, value in frozen.named_buffers()}
    assert frozen.train() is frozen
    parent.train()
    frozen(images)
    assert parent["head"].training
    assert not any(module.training for module in frozen.modules())
    assert before
    assert all(torch.equal(before[name], value) for name, value in frozen.named_buffers())


def test_no_gradient_reaches_a_frozen_encoder(encoder, images):
    frozen = FrozenEncoder(encoder)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    head = nn.Linear(encoder.channels["conv5"], 2)
    maps = frozen(images.requires_grad_())["conv5"]
    head(maps.mean((2, 3))).sum().backward()
    assert images.grad is None
    assert all(parameter.grad is None for parameter in frozen.parameters())


def test_weights_hash_is_kept_by_a_frozen_encoder_and_changed_by_a_thawed_one(encoder, images):
    before = weights_hash(encoder)
    FrozenEncoder(encoder).train()(images)
    assert weights_hash(encoder) == before
    encoder.train()(images)
    assert weights_hash(encoder) != before, "running statistics are part of the hash"


def test_weights_hash_changes_with_one_weight_and_returns_with_it(encoder):
    before = weights_hash(encoder)
    weight = encoder.model.conv4[0].weight
    with torch.no_grad():
        old = weight[0, 0, 0, 0].item()
        weight[0, 0, 0, 0] = old + 1e-6
        assert weights_hash(encoder) != before
        weight[0, 0, 0, 0] = old
    assert weights_hash(encoder) == before


def test_weights_hash_is_sha256_of_names_types_shapes_and_bytes():
    module = nn.Linear(2, 1)
    text = hashlib.sha256()
    for name, value in (("bias", module.bias), ("weight", module.weight)):
        text.update(f"{name}|torch.float32|{tuple(value.shape)}\n".encode())
        text.update(value.detach().numpy().tobytes())
    assert weights_hash(module) == text.hexdigest()


def test_weights_hash_ignores_layout_but_not_name_type_or_shape():
    conv = nn.Conv2d(3, 4, 3)
    plain = weights_hash(conv)
    assert weights_hash(copy.deepcopy(conv).to(memory_format=torch.channels_last)) == plain
    assert weights_hash(nn.Sequential(conv)) != plain
    assert weights_hash(copy.deepcopy(conv).bfloat16()) != plain
    flat, square = nn.Module(), nn.Module()
    flat.register_buffer("x", torch.zeros(4))
    square.register_buffer("x", torch.zeros(2, 2))
    assert weights_hash(flat) != weights_hash(square)


@pytest.mark.parametrize("tap", ["conv2", "conv5"])
def test_classifier_is_a_linear_layer_on_the_averaged_tap(encoder, images, tap):
    model = EncoderClassifier(encoder, tap=tap, n_classes=3).eval()
    maps = encoder(images)[tap]
    pooled = maps.flatten(2).sum(2) / (maps.shape[2] * maps.shape[3])
    expected = torch.einsum("nc,kc->nk", pooled, model.linear.weight) + model.linear.bias
    torch.testing.assert_close(model(images), expected)


def test_classifier_trains_encoder_and_head(encoder, images):
    model = EncoderClassifier(encoder, tap="conv5", n_classes=3)
    nn.functional.cross_entropy(model(images), torch.tensor([0, 1, 2, 0])).backward()
    assert encoder.model.conv1[0].weight.grad.abs().sum() > 0
    assert model.linear.weight.grad.abs().sum() > 0


def test_unknown_tap_is_refused_with_the_known_ones(encoder):
    with pytest.raises(ValueError, match=r"got 'conv9'.*'conv1'"):
        EncoderClassifier(encoder, tap="conv9", n_classes=3)
