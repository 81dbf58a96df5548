"""The naive pipelines of the speed benchmark compute what the suite computes."""

import numpy as np
import pytest
import torch
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from benchmarks.errors import ConfigError
from benchmarks.timing.fair import Fair, fit_logistic
from benchmarks.timing.material import Material, Sample
from benchmarks.timing.notebook import Notebook
from benchmarks.timing.objectives import loss_of, nearest_bins, seen
from benchmarks.timing.suite import Suite
from models.color import as_images, rgb_to_lab
from models.quantize import AbBins
from probes.linear import LinearProbe

SAMPLE = Sample(photos=6, photo_side=32, large=4, large_side=512, learned=2, images=12)
METHODS = ["alexnet_cl", "alexnet_autoencoding", "splitbrain_cl", "block_regression"]


@pytest.fixture(scope="module")
def material(tiny, tmp_path_factory):
    """All trained methods of the table on tiny images, at a smaller side for the blocks."""
    cfg = tiny(
        f"methods=[{','.join(METHODS)}]", "budgets=[4]", "scale.block_pixels=8",
        "split.pool_fraction=0.6", "pretrain.epochs=2", "baselines=[pixel_linear,color_statistics]",
    )  # fmt: skip
    return Material(cfg, tmp_path_factory.mktemp("speed"), SAMPLE)


def naive(material):
    return [Notebook(material), Fair(material)]


def test_the_files_hold_the_pictures(material):
    for pipeline in naive(material):
        decoded = pipeline.decode(material.files[:9], material.cfg.data.size)
        np.testing.assert_array_equal(decoded, material.images.images[:9])


def test_photographs_are_stored_within_a_level(material):
    folder = material.root / "photos"
    files = sorted(folder.rglob("*.jpg"))
    ours = Suite(material).decode(folder, 16).astype(int)
    for pipeline in naive(material):
        found = pipeline.decode(files, 16).astype(int)
        assert np.abs(found - ours).max() <= 1  # torch resizes in coarser whole numbers than Pillow
        assert (found != ours).mean() < 0.01


def test_large_photographs_are_stored_within_a_level(material):
    """Ours lets libjpeg decode a quarter of the side, and resizes from there."""
    folder = material.root / "large"
    ours = Suite(material).decode(folder, 64).astype(int)
    for pipeline in naive(material):
        whole = pipeline.decode(sorted(folder.rglob("*.jpg")), 64).astype(int)
        assert whole.std() > 20
        assert 0 < np.abs(ours - whole).mean() < 1


def test_colours_agree(material):
    images = np.array(material.images.images[:4])
    ours = torch.cat(list(Suite(material).colors(images))).permute(0, 2, 3, 1).numpy()
    for pipeline in naive(material):
        np.testing.assert_allclose(np.stack(list(pipeline.colors(images))), ours, atol=1e-3)


def test_soft_encodings_agree(material):
    images = as_images(torch.from_numpy(np.array(material.images.images[:2])))
    ab = (rgb_to_lab(images)[:, 1:] - 0.5).ceil()
    indices, weights = Suite(material).soft(ab)
    dense = torch.zeros(2, 313, 16, 16).scatter_(1, indices, weights).permute(0, 2, 3, 1).numpy()
    one, two = (p.soft(ab.permute(0, 2, 3, 1).numpy()) for p in naive(material))
    np.testing.assert_allclose(one, dense, atol=1e-5)
    # Of equally near bins scikit-learn's tree may take another one: then only the weights agree.
    np.testing.assert_allclose(np.sort(two), np.sort(dense), atol=1e-5)
    assert np.isclose(two, dense, atol=1e-5).all(-1).mean() > 0.5


def test_nearest_bins_agree(material):
    images = as_images(torch.from_numpy(np.array(material.images.images[:16])))
    ab = rgb_to_lab(images)[:, 1:]
    assert (nearest_bins(ab) == AbBins().hard(ab)).float().mean() > 0.999


@pytest.mark.parametrize("name", METHODS)
def test_losses_agree_after_every_update(material, name, tmp_path):
    """Same weights, same batches, same flips: fp32 losses over a whole training."""
    steps = material.steps(name)
    assert steps >= 3
    _, _, training = Suite(material).train_method(name, steps)
    (entry,) = training.history
    ours = sum(v for k, v in entry.items() if k not in ("step", "images", "lr"))
    for pipeline in naive(material):
        _, losses = pipeline.train(name, steps)
        assert len(losses) == steps
        assert np.mean(losses) == pytest.approx(ours, abs=1e-4)


def test_one_pass_gives_the_latents_of_the_suite(material):
    for name in ("splitbrain_cl", "block_regression"):
        encoder = material.encoder(name, steps=2)
        ids = material.contest.test[:7]
        for pipeline in naive(material):
            found = pipeline.encode(name, encoder.encoder().model, ids, encoder.taps)
            for tap in encoder.taps:
                ours = encoder.latents.take(tap, ids).reshape(len(ids), -1)
                kept = {"rtol": 2**-11, "atol": 1e-4}  # the rounding of float16
                np.testing.assert_allclose(found[tap], ours, **kept, err_msg=tap)


@pytest.mark.parametrize("name", ["pixel_linear", "color_statistics"])
def test_features_of_pixels_agree(material, name):
    ids = material.contest.test[:5]
    baseline = material.baselines[name]
    ours = baseline._features(material.images.images[ids])
    found = Fair(material).encode(name, None, ids, ("pixels",))["pixels"]
    np.testing.assert_allclose(found, ours, atol=1e-5)


@pytest.mark.parametrize("decay", [1.0, 0.01, 0.0003])
def test_scikit_learn_finds_our_optimum(decay):
    rng = np.random.default_rng(0)
    y = np.arange(90) % 5
    X = (rng.normal(size=(90, 30)) + 0.7 * rng.normal(size=(5, 30))[y]).astype(np.float32)
    more = (rng.normal(size=(200, 30)) + 0.7 * rng.normal(size=(5, 30))[y[:1]]).astype(np.float32)
    probe = LinearProbe(weight_decays=[decay]).fit(X, y, 0)
    theirs = fit_logistic(X, y, decay)
    latents = probe.normaliser_(torch.from_numpy(X)).double().numpy()

    def objective(weight, bias):
        weight, bias = np.asarray(weight, np.float64), np.asarray(bias, np.float64)
        log_p = log_softmax(latents @ weight + bias, axis=1)
        return -log_p[np.arange(90), y].mean() + decay / 2 * (weight**2).sum()

    ours = objective(probe.solution_.weight, probe.solution_.bias)
    at_default = objective(theirs[-1].coef_.T, theirs[-1].intercept_)
    exact = LogisticRegression(C=1 / (90 * decay), max_iter=10**4, tol=1e-8)
    exact.fit(theirs[0].transform(X), y)
    assert ours == pytest.approx(objective(exact.coef_.T, exact.intercept_), rel=1e-3)
    assert ours <= at_default * (1 + 1e-3)
    exactly = exact.predict(theirs[0].transform(more))
    assert (probe.predict_proba(more).argmax(1) == exactly).mean() > 0.98
    assert (theirs.predict(more) == exactly).mean() > 0.9  # its default tolerance is coarser


def test_what_naive_loops_do_not_know_is_refused(material):
    with pytest.raises(ConfigError, match="inputs"):
        seen("gray[-1,1]", torch.zeros(1, 3, 8, 8))
    _, pretext = material.fresh("block_regression")
    pretext.terms = {"l1": 1.0}
    with pytest.raises(ConfigError, match="Colorization"):
        loss_of(pretext, torch.zeros(1, 2, 8, 8), torch.zeros(1, 3, 8, 8))


def test_a_missing_scikit_image_is_told_in_a_line(monkeypatch):
    import sys

    from benchmarks.timing.visits import to_lab

    monkeypatch.setitem(sys.modules, "skimage.color", None)
    with pytest.raises(ConfigError) as caught:
        to_lab(np.zeros((2, 2, 3)))
    assert "scikit-image" in caught.value.cause and "[test]" in caught.value.remedy


def test_visits_follow_the_order_and_flips_of_the_suite(material):
    from benchmarks.batches import Batches

    batches = Batches(material.images.images, material.at.split.pretrain, size=12,
                      seed=material.at.seed, n_draws=0, flip=True, device="cpu")  # fmt: skip
    steps = batches.per_epoch + 1
    ids, turned = material.visits("alexnet_cl", steps)
    for step in range(steps):
        images = batches.at(step)[0]
        for row in range(12):
            at = 12 * step + row
            pixels = torch.from_numpy(np.array(material.images.images[ids[at]]))
            expected = pixels.permute(2, 0, 1)
            assert torch.equal(images[row], expected.flip(-1) if turned[at] else expected)
    assert 0 < turned.mean() < 1


def test_families_share_a_network(material):
    assert material.families["alexnet_autoencoding"] == "alexnet_cl"
    assert material.families["splitbrain_cl"] == "splitbrain_cl"


def test_timing_one_encoders_latents_leaves_those_of_others(material):
    ours = Suite(material)
    one, other = (material.encoder(name, steps=ours.sample.learned) for name in METHODS[:2])
    kept = other.latents
    before = kept.take(other.tap, kept.ids)
    assert ours.time_latents(one.name) > 0
    np.testing.assert_array_equal(kept.take(other.tap, kept.ids), before)
