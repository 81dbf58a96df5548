"""Each rule of benchmarks/decode.py against the answer computed without it."""

import hashlib
import io
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from benchmarks.decode import MAX_PIXELS, decode_image, decoding, strict_decoding
from benchmarks.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (8, 8, 3)).astype(np.uint8)


def encoded(image: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def smooth(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return (255 * np.stack([x, y, (x + y) / 2], axis=-1)).astype(np.uint8)


@pytest.mark.parametrize("form", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_at_its_own_size_is_untouched(form):
    np.testing.assert_array_equal(decode_image(encoded(Image.fromarray(PIXELS), form), 8), PIXELS)


@pytest.mark.parametrize(
    ("form", "options"), [("JPEG", {"quality": 95}), ("WEBP", {}), ("GIF", {})]
)
def test_lossy_formats_are_close(form, options):
    picture = smooth(16, 16)
    out = decode_image(encoded(Image.fromarray(picture), form, **options), 16)
    assert np.abs(out - picture.astype(int)).mean() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fit", ["crop", "squash"])
def test_exif_orientation_equals_the_turned_file(orientation, fit):
    picture = Image.fromarray(RNG.integers(0, 256, (9, 14, 3)).astype(np.uint8))
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
    upright = picture if turn is None else picture.transpose(Image.Transpose(turn))
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = decode_image(encoded(picture, "PNG", exif=exif), 6, fit)
    np.testing.assert_array_equal(turned, decode_image(encoded(upright, "PNG"), 6, fit))


@pytest.mark.parametrize("orientation", [None, 1, 3, 6])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:0"])
def test_pixels_of_a_jpeg_are_pillows(subsampling, progressive, orientation):
    options = {"subsampling": subsampling, "progressive": progressive}
    if orientation:
        options["exif"] = Image.Exif()
        options["exif"][0x0112] = orientation
    data = encoded(
        Image.fromarray(RNG.integers(0, 256, (20, 20, 3)).astype(np.uint8)), "JPEG", **options
    )
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    np.testing.assert_array_equal(decode_image(data, 20), np.asarray(upright))


@pytest.mark.parametrize("size", [24, 50, 90])
@pytest.mark.parametrize("shape", [(64, 64), (97, 61), (48, 33)])
def test_resizing_is_within_a_level_of_pillows_or_two_where_noise_grows(shape, size):
    picture = Image.fromarray(RNG.integers(0, 256, (*shape, 3)).astype(np.uint8))
    out = decode_image(encoded(picture, "PNG"), size).astype(int)
    side = min(shape)
    left, top = ((extent - side) // 2 for extent in picture.size)
    square = picture.crop((left, top, left + side, top + side))
    whole = np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))
    assert np.abs(out - whole).max() <= 1 + (size > side)
    assert (out != whole).mean() < 0.02


def test_resizing_is_the_same_with_every_instruction_set():
    command = [sys.executable, "-c", "from tests.test_decode import resized_hash; resized_hash()"]
    told = [
        subprocess.run(command, env=os.environ | extra, check=True, capture_output=True).stdout
        for extra in ({}, {"ATEN_CPU_CAPABILITY": "default"})
    ]
    assert len(told[0]) > 32 and told[0] == told[1]


def resized_hash():
    pictures = [np.random.default_rng(i).integers(0, 256, (40 + 9 * i, 57, 3)) for i in range(6)]
    files = [encoded(Image.fromarray(picture.astype(np.uint8)), "PNG") for picture in pictures]
    content = b"".join(decode_image(data, size).tobytes() for data in files for size in (16, 64))
    print(hashlib.sha256(content).hexdigest())


def test_headers_are_refused_before_pixels_are_asked_for():
    data = encoded(Image.fromarray(PIXELS), "PNG")
    decode = decoding(data[: len(data) // 2], 8)
    with pytest.raises(DataError):
        decoding(data[:10], 8)
    with pytest.raises(DataError):
        decode()


def test_crop_takes_the_centre_and_squash_everything():
    picture = np.zeros((10, 30, 3), np.uint8)
    picture[:, 10:20] = 255
    data = encoded(Image.fromarray(picture), "PNG")
    assert decode_image(data, 10, "crop").min() == 255
    assert decode_image(data, 10, "squash").min() == 0
    with pytest.raises(ConfigError, match="stretch"):
        decode_image(data, 10, "stretch")


def test_gray_16_bit_is_scaled_not_clipped():
    values = np.array([[0, 257 * 100], [257 * 200, 65535]], np.uint16)
    out = decode_image(encoded(Image.fromarray(values), "PNG"), 2)
    np.testing.assert_array_equal(out, np.stack([[[0, 100], [200, 255]]] * 3, -1))
    header = b"P5 2 2 65535\n" + values.astype(">u2").tobytes()
    np.testing.assert_array_equal(decode_image(header, 2), out)


def test_rgb_16_bit_is_scaled():
    rows = b"".join(b"\0" + struct.pack(">6H", 65535, 32768, 0, 0, 32768, 65535) for _ in range(2))
    out = decode_image(png(2, 2, 16, 2, rows), 2)
    np.testing.assert_array_equal(out, [[[255, 128, 0], [0, 128, 255]]] * 2)


def png(width: int, height: int, depth: int, kind: int, rows: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("mode", ["1", "L"])
def test_gray_is_replicated(mode):
    out = decode_image(encoded(Image.fromarray(PIXELS).convert(mode), "PNG"), 8)
    assert (out == out[..., :1]).all()
    assert out.std() > 20


def test_alpha_is_composited_on_white():
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0], rgba[0, 1], rgba[1, 0] = (10, 20, 30, 255), (10, 20, 30, 0), (0, 0, 0, 51)
    out = decode_image(encoded(Image.fromarray(rgba), "PNG"), 2)
    np.testing.assert_array_equal(out[0], [[10, 20, 30], [255, 255, 255]])
    np.testing.assert_array_equal(out[1, 0], [204, 204, 204])
    gray_alpha = encoded(Image.fromarray(rgba).convert("LA"), "PNG")
    assert (decode_image(gray_alpha, 2)[0, 1] == 255).all()


@pytest.mark.parametrize("transparency", [1, bytes([255, 0])])
def test_palette_transparency_is_white(transparency):
    picture = Image.new("P", (2, 1))
    picture.putpalette([200, 0, 0, 0, 200, 0])
    picture.putdata([0, 1])
    out = decode_image(encoded(picture, "PNG", transparency=transparency), 2, "squash")
    np.testing.assert_array_equal(out[0], [[200, 0, 0], [255, 255, 255]])


def test_cmyk_keeps_its_colours():
    reds = Image.new("RGB", (16, 16), (220, 30, 30)).convert("CMYK")
    for data in (encoded(reds, "JPEG", quality=95), encoded(reds, "TIFF")):
        out = decode_image(data, 4).reshape(-1, 3).mean(0)
        np.testing.assert_allclose(out, (220, 30, 30), atol=6)


def test_first_frame_of_an_animation():
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    for form in ("GIF", "TIFF"):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        assert (decode_image(data, 4) == (255, 0, 0)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (65_500, 2)])
def test_extreme_sides(size):
    data = encoded(Image.new("RGB", size, (9, 99, 199)), "PNG")
    for fit in ("crop", "squash"):
        assert (decode_image(data, 8, fit) == (9, 99, 199)).all()


def test_reduced_decoding_of_a_large_jpeg_shows_the_same_picture():
    picture = smooth(512, 512)
    out = decode_image(encoded(Image.fromarray(picture), "JPEG", quality=95), 32)
    whole = np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BICUBIC))
    assert np.abs(out.astype(int) - whole).max() <= 4


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5])
def test_truncated_files_are_refused(form, kept):
    data = encoded(Image.fromarray(RNG.integers(0, 256, (64, 64, 3)).astype(np.uint8)), form)
    with pytest.raises(DataError):
        decode_image(data[: int(kept * len(data))], 8)


def test_jpeg_without_its_last_byte_or_with_a_broken_table_is_refused():
    data = encoded(Image.fromarray(PIXELS), "JPEG")
    with pytest.raises(DataError, match="end marker"):
        decode_image(data[:-1], 8)
    decode_image(data + b"appended by some camera", 8)
    table = data.find(b"\xff\xc4") + 4
    with pytest.raises(DataError, match="JPEG: Bogus Huffman"):
        decode_image(data[:table] + b"\xff" * 16 + data[table + 16 :], 8)


def test_foreign_formats_and_undefined_white_are_refused():
    picture = Image.fromarray(PIXELS)
    cases = [(b"<html>", "known format"), (encoded(picture, "EPS"), "known format")]
    cases += [(encoded(Image.new(mode, (4, 4)), "TIFF"), f"mode {mode}") for mode in "FI"]
    for data, reason in cases:
        with pytest.raises(DataError, match=reason):
            decode_image(data, 8)


def test_bomb_is_refused_before_allocation():
    side = int((MAX_PIXELS + 4e6) ** 0.5)
    tracemalloc.start()
    for width, height in ((side, side), (30_000, 30_000)):
        with pytest.raises(DataError, match=r"64 Mpx|Bomb"):
            decode_image(png(width, height, 8, 2, b""), 8)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


def test_warnings_are_refusals():
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01"
    data = encoded(Image.fromarray(PIXELS), "PNG", exif=exif)
    with strict_decoding(), pytest.raises(DataError, match="Warning"):
        decode_image(data, 8)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 3), st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=6)
)
def test_flipped_bytes_give_an_image_or_a_reason(which, edits):
    form = ("JPEG", "PNG", "GIF", "TIFF")[which]
    data = bytearray(encoded(Image.fromarray(PIXELS), form))
    for place, value in edits:
        data[place % len(data)] = value
    try:
        assert decode_image(bytes(data), 8).shape == (8, 8, 3)
    except DataError as error:
        assert error.cause
