"""The real command on what a real run of run.py has trained: pictures in, pictures out."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from benchmarks.colorize import colorize, main
from benchmarks.command import command
from benchmarks.errors import ConfigError
from benchmarks.picture_files import decode_picture
from benchmarks.run import run as experiment

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"torch", "numpy", "PIL", "pandas", "diffusers", "omegaconf", "rich"}
ASKED = [
    "device=cpu", "data.n_classes=8", "data.train_per_class=12", "data.test_per_class=4",
    "data.size=16", "split.n_folds=4", "split.pool_fraction=0.5", "budgets=[2]",
    "pretrain={epochs:1,batch_size:12,precision:32-true}", "scale.block_channels=[8,8]",
    "scale.norm_groups=4", "scale.block_pixels=null",
    "methods=[block_untrained,block_autoencoding,block_regression,block_classes]", "probes=[]",
    "baselines=[chance]", "comparisons=[]", "primary={labels_per_class:2,classes:all}",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run that the real command has made at tiny size."""
    out = tmp_path_factory.mktemp("results")
    assert command(experiment, [*ASKED, f"out={out}"]) == 0
    (folder,) = (out / "runs").iterdir()
    return folder


@pytest.fixture
def call(run, tmp_path):
    """Give the command a picture or a folder; its exit code."""

    def call(source, *options, out=tmp_path / "out"):
        how = ["--run", run, "--out", out, "--device", "cpu", *options]
        return main([str(word) for word in (source, *how)])

    return call


def smooth(height, width, seed=0, grains=(3, 4)):
    """A picture of mild colours, whose L leaves room for others."""
    coarse = np.random.default_rng(seed).integers(90, 170, (*grains, 3)).astype(np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def planted(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def opened(path):
    with Image.open(path, formats=["PNG"]) as file:
        return np.array(file)


def said(capsys):
    found = capsys.readouterr()
    assert "Traceback" not in found.err
    return found


def test_a_picture_keeps_its_size_and_its_lightness_and_gets_colour(call, tmp_path, capsys):
    pixels = smooth(37, 91)
    picture = planted(tmp_path / "in" / "a b.png", pixels)
    before = picture.read_bytes()
    assert call(picture) == 0
    result = opened(tmp_path / "out" / "a b.png")
    assert result.shape == pixels.shape
    off = np.abs(rgb2lab(result) - rgb2lab(pixels))
    inside = ((result > 0) & (result < 255)).all(-1)  # clipping to the gamut moves L, too
    assert inside.mean() > 0.5
    assert off[inside][:, 0].max() < 0.25 and off[..., 1:].max() > 1
    assert picture.read_bytes() == before
    line = r"1 pictures colorized by block_regression \(fold 0, seed 0\), [\d.e-]+ s an image, in "
    assert re.fullmatch(line + re.escape(f"{tmp_path / 'out'}\n"), said(capsys).out)


def test_a_second_call_writes_the_same_bytes(call, tmp_path):
    picture = planted(tmp_path / "a.png", smooth(20, 30))
    made = []
    for _ in range(2):
        assert call(picture) == 0
        made.append((tmp_path / "out" / "a.png").read_bytes())
    assert made[0] == made[1]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.png"]


def test_of_a_folder_what_can_be_is_made_and_the_rest_named(call, tmp_path, capsys):
    root = tmp_path / "in"
    gray = smooth(9, 9)[..., 0]
    pictures = {"a.jpg": smooth(20, 30), "a.png": smooth(31, 17), "sub/one.png": smooth(1, 1),
                "sub/gray.png": gray, "sub/deep.png": gray.astype(np.uint16) * 257}  # fmt: skip
    for name, pixels in pictures.items():
        planted(root / name, pixels)
    frames = [Image.fromarray(smooth(8, 8, seed)) for seed in (1, 2)]
    frames[0].save(root / "moving.gif", save_all=True, append_images=frames[1:])
    Image.fromarray(smooth(24, 16)).convert("CMYK").save(root / "print.jpg")
    whole = planted(root / "cut.jpg", smooth(64, 64)).read_bytes()
    (root / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (root / "fake.png").write_text("<html>")
    (root / "data.txt").write_text("no picture")
    assert call(root) == 3
    made = {"a.jpg": "a.jpg.png", "a.png": "a.png.png", "sub/one.png": "sub/one.png",
            "sub/gray.png": "sub/gray.png", "sub/deep.png": "sub/deep.png",
            "moving.gif": "moving.png", "print.jpg": "print.png"}  # fmt: skip
    out = tmp_path / "out"
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.*")} == set(made.values())
    for name, result in made.items():
        seen, colored = decode_picture((root / name).read_bytes()), opened(out / result)
        clipped = ((colored == 0) | (colored == 255)).any(-1)
        off = np.abs(rgb2lab(colored) - rgb2lab(seen))[..., 0]
        assert off[~clipped].max() < 0.25 and clipped.mean() < 0.1, result
    printed, err = said(capsys)
    assert printed.startswith("7 pictures colorized by block_regression")
    assert re.search(r"^not colorized: cut\.jpg: OSError: truncated", err, re.I | re.M)
    assert re.search(r"^not colorized: fake\.png: not an image", err, re.M)
    assert "error: 2 of 9 pictures not colorized\n  try: " in err and "data.txt" not in err


def test_a_photograph_is_turned_upright(call, tmp_path):
    pixels = smooth(37, 91)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side: turn by 90 degrees to the right
    planted(tmp_path / "a.png", np.rot90(pixels).copy(), exif=exif)
    assert call(tmp_path / "a.png", "--compare") == 0
    result, sheet = (opened(tmp_path / "out" / name) for name in ("a.png", "a.compare.png"))
    assert result.shape == pixels.shape
    inside = ((result > 0) & (result < 255)).all(-1)
    assert np.abs(rgb2lab(result) - rgb2lab(pixels))[inside][:, 0].max() < 0.25
    np.testing.assert_array_equal(sheet[:, -91:], pixels)


def test_a_sheet_shows_gray_result_and_original(call, tmp_path):
    pixels = smooth(20, 30)
    # An untrained control colorizes when it is named.
    how = ("--compare", "--method", "block_untrained")
    assert call(planted(tmp_path / "a.png", pixels), *how) == 0
    sheet = opened(tmp_path / "out" / "a.compare.png")
    gray, result, original = sheet[:, :30], sheet[:, 38:68], sheet[:, 76:]
    np.testing.assert_array_equal(original, pixels)
    np.testing.assert_array_equal(result, opened(tmp_path / "out" / "a.png"))
    assert np.ptp(gray.astype(int), axis=-1).max() == 0 < np.ptp(result.astype(int), -1).max()


def test_classes_have_a_temperature_and_values_have_none(call, run, tmp_path, capsys):
    picture = planted(tmp_path / "a.png", smooth(20, 30))
    chroma = []
    for temperature in ("0.05", "1"):
        assert call(picture, "--method", "block_classes", "--temperature", temperature) == 0
        ab = rgb2lab(opened(tmp_path / "out" / "a.png"))[..., 1:]
        chroma.append(np.linalg.norm(ab, axis=-1).mean())
    assert chroma[0] > chroma[1]
    said(capsys)
    assert call(picture, "--temperature", "1") == 2
    assert said(capsys).err == (
        "error: block_regression predicts values, which have no temperature\n"
        "  try: leave out --temperature, or give --method with one that predicts classes\n"
    )


@pytest.mark.parametrize(
    ("options", "said_", "remedy"),
    [
        (["--method", "block_autoencoding"], "block_autoencoding predicts no colour",
         "one of: block_untrained, block_regression, block_classes"),
        (["--method", "nothing"], "trained no method nothing", "known: block_untrained"),
    ],
)  # fmt: skip
def test_a_wrong_question_is_one_line_and_a_remedy(call, tmp_path, capsys, options, said_, remedy):
    assert call(planted(tmp_path / "a.png", smooth(9, 9)), *options) == 2
    err = said(capsys).err
    assert said_ in err.splitlines()[0] and remedy in err.splitlines()[1]
    assert len(err.splitlines()) == 2 and not (tmp_path / "out").exists()


def test_what_is_missing_or_in_the_way_is_told(call, tmp_path, capsys):
    picture = planted(tmp_path / "a.png", smooth(9, 9))
    (tmp_path / "file").touch()
    assert call(tmp_path / "absent.png") == 3
    assert call(picture, out=tmp_path) == 2
    assert call(picture, out=tmp_path / "file") == 4
    assert main([str(picture), "--run", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    err = said(capsys)[1]
    for line in ("does not exist", "would overwrite", "is not the folder of a run"):
        assert line in err


def test_from_python_pictures_and_arrays_are_taken(call, run, tmp_path):
    pixels = smooth(20, 30)
    assert call(planted(tmp_path / "a.png", pixels)) == 0
    file = opened(tmp_path / "out" / "a.png")
    gray = Image.fromarray(pixels).convert("L")
    results = colorize([pixels, Image.fromarray(pixels), gray, np.array(gray)], run, device="cpu")
    for result in results[:2]:
        np.testing.assert_array_equal(result, file)
    np.testing.assert_array_equal(results[2], results[3])
    sized = colorize([pixels], str(run), method="block_classes", size=32, temperature=0.2)
    assert sized[0].shape == pixels.shape and colorize([], run) == []
    with pytest.raises(ConfigError, match="trained no method"):
        colorize([pixels], run, method="nothing")


def test_help_is_answered_at_once(tmp_path):
    script = [sys.executable, "-X", "importtime", str(ROOT / "benchmarks" / "colorize.py")]
    done = subprocess.run([*script, "--help"], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    modules = re.findall(r"^import time: .*\|\s+(\S+)$", done.stderr, re.M)
    assert not {name.split(".")[0] for name in modules} & HEAVY
    assert "PICTURE_OR_FOLDER" in done.stdout and "exit codes: 0 done" in done.stdout


@pytest.mark.skipif("COLORPROBE_SLOW" not in os.environ, reason="COLORPROBE_SLOW is not set")
def test_twelve_megapixels_take_less_than_two_gibibytes(run, tmp_path):
    planted(tmp_path / "large.jpg", smooth(3000, 4000, grains=(1500, 2000)), quality=95)
    script = [sys.executable, str(ROOT / "benchmarks" / "colorize.py"), str(tmp_path / "large.jpg")]
    with subprocess.Popen(
        [*script, "--run", run, "--out", tmp_path / "out", "--compare"]
    ) as started:
        _, status, usage = os.wait4(started.pid, 0)
        started.returncode = os.waitstatus_to_exitcode(status)
    peak = usage.ru_maxrss / (2**30 if sys.platform == "darwin" else 2**20)
    print(f"peak {peak:.2f} GiB, {usage.ru_utime:.1f} s of processor")
    assert started.returncode == 0
    assert opened(tmp_path / "out" / "large.png").shape == (3000, 4000, 3)
    assert peak < 2
