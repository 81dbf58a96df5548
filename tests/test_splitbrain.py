from functools import partial

import pytest
import torch
from hydra.utils import instantiate

from models.alexnet import HalfAlexNet
from models.block_autoencoder import BlockAutoencoder
from models.splitbrain import SplitBrain

HALVES = {
    "alexnet": partial(HalfAlexNet, stride=2, fc_width=16, width=0.125),
    "blocks": partial(BlockAutoencoder, block_channels=(8, 8), layers_per_block=1),
}


@pytest.fixture(params=HALVES)
def model(request) -> SplitBrain:
    torch.manual_seed(0)
    return SplitBrain(out_channels=(7, 5), half=HALVES[request.param]).eval()


def test_outputs_are_those_of_the_halves_on_their_channels(model):
    x = torch.randn(2, 3, 16, 16)
    from_l, from_ab = model(x)
    torch.testing.assert_close(from_l, model.l_to_ab(x[:, :1]))
    torch.testing.assert_close(from_ab, model.ab_to_l(x[:, 1:]))
    assert (from_l.shape[1], from_ab.shape[1]) == (7, 5)


def test_each_half_sees_only_its_channels(model):
    x = torch.randn(2, 3, 16, 16)
    other_ab, other_l = x.clone(), x.clone()
    other_ab[:, 1:] += 1.7 * torch.randn(2, 2, 16, 16)
    other_l[:, :1] += 1.7 * torch.randn(2, 1, 16, 16)
    (from_l, from_ab), (l_kept, ab_moved), (l_moved, ab_kept) = map(model, (x, other_ab, other_l))
    assert torch.equal(from_l, l_kept)
    assert torch.equal(from_ab, ab_kept)
    assert not torch.allclose(from_ab, ab_moved)
    assert not torch.allclose(from_l, l_moved)


def test_taps_are_concatenated_by_channel_with_l_first(model):
    x = torch.randn(2, 3, 16, 16)
    maps, from_l = model.encode(x), model.l_to_ab.encode(x[:, :1])
    from_ab = model.ab_to_l.encode(x[:, 1:])
    assert tuple(maps) == model.taps == model.l_to_ab.taps
    assert model.bottleneck == model.l_to_ab.bottleneck
    assert {tap: value.shape[1] for tap, value in maps.items()} == model.channels
    for tap, value in maps.items():
        half = from_l[tap].shape[1]
        assert torch.equal(value[:, :half], from_l[tap])
        assert torch.equal(value[:, half:], from_ab[tap])


def test_halves_share_no_weight_and_both_learn(model):
    from_l, from_ab = model.train()(torch.randn(2, 3, 16, 16))
    (from_l.square().mean() + from_ab.square().mean()).backward()
    left = {id(parameter) for parameter in model.l_to_ab.parameters()}
    assert left.isdisjoint(id(parameter) for parameter in model.ab_to_l.parameters())
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_defaults_are_the_classification_form_of_the_paper():
    with torch.device("meta"):
        model = SplitBrain(half=HalfAlexNet)
    total = sum(parameter.numel() for parameter in model.parameters())
    assert total == 15_211_161 + 14_678_082
    assert list(model.channels.values()) == [96, 256, 384, 384, 256]


def test_a_config_builds_it_with_channel_pairs_given_at_run_time():
    half = {"_target_": "models.alexnet.HalfAlexNet", "_partial_": True, "fc_width": 8, "stride": 2}
    handle = {"_target_": "models.splitbrain.SplitBrain", "half": half}
    model = instantiate(handle, in_channels=(1, 2), out_channels=(4, 3))
    from_l, from_ab = model(torch.randn(2, 3, 16, 16))
    assert (from_l.shape[1], from_ab.shape[1]) == (4, 3)


def test_wrong_channel_count_is_refused(model):
    with pytest.raises(ValueError, match="expected 3 channels"):
        model(torch.randn(2, 1, 16, 16))
