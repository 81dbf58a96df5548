"""The colour law of the embedded data set, measured on its pictures."""

import numpy as np
import pytest
from skimage.color import rgb2lab
from sklearn.linear_model import LogisticRegression

from benchmarks.errors import ConfigError
from benchmarks.procedural import draw

SPECIES = np.arange(240) % 24
IDS = np.arange(240)


@pytest.fixture(scope="module")
def lab():
    return {c: rgb2lab(draw(SPECIES, IDS, size=32, color=c, seed=0)) for c in MODES}


MODES = ("lawful", "independent")


def test_a_picture_depends_on_seed_and_id_alone():
    whole = draw(SPECIES, IDS, size=32, color="lawful", seed=0)
    some = np.array([200, 3, 77])
    np.testing.assert_array_equal(
        draw(SPECIES[some], IDS[some], size=32, color="lawful", seed=0), whole[some]
    )
    for id_ in (0, 63, 64):
        one = draw(SPECIES[[id_]], IDS[[id_]], size=32, color="lawful", seed=0)
        np.testing.assert_array_equal(one[0], whole[id_])
    assert (draw(SPECIES, IDS, size=32, color="lawful", seed=1) != whole).mean() > 0.9
    assert (draw(SPECIES, IDS + 1000, size=32, color="lawful", seed=0) != whole).mean() > 0.9


def test_every_size_shows_the_same_picture():
    small = draw(SPECIES, IDS, size=24, color="lawful", seed=0)
    large = draw(SPECIES, IDS, size=48, color="lawful", seed=0)
    assert large.shape == (240, 48, 48, 3)
    averaged = large.reshape(240, 24, 2, 24, 2, 3).mean(axis=(2, 4))
    assert np.abs(averaged - small).mean() < 6
    assert np.abs(averaged - np.roll(small, 1, axis=0)).mean() > 20


def test_lightness_does_not_know_the_mode(lab):
    difference = np.abs(lab["lawful"][..., 0] - lab["independent"][..., 0])
    assert difference.max() < 1  # 8-bit rounding of dark colours
    assert np.abs(lab["lawful"][..., 1:] - lab["independent"][..., 1:]).max() > 20
    assert lab["lawful"][..., 0].min() > 24
    assert lab["lawful"][..., 0].max() < 86


def test_no_colour_is_clipped(lab):
    chroma = np.hypot(lab["lawful"][..., 1], lab["lawful"][..., 2])
    light = lab["lawful"][..., 0]
    limit = np.minimum(8 + 0.38 * light, 21 + 1.6 * (85 - light))
    assert (chroma - limit).max() < 2.5
    assert np.quantile(chroma, 0.75) > 20


def test_both_modes_have_the_same_colours(lab):
    one, two = (np.sort(lab[m][..., 1:].reshape(-1, 2), axis=0) for m in MODES)
    assert np.abs(one - two).mean() < 1.5
    means = lab["independent"][..., 1:].reshape(240, -1, 2).mean(axis=(0, 1))
    assert np.abs(means).max() < 3


def _object_colours(mode: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean ab of 3 x 3 cells of 960 pictures: enough to tell what the colours tell of species."""
    species, ids = np.arange(960) % 24, np.arange(960)
    ab = rgb2lab(draw(species, ids, size=16, color=mode, seed=5))[:, 2:14, 2:14, 1:]
    return ab.reshape(960, 3, 4, 3, 4, 2).mean(axis=(2, 4)).reshape(960, -1), species % 8


@pytest.mark.parametrize(("mode", "low", "high"), [("lawful", 0.3, 1.0), ("independent", 0, 0.19)])
def test_colour_tells_the_silhouette_only_where_the_law_holds(mode, low, high):
    X, y = _object_colours(mode)
    score = LogisticRegression(max_iter=2000).fit(X[:720], y[:720]).score(X[720:], y[720:])
    assert low < score < high  # chance 0.125, standard error 0.021


def test_species_look_different_in_lightness():
    """Same ids, so same pose, light and ground: only silhouette and texture may differ."""
    ids = np.repeat(np.arange(4), 24)
    light = rgb2lab(draw(np.tile(np.arange(24), 4), ids, size=32, color="lawful", seed=2))[..., 0]
    light = light.reshape(4, 24, -1)
    for one in range(24):
        for two in range(one):
            assert np.abs(light[:, one] - light[:, two]).mean() > 0.5


def test_unknown_colour_law_is_refused():
    with pytest.raises(ConfigError, match="odd"):
        draw(SPECIES, IDS, size=8, color="odd", seed=0)
