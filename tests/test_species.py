"""Species: their names, their parts, and their outlines."""

import numpy as np
import pytest

from benchmarks.errors import ConfigError
from benchmarks.species import (
    N_SPECIES,
    SILHOUETTES,
    TEXTURES,
    colours,
    depths,
    parts,
    patterns,
    species_names,
)

EVERY = np.arange(N_SPECIES)


def grid(n: int) -> tuple[np.ndarray, np.ndarray]:
    axis = np.linspace(-1.3, 1.3, 64, dtype=np.float32)
    v, u = np.meshgrid(axis, axis, indexing="ij")
    return np.broadcast_to(u, (n, 64, 64)), np.broadcast_to(v, (n, 64, 64))


def test_every_species_is_another_pair():
    assert len(set(species_names(N_SPECIES))) == N_SPECIES == len(SILHOUETTES) * len(TEXTURES)
    assert species_names(2) == ("smooth disc", "striped star")
    for wrong in (1, N_SPECIES + 1):
        with pytest.raises(ConfigError):
            species_names(wrong)


def test_24_species_are_balanced():
    shapes, textures = parts(np.arange(24))
    assert (np.bincount(shapes) == 3).all()
    assert (np.bincount(textures) == 4).all()


def test_outlines_are_inside_the_frame_and_of_like_area():
    u, v = grid(N_SPECIES)
    inside = depths(EVERY, u, v) > 0
    assert not inside[np.hypot(u, v) > 1.05].any()
    area = inside.sum(axis=(1, 2)) * (2.6 / 63) ** 2
    assert area.min() > 0.7
    assert area.max() < 2.6
    disc = parts(EVERY)[0] == SILHOUETTES.index("disc")
    np.testing.assert_allclose(area[disc], np.pi * 0.82**2, rtol=0.02)


def test_patterns_are_two_toned_but_for_smooth():
    u, v = grid(N_SPECIES)
    pattern = patterns(EVERY, u, v, np.full((N_SPECIES, 1, 1), 0.3, np.float32))
    smooth = parts(EVERY)[1] == TEXTURES.index("smooth")
    assert (pattern[smooth] == 0).all()
    rest = pattern[~smooth]
    assert rest.min() >= 0
    assert rest.max() <= 1
    assert (rest.mean(axis=(1, 2)) > 0.1).all()
    assert (rest.mean(axis=(1, 2)) < 0.6).all()


def test_hues_of_silhouettes_cancel():
    none = np.zeros((24, 1, 1), np.float32)
    for pattern in (0.0, 0.3, 1.0):
        field = np.full((24, 1, 1), pattern, np.float32)
        ab = colours(np.arange(24), none, none + 1, field)[:, 0, 0]
        assert np.hypot(*ab.T).max() <= 1.0001
        sums = np.array([ab[parts(np.arange(24))[0] == s].sum(0) for s in range(8)])
        assert np.hypot(*sums.T).min() > 0.5
        if pattern == 0:
            angles = np.sort(np.degrees(np.arctan2(*sums.T[::-1])) % 360)
            np.testing.assert_allclose(np.diff(angles), 45, atol=0.1)
