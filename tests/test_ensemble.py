from functools import partial

import pytest
import torch

from models.alexnet import HalfAlexNet
from models.ensemble import Ensemble

MEMBER = partial(HalfAlexNet, stride=2, fc_width=16, width=0.125)


@pytest.fixture
def model() -> Ensemble:
    torch.manual_seed(0)
    return Ensemble(1, (7, 2), member=MEMBER).eval()


def test_every_member_sees_the_whole_input(model):
    x = torch.randn(2, 1, 16, 16)
    first, second = model(x)
    torch.testing.assert_close(first, model.members[0](x))
    torch.testing.assert_close(second, model.members[1](x))
    assert (first.shape[1], second.shape[1]) == (7, 2)


def test_taps_are_concatenations(model):
    x = torch.randn(2, 1, 16, 16)
    maps = model.encode(x)
    first, second = (member.encode(x) for member in model.members)
    assert tuple(maps) == model.taps == tuple(model.channels)
    assert model.bottleneck == "conv5"
    for tap, value in maps.items():
        assert torch.equal(value, torch.cat([first[tap], second[tap]], dim=1))
        assert value.shape[1] == model.channels[tap]
        assert not torch.equal(first[tap], second[tap]), "members start from other weights"


def test_encode_runs_no_top(model):
    calls = []
    for member in model.members:
        member.fc6.register_forward_hook(lambda *_: calls.append("fc6"))
    model.encode(torch.randn(1, 1, 16, 16))
    assert calls == []


def test_members_share_no_weight_and_all_learn(model):
    outputs = model.train()(torch.randn(2, 1, 16, 16))
    sum(raw.square().mean() for raw in outputs).backward()
    first, second = ({id(p) for p in member.parameters()} for member in model.members)
    assert first.isdisjoint(second)
    assert all(p.grad is not None for p in model.parameters())


def test_one_member_is_that_network():
    torch.manual_seed(0)
    model, x = Ensemble(1, (7,), member=MEMBER).eval(), torch.randn(2, 1, 16, 16)
    torch.manual_seed(0)
    alone = MEMBER(1, 7).eval()
    torch.testing.assert_close(model(x)[0], alone(x))
    assert model.channels == alone.channels


def test_two_half_alexnets_have_the_parameters_of_two():
    with torch.device("meta"):
        model = Ensemble(1, (313, 2), member=HalfAlexNet)
    total = sum(parameter.numel() for parameter in model.parameters())
    assert total == 2 * 15_211_161 - 311 * 2049, "the second has 2 outputs in place of 313"
    assert list(model.channels.values()) == [96, 256, 384, 384, 256]


def test_no_members_are_refused():
    with pytest.raises(ValueError, match="at least one member"):
        Ensemble(1, (), member=MEMBER)
