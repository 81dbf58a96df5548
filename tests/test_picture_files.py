"""Pictures at their own size, by the rules of decode.py; results that meet no other file."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.decode import decode_image
from benchmarks.errors import ConfigError, DataError
from benchmarks.picture_files import (
    as_pixels,
    decode_picture,
    jobs,
    png,
    read_picture,
    side_by_side,
)

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (9, 14, 3)).astype(np.uint8)
PICTURE = Image.fromarray(PIXELS)


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def planted(root: Path, *names: str) -> list[Path]:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        PICTURE.save(root / name, "PNG")
    return [root / name for name in names]


def results(source: Path, out: Path) -> dict[str, str]:
    found, _ = jobs(source, out)
    return {job.name: job.result.relative_to(out).as_posix() for job in found}


def rgba() -> Image.Image:
    levels = np.linspace(0, 255, 9 * 14).astype(np.uint8).reshape(9, 14, 1)
    return Image.fromarray(np.concatenate([PIXELS, levels], axis=2))


CASES = {
    "rgb": encoded(PICTURE),
    "one pixel": encoded(PICTURE.crop((0, 0, 1, 1))),
    "gray": encoded(PICTURE.convert("L")),
    "black and white": encoded(PICTURE.convert("1")),
    "16 bits": encoded(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)),
    "palette": encoded(PICTURE.convert("P")),
    "transparent palette": encoded(PICTURE.convert("P"), transparency=3),
    "alpha": encoded(rgba()),
    "cmyk": encoded(PICTURE.convert("CMYK"), "TIFF"),
    "animation": encoded(PICTURE, "GIF", save_all=True, append_images=[Image.new("RGB", (14, 9))]),
    "pages": encoded(PICTURE, "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))]),
    "webp": encoded(PICTURE, "WEBP", lossless=True),
}


@pytest.mark.parametrize("data", CASES.values(), ids=CASES)
def test_rules_are_those_of_the_data_sets_without_their_resizing(data):
    """decode_image resizes to a square: at one pixel it gives what a resize of ours gives."""
    pixels = decode_picture(data)
    assert pixels.shape == ((1, 1, 3) if len(pixels) == 1 else (9, 14, 3))
    shrunk = Image.fromarray(pixels).resize((1, 1), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(decode_image(data, 1, "squash"), np.asarray(shrunk))


def test_what_is_lossless_is_untouched_and_what_is_deep_is_scaled():
    np.testing.assert_array_equal(decode_picture(CASES["rgb"]), PIXELS)
    np.testing.assert_array_equal(decode_picture(CASES["webp"]), PIXELS)
    np.testing.assert_array_equal(decode_picture(CASES["16 bits"])[..., 1], PIXELS[..., 0])
    np.testing.assert_array_equal(decode_picture(CASES["pages"]), PIXELS)
    share = np.asarray(rgba())[..., 3:] / 255
    over_white = share * PIXELS + (1 - share) * 255
    assert np.abs(decode_picture(CASES["alpha"]) - over_white).max() <= 1


def test_a_cmyk_jpeg_keeps_its_colours():
    reds = Image.new("RGB", (33, 17), (220, 30, 30)).convert("CMYK")
    pixels = decode_picture(encoded(reds, "JPEG", quality=95))
    assert pixels.shape == (17, 33, 3)
    assert np.abs(pixels - np.array([220.0, 30, 30])).max() <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(orientation):
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
    upright = PICTURE if turn is None else PICTURE.transpose(Image.Transpose(turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = encoded(PICTURE, exif=exif)
    np.testing.assert_array_equal(decode_picture(turned), np.asarray(upright))
    np.testing.assert_array_equal(as_pixels(Image.open(io.BytesIO(turned))), np.asarray(upright))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "known format"), (b"<html>", "known format"), (encoded(PICTURE)[:200], "truncated"),
        (encoded(PICTURE, "JPEG")[:-1], "end marker"), (encoded(PICTURE, "EPS"), "known format"),
        (encoded(Image.new("F", (4, 4)), "TIFF"), "mode F"),
        (encoded(Image.new("1", (9000, 9000))), "64 Mpx"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused(data, said):
    with pytest.raises(DataError, match=said):
        decode_picture(data)


def test_files_that_cannot_be_read_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    for name, said in (("pipe.png", "regular file"), ("absent.png", "cannot be read")):
        with pytest.raises(DataError, match=said):
            read_picture(tmp_path / name)


def test_arrays_are_taken_as_they_are_and_others_refused():
    np.testing.assert_array_equal(as_pixels(PIXELS[:, ::-1]), PIXELS[:, ::-1])
    np.testing.assert_array_equal(as_pixels(PIXELS[..., 0]), PIXELS[..., :1].repeat(3, 2))
    np.testing.assert_array_equal(as_pixels(rgba()), decode_picture(CASES["alpha"]))
    for bad in (PIXELS / 255, PIXELS[..., :2], PIXELS[None], PIXELS[:0], "a.png", None):
        with pytest.raises(DataError, match="no picture"):
            as_pixels(bad)


def test_folders_and_names_are_kept(tmp_path):
    root, out = tmp_path / "in", tmp_path / "out"
    planted(root, "a.jpg", "sub/a.jpg", "sub/deep/b.tar.png", "UPPER.PNG", "a b \u00e9.webp")
    (root / "notes.txt").write_text("no picture")
    assert results(root, out) == {
        "a.jpg": "a.png", "sub/a.jpg": "sub/a.png", "sub/deep/b.tar.png": "sub/deep/b.tar.png",
        "UPPER.PNG": "UPPER.png", "a b \u00e9.webp": "a b \u00e9.png",
    }  # fmt: skip
    assert results(root / "sub" / "a.jpg", out) == {"a.jpg": "a.png"}
    assert not out.exists()


def test_no_two_results_meet(tmp_path):
    names = ["a.jpg", "a.PNG", "A.gif", "a.jpg.png", "b.compare.jpg", "b.jpg", f"{'x' * 250}.png",
             f"{'x' * 249}y.png"]  # fmt: skip
    planted(tmp_path / "in", *names)
    found, _ = jobs(tmp_path / "in", tmp_path / "out")
    made = [str(path).casefold() for job in found for path in (job.result, job.sheet)]
    assert len(found) == len(names) and len(made) == len(set(made))
    assert all(len(Path(path).name) < 230 for path in made)
    by_name = {job.name: job.result.name for job in found}
    assert (by_name["a.jpg"], by_name["a.PNG"]) == ("a.jpg.png", "a.PNG.png")


def test_what_looks_like_a_picture_and_is_none_is_named(tmp_path):
    root = tmp_path / "in"
    (good, outside) = (*planted(root, "good.png"), *planted(tmp_path, "outside.png"))
    (root / "out.png").symlink_to(outside)
    (root / "inside.png").symlink_to(good)
    (root / "around").symlink_to(root)
    os.mkfifo(root / "pipe.jpg")
    found, passed = jobs(root, tmp_path / "made")
    assert [job.name for job in found] == ["good.png", "inside.png"]
    assert [line.split(":")[0] for line in passed] == ["out.png", "pipe.jpg"]


def test_results_of_an_earlier_call_are_not_its_pictures(tmp_path):
    planted(tmp_path, "a.png", "made/a.png", "made/sub/b.png", "madeup/c.png")
    assert list(results(tmp_path, tmp_path / "made")) == ["a.png", "madeup/c.png"]


def test_no_picture_is_overwritten_and_nothing_leaves_the_folder(tmp_path):
    root = tmp_path / "in"
    (a, _) = planted(root, "a.png", "sub/b.jpg")
    shutil.copy(a, tmp_path / "c.png")
    with pytest.raises(ConfigError, match="themselves"):
        jobs(root, root / "sub" / "..")
    for source, out in ((a, root), (root / "sub" / "b.jpg", root)):
        if source == a:
            with pytest.raises(ConfigError, match="would overwrite"):
                jobs(source, out)
        else:
            assert results(source, out) == {"b.jpg": "b.png"}
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "sub").symlink_to(root)
    with pytest.raises(ConfigError, match="leads out of"):
        jobs(root, tmp_path / "made")


def test_nothing_to_do_is_said(tmp_path):
    for source, said in ((tmp_path, "no pictures in"), (tmp_path / "x.png", "does not exist")):
        with pytest.raises(DataError, match=said):
            jobs(source, tmp_path / "out")


def test_sheets_stand_side_by_side_and_large_ones_shrink():
    sheet = side_by_side([PIXELS, PIXELS, PIXELS])
    assert sheet.shape == (9, 3 * 14 + 2 * 8, 3)
    np.testing.assert_array_equal(sheet[:, 22:36], PIXELS)
    assert (sheet[:, 14:22] == 255).all()
    large = np.zeros((10, 4096, 3), np.uint8)
    assert side_by_side([large, large]).shape == (3, 2 * 1024 + 8, 3)


def test_png_is_lossless():
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png(PIXELS)))), PIXELS)
