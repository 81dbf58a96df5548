"""Decoding and cross-entropy of the outputs against loops and closed forms."""

import math

import pytest
import torch

from models.outputs import ColorBins, LightnessBins, Regression, enlarge, shrink


def random_ab(size: int = 4) -> torch.Tensor:
    return torch.rand(2, 2, size, size, generator=torch.Generator().manual_seed(3)) * 60 - 30


def random_logits(channels: int, size: int = 4) -> torch.Tensor:
    return torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(4))


def test_regression_decodes_to_units():
    raw = torch.tensor([-3.0, 0.0, 0.5]).view(1, 1, 1, 3)
    bounded = Regression(1, 50, offset=50).decode(raw).flatten().tolist()
    expected = [50 + 50 * math.tanh(value) for value in (-3, 0, 0.5)]
    assert bounded == pytest.approx(expected, rel=1e-4)
    assert Regression(1, 110, bound=None).decode(raw).flatten().tolist() == [-330, 0, 55]
    assert Regression(2, 110).out_channels == 2


def test_regression_decodes_half_precision_in_float32():
    raw = torch.tensor([0.3]).view(1, 1, 1, 1).bfloat16()
    decoded = Regression(1, 110).decode(raw)
    assert decoded.dtype == torch.float32
    torch.testing.assert_close(decoded, 110 * raw.float().tanh())


@pytest.mark.parametrize("make", [lambda: Regression(0, 1), lambda: Regression(2, 0)])
def test_regression_refuses_nonsense(make):
    with pytest.raises(ValueError, match="expected channels"):
        make()


def test_one_hot_cross_entropy_against_a_loop():
    output, ab, raw = ColorBins(), random_ab(), random_logits(313)
    total = 0.0
    for image in range(2):
        for row in range(4):
            for column in range(4):
                distance = (output.bins.centers - ab[image, :, row, column]).square().sum(1)
                logits = raw[image, :, row, column].double()
                total += (logits.logsumexp(0) - logits[distance.argmin()]).item()
    assert output.cross_entropy(raw, ab).item() == pytest.approx(total / 32, rel=1e-5)


def test_soft_cross_entropy_against_a_dense_target():
    output, ab, raw = ColorBins(soft=True), random_ab(), random_logits(313)
    indices, shares = output.bins.soft(ab)
    dense = torch.zeros_like(raw).scatter_(1, indices, shares)
    expected = torch.nn.functional.cross_entropy(raw, dense)
    torch.testing.assert_close(output.cross_entropy(raw, ab), expected)


@pytest.mark.parametrize("soft", [False, True])
def test_equal_logits_cost_the_logarithm_of_the_bins(soft):
    loss = ColorBins(soft=soft).cross_entropy(torch.zeros(2, 313, 4, 4), random_ab())
    assert loss.item() == pytest.approx(math.log(313), rel=1e-6)


@pytest.mark.parametrize("soft", [False, True])
def test_rebalanced_cross_entropy_weights_pixels_by_their_nearest_bin(soft):
    output, ab, raw = ColorBins(soft=soft, rebalance=0.5), random_ab(), random_logits(313)
    output.prepare([ab[:1], ab[1:]])
    prior = output.bins.prior(ab)
    torch.testing.assert_close(output.weights, output.bins.rebalancing_weights(prior, 0.5))
    plain, total = ColorBins(soft=soft), 0.0
    for row in range(4):
        for column in range(4):
            pixel = (slice(0, 1), slice(None), slice(row, row + 1), slice(column, column + 1))
            weight = output.weights[output.bins.hard(ab[pixel]).item()]
            total += (weight * plain.cross_entropy(raw[pixel], ab[pixel])).item()
    assert output.cross_entropy(raw[:1], ab[:1]).item() == pytest.approx(total / 16, rel=1e-4)


def test_expected_weight_is_one_on_the_pixels_it_was_prepared_with():
    output, ab = ColorBins(rebalance=0.5), random_ab(16)
    output.prepare([ab])
    assert output.weights[output.bins.hard(ab)].mean().item() == pytest.approx(1, rel=1e-5)
    loss = output.cross_entropy(torch.zeros(2, 313, 16, 16), ab)
    assert loss.item() == pytest.approx(math.log(313), rel=1e-5)


def test_weights_are_saved_and_needed():
    output, ab, raw = ColorBins(rebalance=0.5), random_ab(), random_logits(313)
    with pytest.raises(ValueError, match="call prepare"):
        output.cross_entropy(raw, ab)
    output.prepare([ab])
    copy = ColorBins(rebalance=0.5)
    copy.load_state_dict(output.state_dict())
    assert list(output.state_dict()) == ["weights"]
    torch.testing.assert_close(copy.cross_entropy(raw, ab), output.cross_entropy(raw, ab))
    assert not ColorBins(soft=True).state_dict()


def test_without_rebalancing_prepare_reads_nothing():
    batches = iter([random_ab()])
    ColorBins().prepare(batches)
    assert len(list(batches)) == 1


def test_prepare_refuses_an_empty_split():
    with pytest.raises(ValueError, match="give it images"):
        ColorBins(rebalance=0.5).prepare([])


@pytest.mark.parametrize("settings", [{"rebalance": 0}, {"rebalance": 2.0}, {"temperature": 0}])
def test_color_bins_refuse_bad_settings(settings):
    with pytest.raises(ValueError, match="expected"):
        ColorBins(**settings)


def test_color_bins_decode_a_sure_answer_to_its_center():
    output = ColorBins()
    raw = torch.zeros(1, 313, 1, 1)
    raw[0, 42] = 40
    torch.testing.assert_close(output.decode(raw).flatten(), output.bins.centers[42])


def test_cross_entropy_gradients_are_finite():
    raw = (random_logits(313) * 100).requires_grad_()
    (gradient,) = torch.autograd.grad(ColorBins(soft=True).cross_entropy(raw, random_ab()), raw)
    assert gradient.isfinite().all()


def test_lightness_bins_against_a_loop():
    output, raw = LightnessBins(), random_logits(50, 3)
    lightness = torch.rand(2, 1, 3, 3, generator=torch.Generator().manual_seed(5)) * 100
    flat = raw.permute(0, 2, 3, 1).reshape(-1, 50).double()
    losses, means = [], []
    for logits, value in zip(flat, lightness.flatten().tolist(), strict=True):
        losses.append((logits.logsumexp(0) - logits[int(value // 2)]).item())
        means.append(sum(p * (2 * i + 1) for i, p in enumerate(logits.softmax(0).tolist())))
    loss = output.cross_entropy(raw, lightness).item()
    assert loss == pytest.approx(sum(losses) / len(losses), rel=1e-5)
    assert output.decode(raw).flatten().tolist() == pytest.approx(means, rel=1e-5)
    assert not output.state_dict()


def test_shrink_averages_areas_and_enlarge_interpolates():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    small = shrink(x, torch.empty(1, 5, 2, 2))
    assert small.flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert shrink(x, x) is x
    assert enlarge(x, x) is x
    large = enlarge(torch.tensor([[[[0.0, 1.0]]]]), torch.empty(1, 3, 1, 4))
    assert large.flatten().tolist() == [0, 0.25, 0.75, 1]
