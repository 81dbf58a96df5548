"""The wheel holds every file of the product, and nothing that is not below colorprobe/."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("benchmarks", "models", "probes", "configs")
KINDS = (".py", ".yaml", ".html", ".md")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


# What the script of the wheel does, where only the wheel is: -I keeps the tree off the path.
CALL = """
import sys
sys.path.insert(0, sys.argv[1])
from importlib import import_module
module, _, name = sys.argv[2].partition(":")
sys.argv = ["colorprobe", "--cfg=job"]
sys.exit(getattr(import_module(module), name)())
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a copy of the tree, offline."""
    setuptools = pytest.importorskip("setuptools", reason="the wheel is built with setuptools")
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip(f"pyproject.toml asks for setuptools >= 77, here is {setuptools.__version__}")
    copy, out = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, ignore=skip)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, copy)
    command = [sys.executable, "-c", BUILD, str(out)]
    built = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def names(wheel):
    """Names of the files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def product() -> set[str]:
    """Files of the product that git has, or would have; without git those that are there."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    paths = [ROOT / line for line in listed.stdout.splitlines()]
    if listed.returncode:
        paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*")]
    there = (path for path in paths if path.suffix in KINDS and path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in there}


def test_everything_of_the_product_is_in_it(names):
    wanted = {f"colorprobe/{name}" for name in product()}
    assert len(wanted) > 100
    assert not wanted - names, "missing in the wheel"
    inside = {name for name in names if name.startswith("colorprobe/")}
    assert not inside - wanted, "in the wheel, but not in the tree"


def test_it_puts_one_folder_beside_its_metadata(names):
    tops = {name.split("/")[0] for name in names}
    assert tops - {top for top in tops if top.endswith(".dist-info")} == {"colorprobe"}


def test_its_script_finds_its_configurations(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    (listed,) = tmp_path.glob("*.dist-info/entry_points.txt")
    script = listed.read_text().split("colorprobe = ")[1].strip()
    command = [sys.executable, "-I", "-c", CALL, str(tmp_path), script]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    assert "name: quickstart" in said.stdout
