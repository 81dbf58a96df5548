"""Every measure against another way to get its value: scikit-image, numpy or plain loops."""

import math

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks.picture_metrics import (
    PictureMetrics,
    ab_counts,
    auc_area,
    class_weights,
    colourfulness,
    edge_agreement,
    gamut_edge,
    out_of_gamut,
    pooled,
    psnr,
    ssim,
)
from models.color import lab_to_rgb
from models.quantize import AbBins, ab_bin_centers

CENTERS = ab_bin_centers()


def smooth(seed: int, n: int = 3, size: tuple[int, int] = (20, 24)) -> torch.Tensor:
    """Pictures with large and small structure, of all values."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, 3, 5, 6, generator=generator)
    fine = torch.rand(n, 3, *size, generator=generator)
    large = torch.nn.functional.interpolate(coarse, size=size, mode="bilinear")
    return 0.8 * large + 0.2 * fine


@pytest.fixture(scope="module")
def truth():
    return smooth(0)


@pytest.fixture(scope="module")
def predicted(truth):
    return (0.7 * truth + 0.3 * smooth(1)).clamp(0, 1)


@pytest.fixture(scope="module")
def prior():
    """Counts of colours that leave most bins empty."""
    return ab_counts(smooth(2, n=4), AbBins())


@pytest.fixture(scope="module")
def measured(predicted, truth, prior):
    return PictureMetrics(prior, "cpu")(predicted, truth)


def last(images: torch.Tensor) -> np.ndarray:
    return images.permute(0, 2, 3, 1).double().numpy()


def ab_of(images: torch.Tensor) -> np.ndarray:
    """ab by scikit-image, (n, h, w, 2)."""
    return rgb2lab(last(images))[..., 1:]


def test_psnr_is_that_of_scikit_image(predicted, truth):
    pairs = zip(last(truth), last(predicted), strict=True)
    expected = [peak_signal_noise_ratio(t, p, data_range=1) for t, p in pairs]
    np.testing.assert_allclose(psnr(predicted, truth), expected, atol=1e-4)


def test_psnr_of_equal_pictures_is_that_of_rounding(truth):
    assert psnr(truth, truth).tolist() == pytest.approx([10 * math.log10(12 * 255**2)] * 3)
    # Rounding to 8 bits, of values in between, is really that far away.
    rounded = (255 * truth).round() / 255
    error = ((rounded - truth).double() ** 2).mean()
    assert -10 * error.log10().item() == pytest.approx(58.92, abs=0.2)


def test_ssim_is_that_of_scikit_image(predicted, truth):
    expected = [
        structural_similarity(
            t, p, data_range=1, channel_axis=-1, gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False,
        )
        for t, p in zip(last(truth), last(predicted), strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(ssim(predicted, truth), expected, atol=1e-6)
    assert max(expected) < 0.95
    np.testing.assert_allclose(ssim(truth, truth), 1, atol=1e-12)


def test_ssim_needs_a_window():
    assert ssim(torch.rand(1, 3, 11, 12), torch.rand(1, 3, 11, 12)).shape == (1,)
    with pytest.raises(ValueError, match="at least 11 px for SSIM, got 10 x 12"):
        ssim(torch.rand(1, 3, 10, 12), torch.rand(1, 3, 10, 12))


def test_ab_errors_are_in_ab_units(predicted, truth, measured):
    difference = ab_of(predicted) - ab_of(truth)
    np.testing.assert_allclose(measured["ab_mae"], np.abs(difference).mean((1, 2, 3)), rtol=1e-3)
    np.testing.assert_allclose(measured["ab_mse"], (difference**2).mean((1, 2, 3)), rtol=1e-3)
    assert min(measured["ab_mae"]) > 1


def test_a_shift_of_ab_is_measured_as_it_is(prior):
    lab = torch.full((1, 3, 12, 12), 60.0)
    lab[:, 1:] = 5.0
    shifted = lab + torch.tensor([0.0, 3.0, -4.0]).view(1, 3, 1, 1)
    found = PictureMetrics(prior, "cpu")(lab_to_rgb(shifted), lab_to_rgb(lab))
    expected = {"ab_mae": 3.5, "ab_mse": 12.5, "auc": 100 * (1 - 5 / 150)}
    assert {name: found[name].item() for name in expected} == pytest.approx(expected, rel=1e-3)


def auc_by_loop(errors, weights) -> float:
    """Area under the share of weight below each of 150 thresholds; exact for whole errors."""
    total = sum(weights)
    area = 0.0
    for threshold in range(150):
        area += sum(w for e, w in zip(errors, weights, strict=True) if e < threshold + 0.5) / total
    return 100 * area / 150


def test_auc_of_whole_errors_is_that_of_a_loop():
    errors = [0, 0, 1, 7, 30, 149, 150, 151, 400]
    area = auc_area(torch.tensor(errors, dtype=torch.float64).view(1, 3, 3))
    assert area.mean().item() == pytest.approx(auc_by_loop(errors, [1] * 9), abs=1e-9)
    weights = torch.arange(1, 10).view(1, 3, 3)
    found = ((weights * area).sum() / weights.sum()).item()
    assert found == pytest.approx(auc_by_loop(errors, range(1, 10)), abs=1e-9)


def weights_by_loop(prior: torch.Tensor) -> list[float]:
    """Equation 4 with lambda = 0, the largest counted weight as the limit, in plain Python."""
    centers, share = CENTERS.tolist(), (prior.double() / prior.sum()).tolist()
    smooth = [0.0] * 313
    for source, p in zip(centers, share, strict=True):
        if p:
            kernel = [math.exp(-(math.dist(source, c) ** 2) / 50) for c in centers]
            smooth = [s + p * k / sum(kernel) for s, k in zip(smooth, kernel, strict=True)]
    largest = max(1 / s for s, p in zip(smooth, share, strict=True) if p)
    weights = [min(1 / s, largest) if s else largest for s in smooth]
    mean = sum(w * p for w, p in zip(weights, share, strict=True))
    return [w / mean for w in weights]


def test_class_weights_are_those_of_a_loop(prior):
    weights = class_weights(prior, CENTERS)
    np.testing.assert_allclose(weights, weights_by_loop(prior), rtol=1e-6)
    counted = prior > 0
    assert 20 < counted.sum() < 200
    assert weights[~counted].max() == weights[counted].max() == weights.max()
    assert (weights * prior).sum() / prior.sum() == pytest.approx(1)


def test_a_prior_without_counts_is_refused():
    with pytest.raises(ValueError, match="count the pretrain split first"):
        class_weights(torch.zeros(313, dtype=torch.int64), CENTERS)


def test_auc_of_pictures_is_that_of_a_loop_over_pixels(predicted, truth, measured, prior):
    centers, by_bin = CENTERS.numpy(), weights_by_loop(prior)
    true_ab, ab = ab_of(truth).reshape(-1, 2), ab_of(predicted).reshape(-1, 2)
    errors = [math.dist(one, two) for one, two in zip(true_ab, ab, strict=True)]
    bins = [int(((centers - color) ** 2).sum(1).argmin()) for color in true_ab]
    weights = [by_bin[i] for i in bins]
    found = pooled({name: of.numpy() for name, of in measured.items()})
    assert found["auc"] == pytest.approx(auc_by_loop(errors, [1] * len(errors)), abs=0.05)
    assert found["auc_rebalanced"] == pytest.approx(auc_by_loop(errors, weights), abs=0.05)
    assert abs(found["auc"] - found["auc_rebalanced"]) > 0.5


def test_equal_pictures_are_perfect(truth, prior):
    values = PictureMetrics(prior, "cpu")(truth, truth)
    found = pooled({name: of.numpy() for name, of in values.items()})
    perfect = {"ab_mae": 0, "ab_mse": 0, "auc": 100, "auc_rebalanced": 100, "ssim": 1}
    assert {name: found[name] for name in perfect} == pytest.approx(perfect)


def test_colourfulness_is_the_published_formula(predicted):
    red, green, blue = np.moveaxis(255 * last(predicted), -1, 0)
    rg, yb = red - green, 0.5 * (red + green) - blue
    expected = [
        math.hypot(rg[i].std(), yb[i].std()) + 0.3 * math.hypot(rg[i].mean(), yb[i].mean())
        for i in range(len(predicted))
    ]
    np.testing.assert_allclose(colourfulness(predicted), expected, rtol=1e-6)
    plain = torch.stack([torch.ones(3, 4, 4) * 0.4, torch.zeros(3, 4, 4)])
    plain[1, 0] = 1
    # Nothing in gray; in pure red 0.3 times the length of (255, 127.5).
    assert colourfulness(plain).tolist() == pytest.approx([0, 0.3 * 255 * math.sqrt(1.25)])


def test_ab_width_is_the_deviation_of_all_pixels(predicted, measured):
    ab = ab_of(predicted).reshape(-1, 2)
    found = pooled({name: of.numpy() for name, of in measured.items()})["ab_width"]
    assert found == pytest.approx(math.sqrt(ab[:, 0].var() + ab[:, 1].var()), rel=1e-3)


def test_edges_agree_where_ab_follows_lightness():
    lightness = 100 * smooth(3)[:, :1]
    ab = torch.cat((0.4 * lightness - 7, 3 - 0.2 * lightness), dim=1)
    np.testing.assert_allclose(edge_agreement(ab, lightness), 1, rtol=1e-6)
    blurred = torch.nn.functional.avg_pool2d(ab, 5, stride=1, padding=2)
    shifted = ab.roll(6, dims=-1)
    other = 100 * smooth(4)[:, :2]
    for worse, limit in ((blurred, 0.6), (shifted, 0.3), (other, 0.3)):
        assert edge_agreement(worse, lightness).abs().max() < limit


def test_edge_agreement_is_that_of_a_loop():
    lightness, ab = 100 * smooth(5, n=1)[:, :1], 50 * smooth(6, n=1)[:, :2]
    height, width = lightness.shape[-2:]

    def magnitude(x, row, column):
        here = x[0, :, row, column]
        steps = [x[0, :, row, column + 1] - here, x[0, :, row + 1, column] - here]
        return math.sqrt(sum(float(step @ step) for step in steps))

    places = [(row, column) for row in range(height - 1) for column in range(width - 1)]
    color = [magnitude(ab, *place) for place in places]
    light = [magnitude(lightness, *place) for place in places]
    expected = np.corrcoef(color, light)[0, 1]
    assert edge_agreement(ab, lightness).item() == pytest.approx(expected, abs=1e-5)


def test_no_edge_agrees_with_none(prior):
    lightness = 100 * smooth(7)[:, :1]
    flat = torch.full((3, 2, 20, 24), 12.0)
    assert edge_agreement(flat, lightness).tolist() == [0, 0, 0]
    assert edge_agreement(20 * smooth(8)[:, :2], flat[:, :1]).tolist() == [0, 0, 0]
    gray = lab_to_rgb(torch.cat((lightness, torch.zeros_like(flat)), dim=1))
    assert PictureMetrics(prior, "cpu")(gray, smooth(7))["edge_agreement"].tolist() == [0, 0, 0]


def test_shares_of_pixels_out_of_gamut_and_at_its_edge():
    picture = torch.full((1, 3, 2, 5), 0.5)
    picture[0, 0, 0, 0] = 1.01
    picture[0, 1, 0, 0] = -0.3  # the same pixel: counted once
    picture[0, 2, 1, 1] = -0.003
    picture[0, 2, 1, 2] = 1.0019  # closer than half a step of 8 bits
    assert out_of_gamut(picture).item() == pytest.approx(0.2)
    assert gamut_edge(picture.clamp(0, 1)).item() == pytest.approx(0.3)


def test_batches_do_not_weigh(predicted, truth, prior):
    """Three pictures as 2 + 1: the mean over pictures, not over batches."""
    metrics = PictureMetrics(prior, "cpu")
    whole = metrics(predicted, truth)
    parts = [metrics(predicted[part], truth[part]) for part in (slice(2), slice(2, 3))]
    joined = {name: torch.cat([part[name] for part in parts]).numpy() for name in whole}
    expected = pooled({name: of.numpy() for name, of in whole.items()})
    assert pooled(joined) == pytest.approx(expected, rel=1e-6)
    of_batches = np.mean([part["ab_mse"].mean() for part in parts])
    assert abs(of_batches - expected["ab_mse"]) > 0.01 * expected["ab_mse"]
