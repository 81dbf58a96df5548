"""Planted copies are found, unrelated pictures are not, and every pair is compared."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.fft import dctn

from benchmarks.data import load_images
from benchmarks.near_duplicates import (
    MIRROR,
    close,
    correlation,
    duplicates,
    exact_pairs,
    near_pairs,
    picture_hashes,
    thumbnails,
)
from benchmarks.procedural import draw
from benchmarks.sources import ImageFolderSource, ProceduralSource
from benchmarks.store import Store

SIZE, COUNT = 64, 120


@pytest.fixture(scope="module")
def drawn():
    """Pictures of 24 species that have nothing in common but how they are drawn."""
    ids = np.arange(COUNT)
    return draw(ids % 24, ids, size=SIZE, color="lawful", seed=5)


def as_jpeg(picture, quality):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def fitted(picture):
    return np.asarray(picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BICUBIC))


CHANGES = {
    "smaller": lambda p: p.resize((40, 40)),
    "larger": lambda p: p.resize((150, 150)),
    "JPEG, quality 30": lambda p: as_jpeg(p, 30),
    "5 % brighter": lambda p: ImageEnhance.Brightness(p).enhance(1.05),
    "less contrast": lambda p: ImageEnhance.Contrast(p).enhance(0.8),
    "2 % cropped": lambda p: p.resize((400, 400), Image.Resampling.BICUBIC).crop((4, 4, 396, 396)),
    "mirrored": lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
}


@pytest.mark.parametrize("change", CHANGES)
def test_planted_copies_are_found_and_nothing_else(drawn, change):
    ids = np.arange(0, COUNT, 3)
    copies = np.stack([fitted(CHANGES[change](Image.fromarray(drawn[i]))) for i in ids])
    found = near_pairs(np.concatenate([drawn, copies]), np.arange(COUNT + len(ids)))
    expected = set(zip(ids.tolist(), (COUNT + np.arange(len(ids))).tolist(), strict=True))
    pairs = set(zip(found.one.tolist(), found.two.tolist(), strict=True))
    assert pairs <= expected
    assert len(pairs) >= 0.9 * len(expected)
    assert found.mirrored.all() == (change == "mirrored") and not found.exact.any()


@pytest.mark.parametrize("color", ["lawful", "independent"])
def test_unrelated_pictures_are_not_found(color):
    source = ProceduralSource(color=color, n_classes=24, train_per_class=50, size=32)
    images = source.open().read(0, 1200)
    assert not len(near_pairs(images, np.arange(1200)).one)


def test_flat_pictures_are_like_nothing():
    rng = np.random.default_rng(0)
    noise = rng.integers(-3, 4, (40, 16, 16, 3)) + rng.integers(20, 230, (40, 1, 1, 1))
    assert not len(
        near_pairs(noise.astype(np.uint8), np.arange(40), similarity=-1.0, radius=64).one
    )


def test_only_the_given_ids_are_compared_and_equal_pixels_left_out(drawn):
    images = np.concatenate([drawn[:4], drawn[:4]])
    images[5, :, :, 0] = np.clip(images[5, :, :, 0].astype(int) + 2, 0, 255)
    assert near_pairs(images, np.arange(8)).two.tolist() == [5]
    assert not len(near_pairs(images, np.array([0, 2, 3, 5])).one)


def test_exact_copies_are_paired_with_the_first():
    found = exact_pairs(np.array(["b", "a", "b", "c", "a", "b"]))
    pairs = list(zip(found.one.tolist(), found.two.tolist(), strict=True))
    assert pairs == [(0, 2), (1, 4), (0, 5)] and found.exact.all()


def test_close_pairs_are_those_of_a_loop():
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**63, 200).astype(np.uint64)
    hashes[100:150] = hashes[:50] ^ np.uint64(0b1011)
    hashes[150:] = hashes[:50] ^ MIRROR
    expected = {
        (i, j, int(d), turned)
        for i in range(200)
        for j in range(i + 1, 200)
        for turned, mask in ((False, 0), (True, int(MIRROR)))
        if (d := bin(int(hashes[i]) ^ int(hashes[j]) ^ mask).count("1")) <= 20
    }
    parts = [zip(*map(np.ndarray.tolist, block), strict=True) for block in close(hashes, 20)]
    found = [pair for part in parts for pair in part]
    assert set(found) == expected and len(found) == len(expected) >= 100


def test_hash_is_the_signs_of_the_lowest_frequencies(drawn):
    thumbs = thumbnails(drawn[:5])
    np.testing.assert_allclose(thumbs[2, 3, 5], drawn[2, 12:16, 20:24].mean((0, 1)), rtol=1e-5)
    gray = thumbs[2] @ np.array([0.299, 0.587, 0.114])
    expected = "".join("1" if c > 0 else "0" for c in dctn(gray)[:8, :8].flat)
    read = "".join(f"{byte:08b}" for byte in picture_hashes(thumbs)[2:3].tobytes())
    assert read == expected
    turned = picture_hashes(thumbnails(drawn[:5, :, ::-1].copy()))
    np.testing.assert_array_equal(turned, picture_hashes(thumbs) ^ MIRROR)


def test_thumbnails_of_sides_that_do_not_divide():
    images = np.random.default_rng(2).integers(0, 256, (1, 24, 20, 3), np.uint8)
    fine = images[0].repeat(2, 0).repeat(4, 1).astype(float)  # 48 x 80: cells of 3 x 5
    expected = fine.reshape(16, 3, 16, 5, 3).mean((1, 3))
    np.testing.assert_allclose(thumbnails(images)[0], expected, rtol=1e-5)


def test_correlation_is_pearsons_and_minds_colour(drawn):
    a, b = thumbnails(drawn[:6]), thumbnails(drawn[6:12])
    expected = [np.corrcoef(x.ravel(), y.ravel())[0, 1] for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(correlation(a, b), expected, atol=1e-4)
    np.testing.assert_allclose(correlation(a, 0.7 * a + 30), 1, atol=1e-4)
    assert (correlation(a, a[..., ::-1]) < 0.97).any()  # red for blue is another picture


def test_the_record_is_made_once(tmp_path, monkeypatch):
    source = ProceduralSource(n_classes=4, train_per_class=6, test_per_class=2, size=16)
    store = Store(tmp_path)
    images = load_images(source, store=store, progress=False)
    first = duplicates(images, store)
    monkeypatch.setattr("benchmarks.near_duplicates.near_pairs", None)
    again = duplicates(images, store)
    np.testing.assert_array_equal(first.one, again.one)
    assert len(list((tmp_path / "duplicates").iterdir())) == 1


def test_a_test_image_copied_into_train_of_a_folder_is_found(tmp_path, drawn):
    for i, pixels in enumerate(drawn[:40]):
        folder = tmp_path / "data" / ("test" if i % 4 == 0 else "train") / f"class {i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    copied = Image.fromarray(drawn[8]).resize((97, 97))
    as_jpeg(copied, 30).save(tmp_path / "data" / "train" / "class 1" / "copy.jpg", quality=60)
    store = Store(tmp_path / "cache")
    images = load_images(ImageFolderSource(str(tmp_path / "data"), size=32), store=store)
    found = duplicates(images, store)
    names = [(images.names[a], images.names[b]) for a, b in zip(found.one, found.two, strict=True)]
    assert [sorted(pair) for pair in names] == [["test/class 0/08.png", "train/class 1/copy.jpg"]]
