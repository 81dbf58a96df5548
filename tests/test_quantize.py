"""Bins, tables and decoding against loops and brute force."""

import numpy as np
import pytest
import torch

from models.color import rgb_to_lab
from models.quantize import AbBins, ab_bin_centers, lightness_bin_centers, lightness_bins

ROW_COUNTS = [5, 8, 10, 12, 14, 15, 16, 16, 17, 18, 18, 18, 19, 20, 19, 20, 20, 19, 19, 10]


@pytest.fixture(scope="module")
def bins() -> AbBins:
    return AbBins()


def nearest(ab: np.ndarray, centers: np.ndarray) -> int:
    """Brute force; argmin takes the first of equal distances."""
    return int(((centers - ab) ** 2).sum(1).argmin())


def test_ab_bin_centers_have_the_published_layout():
    centers = ab_bin_centers()
    assert centers.shape == (313, 2)
    a, counts = centers[:, 0].unique(return_counts=True)
    assert a.tolist() == list(range(-90, 101, 10))
    assert counts.tolist() == ROW_COUNTS
    assert centers.tolist() == sorted(centers.tolist())
    assert (centers % 10 == 0).all()
    assert centers[0].tolist() == [-90, 50]
    assert centers[-1].tolist() == [100, 0]


def test_srgb_reaches_261_bins_all_among_the_313():
    # The surface of the RGB cube at every 8-bit level of two channels, and every 5th inside.
    level, coarse = torch.arange(256), torch.arange(0, 256, 5)
    faces = [
        torch.cartesian_prod(level, level, torch.tensor([end])).roll(shift, dims=1)
        for end in (0, 255)
        for shift in range(3)
    ]
    colours = torch.cat([*faces, torch.cartesian_prod(coarse, coarse, coarse)])
    ab = rgb_to_lab((colours.T / 255).reshape(1, 3, 1, -1))[0, 1:, 0].T
    reached = {tuple(cell) for cell in (ab / 10).round().mul(10).long().unique(dim=0).tolist()}
    assert reached <= {tuple(center) for center in ab_bin_centers().long().tolist()}
    assert len(reached) == 261


def test_lightness_bins_against_a_loop():
    centers = lightness_bin_centers()
    assert centers.tolist() == list(range(1, 100, 2))
    lightness = torch.rand(2, 1, 3, 3) * 100
    found = lightness_bins(lightness).flatten().tolist()
    for value, index in zip(lightness.flatten().tolist(), found, strict=True):
        assert index == int((centers - value).abs().argmin())
    ends = torch.tensor([-1.0, 0.0, 100.0, 101.0]).view(1, 1, 2, 2)
    assert lightness_bins(ends).flatten().tolist() == [0, 0, 49, 49]


def test_hard_is_the_nearest_bin_of_every_real_colour(bins):
    generator = torch.Generator().manual_seed(0)
    ab = rgb_to_lab(torch.rand(2, 3, 16, 16, generator=generator))[:, 1:]
    found = bins.hard(ab)
    centers = bins.centers.numpy()
    for image in range(2):
        for row in range(16):
            for column in range(16):
                expected = nearest(ab[image, :, row, column].numpy(), centers)
                assert found[image, row, column] == expected


def test_hard_gives_ties_to_the_first_bin_and_survives_extremes(bins):
    ab = torch.tensor([[5.0, 0.0], [0.0, -5.0], [-500.0, 500.0], [110.0, -110.0]])
    found = bins.hard(ab.T.reshape(1, 2, 1, 4)).flatten().tolist()
    expected = [nearest(point.clamp(-110, 110).numpy(), bins.centers.numpy()) for point in ab]
    assert found == expected


@pytest.mark.parametrize(("neighbours", "sigma"), [(5, 5.0), (10, 5.0), (3, 12.0)])
def test_soft_against_brute_force(neighbours, sigma):
    table = AbBins(neighbours=neighbours, sigma=sigma)
    generator = torch.Generator().manual_seed(0)
    ab = torch.rand(1, 2, 12, 12, generator=generator) * 240 - 120
    indices, weights = table.soft(ab)
    assert indices.shape == weights.shape == (1, neighbours, 12, 12)
    centers = table.centers.double().numpy()
    for row in range(12):
        for column in range(12):
            cell = np.ceil(ab[0, :, row, column].numpy() - 0.5).clip(-110, 110)
            squared = ((centers - cell) ** 2).sum(1)
            order = np.argsort(squared, kind="stable")[:neighbours]
            assert indices[0, :, row, column].tolist() == order.tolist()
            gaussian = np.exp(-(squared[order] - squared[order[0]]) / (2 * sigma**2))
            np.testing.assert_allclose(
                weights[0, :, row, column].numpy(), gaussian / gaussian.sum(), rtol=1e-5
            )


def test_every_entry_of_the_tables_against_all_distances(bins):
    axis = torch.arange(-110.0, 111)
    grid = torch.cartesian_prod(axis, axis)
    chosen = (grid[:, None] - bins.centers[bins.soft_indices]).square().sum(-1)
    for start in range(0, len(grid), 5000):
        squared = (grid[start : start + 5000, None] - bins.centers).square().sum(-1)
        expected = squared.sort(dim=1).values[:, :5]
        torch.testing.assert_close(chosen[start : start + 5000], expected, rtol=0, atol=0)
    torch.testing.assert_close(bins.soft_weights.sum(1), torch.ones(len(grid)))


def test_prior_counts_pixels(bins):
    ab = torch.tensor([[0.0, 0.0], [1.0, -2.0], [9.0, 10.0]]).T.reshape(1, 2, 1, 3)
    prior = bins.prior(ab)
    centers = bins.centers.tolist()
    assert prior.sum() == 3
    assert prior[centers.index([0, 0])] == 2
    assert prior[centers.index([10, 10])] == 1


@pytest.mark.parametrize("mix", [0.1, 0.5, 1.0])
def test_rebalancing_weights_against_a_loop(bins, mix):
    prior = torch.zeros(313)
    prior[[100, 101, 150, 300]] = torch.tensor([60.0, 25.0, 10.0, 5.0])
    weights = bins.rebalancing_weights(prior, mix)
    p, centers = prior.double().numpy() / 100, bins.centers.double().numpy()
    smooth = np.zeros(313)
    for source in range(313):
        kernel = np.exp(-((centers - centers[source]) ** 2).sum(1) / 50)
        smooth += p[source] * kernel / kernel.sum()
    raw = 1 / ((1 - mix) * smooth + mix / 313)
    np.testing.assert_allclose(weights.numpy(), raw / (p @ raw), rtol=1e-5)
    assert (p * weights.numpy()).sum() == pytest.approx(1)
    assert weights[100] <= weights[150] <= weights[0]


def test_equal_mix_gives_equal_weights_and_a_bad_one_is_refused(bins):
    prior = torch.arange(313)
    torch.testing.assert_close(bins.rebalancing_weights(prior, mix=1), torch.ones(313))
    with pytest.raises(ValueError, match="0 < mix <= 1"):
        bins.rebalancing_weights(prior, mix=0)
    with pytest.raises(ValueError, match="give it images"):
        bins.rebalancing_weights(torch.zeros(313))


def test_annealed_mean_against_a_loop(bins):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 313, 2, 2, generator=generator)
    found = bins.annealed_mean(logits, 0.38).numpy()
    for image, row, column in np.ndindex(2, 2, 2):
        z = np.exp(logits[image, :, row, column].double().numpy())
        sharpened = np.exp(np.log(z / z.sum()) / 0.38)
        expected = (sharpened / sharpened.sum()) @ bins.centers.numpy()
        np.testing.assert_allclose(found[image, :, row, column], expected, rtol=1e-3, atol=1e-3)


def test_annealed_mean_reaches_the_mode_and_the_expectation(bins):
    logits = torch.randn(1, 313, 3, 3, generator=torch.Generator().manual_seed(0))
    mode = bins.centers[logits.argmax(1)].permute(0, 3, 1, 2)
    torch.testing.assert_close(bins.annealed_mean(logits, 1e-4), mode)
    expectation = (logits.softmax(1).unsqueeze(2) * bins.centers[None, :, :, None, None]).sum(1)
    torch.testing.assert_close(bins.annealed_mean(logits, 1), expectation, rtol=1e-4, atol=1e-4)


def test_tables_are_not_saved(bins):
    assert not bins.state_dict()


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="neighbours"):
        AbBins(neighbours=0)
    with pytest.raises(ValueError, match="sigma"):
        AbBins(sigma=0.0)
