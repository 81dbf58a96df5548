"""What a species of the embedded data set is: a silhouette, a surface texture, and its colours.

Hues belong to silhouettes, evenly spread; chroma and the second colour to textures. Everything is
a vectorised function of coordinates (u, v) in which an object is upright with radius about 1.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Int

from benchmarks.errors import ConfigError

Field = Float32[np.ndarray, "n h w"]
Value = Float32[np.ndarray, "n 1 1"]
Colour = Float32[np.ndarray, "n h w 2"]

SILHOUETTES = ("disc", "star", "ring", "crescent", "bar", "triangle", "twin", "snail")
TEXTURES = ("smooth", "striped", "spotted", "checkered", "ringed", "grainy")
N_SPECIES = len(SILHOUETTES) * len(TEXTURES)
# Of each texture: turns from the first hue to the second, and the fraction of the chroma limit.
SECOND_HUE = np.array([0.0, 0.4, -0.3, 0.2, -0.15, 0.5], np.float32)
CHROMA = np.array([0.85, 1.0, 0.95, 1.0, 0.9, 0.95], np.float32)


def species_names(n_classes: int) -> tuple[str, ...]:
    """Names of the first `n_classes` species, such as "striped star"; ConfigError beyond 48."""
    if not 2 <= n_classes <= N_SPECIES:
        raise ConfigError(f"{n_classes} species asked for", f"give 2 to {N_SPECIES}")
    shapes, textures = parts(np.arange(n_classes))
    return tuple(f"{TEXTURES[t]} {SILHOUETTES[s]}" for s, t in zip(shapes, textures, strict=True))


def parts(
    species: Int[np.ndarray, " n"],
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Silhouettes and textures: 8 species in a row hold every silhouette, 24 every texture."""
    row = species // len(SILHOUETTES)
    shift = 2 * row + row // 3
    return species % len(SILHOUETTES), (species + shift) % len(TEXTURES)


def depths(species: Int[np.ndarray, " n"], u: Field, v: Field) -> Field:
    """Depth below the outline of each image's species, in radii: positive inside."""
    return _by_kind(parts(species)[0], _silhouette, u, v)


def patterns(species: Int[np.ndarray, " n"], u: Field, v: Field, phase: Value) -> Field:
    """Where the second colour of each image's species is, 0 to 1."""
    return _by_kind(parts(species)[1], _texture, u, v, phase)


def colours(worn: Int[np.ndarray, " n"], hue: Value, chroma: Value, pattern: Field) -> Colour:
    """Colours of species `worn` as fractions of the chroma limit; jitter: hue (turns), chroma."""
    shapes, textures = parts(worn)
    first = (shapes / len(SILHOUETTES)).astype(np.float32) + hue[:, 0, 0]
    turns = np.float32(2 * np.pi) * np.stack([first, first + SECOND_HUE[textures]])
    length = (CHROMA[textures] * chroma[:, 0, 0])[:, None]
    one, two = length * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    return one[:, None, None] + pattern[..., None] * (two - one)[:, None, None]


def _by_kind(
    kinds: Int[np.ndarray, " n"], function: Callable[..., Field], *maps: Field | Value
) -> Field:
    out = np.empty(maps[0].shape, np.float32)
    for kind in np.unique(kinds):
        rows = kinds == kind
        out[rows] = function(int(kind), *(values[rows] for values in maps))
    return out


def _silhouette(kind: int, u: Field, v: Field) -> Field:
    rho, angle = np.hypot(u, v), np.arctan2(v, u)
    match SILHOUETTES[kind]:
        case "disc":
            return 0.82 - rho
        case "star":
            return 0.7 * (0.72 + 0.26 * np.cos(5 * angle) - rho)
        case "ring":
            return 0.25 - np.abs(rho - 0.66)
        case "crescent":
            return np.minimum(0.92 - rho, np.hypot(u - 0.5, v) - 0.68)
        case "bar":
            return 0.32 - np.hypot(np.maximum(np.abs(u) - 0.62, 0), v)
        case "triangle":
            return 0.5 - np.maximum(-u, 0.5 * u + 0.866 * np.abs(v)) - 0.09 * rho**4
        case "twin":
            return 0.4 - np.hypot(np.abs(u) - 0.5, v) + 0.12 * np.exp(-8 * rho**2)
    return 0.7 * (0.36 + 0.6 * (angle / (2 * np.pi) + 0.5) - rho)


def _texture(kind: int, u: Field, v: Field, phase: Value) -> Field:
    a, b = u + phase, v + 0.7 * phase
    match TEXTURES[kind]:
        case "smooth":
            wave = np.full_like(u, -1)
        case "striped":
            wave = np.sin(9 * a)
        case "spotted":
            wave = 2.2 * np.sin(6.5 * a) * np.sin(6.5 * b) - 0.9
        case "checkered":
            wave = 2 * np.sin(5 * a) * np.sin(5 * b)
        case "ringed":
            wave = np.sin(11 * np.hypot(u, v) + 2 * phase)
        case _:
            wave = 1.6 * np.sin(15 * a + 4 * np.sin(7 * b)) * np.sin(16 * b + 4 * np.sin(6 * a))
    return np.clip(0.5 + 1.3 * wave, 0, 1)
