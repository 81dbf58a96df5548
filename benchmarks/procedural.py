"""The embedded data set: little shells and sweets drawn by numpy, whose colour law is known.

Position, turn, scale, light, background and clutter vary by image. A picture is made in Lab. Its L
comes from geometry, texture and light; the colour law never touches it.

- color="lawful": an object wears the colours of its own species. To colorize it, one must
  recognise silhouette and texture: the positive control.
- color="independent": it wears the colours of a species drawn at random: the same colours, as
  often, but without any relation to the picture. Where the number of classes is a multiple of 8
  the hues cancel, and the expected ab given L is zero: the negative control.

Background and clutter wear random colours in both. Chroma stays inside sRGB at every L and hue,
so that no colour is clipped and L is the same in both modes up to 8-bit rounding.
"""

import numpy as np
from jaxtyping import Int, UInt8

from benchmarks.errors import ConfigError
from benchmarks.species import Colour, Field, Value, colours, depths, patterns

BATCH = 64  # images whose maps fit a core's cache
N_BLOBS = 2
DARKEST, BRIGHTEST = 25, 85  # L


def draw(
    species: Int[np.ndarray, " n"],
    ids: Int[np.ndarray, " n"],
    *,
    size: int,
    color: str,
    seed: int,
    n_classes: int = 24,
) -> UInt8[np.ndarray, "n size size 3"]:
    """RGB pictures of species 0..n_classes-1; each depends only on (seed, id) and its species.

    Larger sizes show the same pictures sharper. ConfigError for an unknown `color`.
    """
    if color not in ("lawful", "independent"):
        raise ConfigError(f"color is {color!r}", "give lawful or independent")
    images = np.empty((len(ids), size, size, 3), np.uint8)
    for start in range(0, len(ids), BATCH):
        rows = slice(start, start + BATCH)
        dice = _Dice(seed, ids[rows], n_classes)
        chance = dice.species()
        worn = species[rows] if color == "lawful" else chance
        images[rows] = _paint(species[rows], worn, size, dice)
    return images


class _Dice:
    """Numbers of each image by hashing (seed, id, count of rolls): splitmix64 (Steele, 2014)."""

    def __init__(self, seed: int, ids: Int[np.ndarray, " n"], n_classes: int) -> None:
        start = np.full(len(ids), seed % 2**63, np.uint64)
        self._state = _mix(_mix(start) + ids.astype(np.uint64))
        self._n_classes = n_classes

    def roll(self, low: float | int = 0, high: float | int = 1) -> Value:
        """One number in [low, high) for each image."""
        self._state = self._state + np.uint64(0x9E3779B97F4A7C15)
        unit = (_mix(self._state) >> np.uint64(40)).astype(np.float32) / np.float32(2**24)
        return (np.float32(low) + np.float32(high - low) * unit)[:, None, None]

    def species(self) -> Int[np.ndarray, " n"]:
        """A species at random for each image."""
        return (self.roll()[:, 0, 0] * self._n_classes).astype(np.int64)

    def colours(self, worn: Int[np.ndarray, " n"], pattern: Field) -> Colour:
        """Colours of species `worn`, a little off in hue (9 degrees) and chroma."""
        return colours(worn, self.roll(-0.025, 0.025), self.roll(0.85, 1), pattern)


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _paint(
    species: Int[np.ndarray, " n"], worn: Int[np.ndarray, " n"], size: int, dice: _Dice
) -> UInt8[np.ndarray, "n h w 3"]:
    """Background, then clutter, then the object: L and colour side by side."""
    axis = ((np.arange(size) + 0.5) * 2 / size - 1).astype(np.float32)
    x = np.broadcast_to(axis, (len(species), size, size))
    y = np.swapaxes(x, 1, 2)
    level = dice.roll(46, 64)
    light, colour = _background(x, y, level, dice)
    for _ in range(N_BLOBS):
        light, colour = _add_blob(x, y, light, colour, dice)
    u, v, scale = _pose(x, y, dice)
    depth = depths(species, u, v)
    pattern = patterns(species, u, v, dice.roll(0, 2))
    radius_px = scale * np.float32(size / 2)
    body = _shade(depth, pattern, radius_px, level, dice)
    mask = np.clip(0.5 + depth * radius_px, 0, 1)
    light = light - 12 * np.exp(-3 * ((u - 0.1) ** 2 + (v - 0.1) ** 2) ** 2)  # its shadow
    light = np.clip(light + mask * (body - light), DARKEST, BRIGHTEST)
    colour = colour + mask[..., None] * (dice.colours(worn, pattern) - colour)
    return _to_rgb(light, colour)


def _background(x: Field, y: Field, level: Value, dice: _Dice) -> tuple[Field, Colour]:
    """A tilted, wavy ground, darker or lighter than the object, in two random colours."""
    wave = np.zeros_like(x)
    for _ in range(3):
        across = dice.roll(-6, 6) * x + dice.roll(-6, 6) * y
        wave = wave + np.sin(across + dice.roll(0, 2 * np.pi)) / 3
    side = np.where(dice.roll() < 0.5, np.float32(-1), np.float32(1))
    tilt = dice.roll(-9, 9) * x + dice.roll(-9, 9) * y
    light = level + side * dice.roll(8, 20) + tilt + 7 * wave
    return light, dice.colours(dice.species(), np.clip(0.5 + 0.8 * wave, 0, 1))


def _add_blob(
    x: Field, y: Field, light: Field, colour: Colour, dice: _Dice
) -> tuple[Field, Colour]:
    """A small domed distractor with its own L and colour."""
    radius = 0.08 + 0.11 * dice.roll() ** 2
    depth = 1 - np.hypot(x - dice.roll(-1, 1), y - dice.roll(-1, 1)) / radius
    mask = np.clip(depth * radius * np.float32(x.shape[-1] / 2) + 0.5, 0, 1)
    own = dice.roll(30, 70) + 10 * np.clip(depth, 0, 1)
    worn = dice.colours(dice.species(), np.zeros_like(x))
    return light + mask * (own - light), colour + mask[..., None] * (worn - colour)


def _pose(x: Field, y: Field, dice: _Dice) -> tuple[Field, Field, Value]:
    """Coordinates in which the object is upright with radius about 1, and its scale."""
    scale, turn = dice.roll(0.75, 1.0), dice.roll(-0.5, 0.5)
    dx, dy = x - dice.roll(-0.15, 0.15), y - dice.roll(-0.15, 0.15)
    cos, sin = np.cos(turn) / scale, np.sin(turn) / scale
    return cos * dx + sin * dy, cos * dy - sin * dx, scale


def _shade(depth: Field, pattern: Field, radius_px: Value, level: Value, dice: _Dice) -> Field:
    """L of a glossy dome under a lamp; the second colour of the texture is darker."""
    height = np.sqrt(np.clip(depth / 0.4, 0.02, 1))
    down, right = (np.gradient(height, axis=axis) * radius_px for axis in (1, 2))
    lamp = dice.roll(0, 2 * np.pi)
    slope = np.tanh(0.7 * (down * np.sin(lamp) + right * np.cos(lamp)))
    gloss = 14 * np.clip(slope - 0.15, 0, 1) * height**2
    dome = dice.roll(5, 12) * slope + gloss + 12 * (height - 0.7)
    return level + dome + (0.4 - pattern) * dice.roll(14, 26)


def _to_rgb(light: Field, colour: Colour) -> UInt8[np.ndarray, "n h w 3"]:
    """8-bit sRGB (D65); the chroma limit at each L was found by search over all hues."""
    limit = np.minimum(8 + 0.38 * light, 21 + 1.6 * (BRIGHTEST - light))
    fy = (light + 16) / 116
    fx, fz = fy + colour[..., 0] * limit / 500, fy - colour[..., 1] * limit / 200
    x, y, z = (np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) for f in (fx, fy, fz))
    x, z = x * 0.95047, z * 1.08883
    red = 3.2404542 * x - 1.5371385 * y - 0.4985314 * z
    green = -0.9692660 * x + 1.8760108 * y + 0.0415560 * z
    blue = 0.0556434 * x - 0.2040259 * y + 1.0572252 * z
    linear = np.clip(np.stack([red, green, blue], axis=-1), 0, 1)
    rgb = np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
    return (255 * rgb + 0.5).astype(np.uint8)
