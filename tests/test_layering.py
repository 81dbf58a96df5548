"""Who may import whom, read from the syntax trees: models and probes stand alone."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("benchmarks", "models", "probes", "configs")
FORBIDDEN = {  # what a package must not import
    "models": ("benchmarks", "probes", "configs", "tests", "colorprobe"),
    "probes": ("benchmarks", "models", "configs", "tests", "colorprobe"),
    "benchmarks": ("benchmarks.run", "configs", "tests", "colorprobe"),
    "configs": PACKAGES,
}
FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def imports(path: Path, source: str) -> Iterator[tuple[str, bool]]:
    """Every module that `path` (from the root) imports, by its full name; and if relatively."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = path.with_suffix("").parts[: -node.level] if node.level else ()
            base = [*above, *(node.module.split(".") if node.module else [])]
            yield from ((".".join([*base, alias.name]), node.level > 0) for alias in node.names)


def violations(path: Path, source: str) -> list[str]:
    """What is wrong with the imports of a file, `path` being relative to the root."""
    package, wrong = path.parts[0], []
    for name, relative in imports(path, source):
        inside = name.split(".")[0] == package
        if any(f"{name}.".startswith(f"{other}.") for other in FORBIDDEN[package]):
            wrong.append(f"{path} imports {name}")
        elif inside and package in ("models", "probes") and not relative:
            wrong.append(f"{path} imports {name} by its full name, not relatively")
        elif relative and package not in ("models", "probes"):
            wrong.append(f"{path} imports {name} relatively")
    return wrong


def test_nobody_imports_what_is_above_or_beside_him():
    assert len(FILES) > 50
    found = [violations(path.relative_to(ROOT), path.read_text("utf-8")) for path in FILES]
    assert not [line for lines in found for line in lines]


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("models/x.py", "import probes.linear"),
        ("models/x.py", "from probes import linear as p"),
        ("models/pretext/x.py", "def f():\n    from benchmarks.data import ImageStore"),
        ("models/pretext/x.py", "from models.color import gray"),
        ("models/x.py", "import models.color as color"),
        ("models/x.py", "from .. import probes"),
        ("probes/x.py", "import torch, models"),
        ("probes/x.py", "from probes.inputs import top1"),
        ("benchmarks/x.py", "from benchmarks import errors, run"),
        ("benchmarks/report/x.py", "from benchmarks.run import run"),
        ("benchmarks/x.py", "from .errors import DataError"),
        ("benchmarks/x.py", "from .run import run"),
        ("configs/__init__.py", "import benchmarks.settings"),
    ],
)
def test_a_planted_violation_is_found(path, line):
    assert len(violations(Path(path), f"import math\n{line}\n")) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("models/pretext/x.py", "from ..color import gray"),
        ("models/x.py", "from . import color"),
        ("models/x.py", "import probes_of_another_project"),
        ("benchmarks/x.py", "from benchmarks.run_folder import write"),
        ("benchmarks/x.py", "from models.color import gray\nfrom probes import linear"),
    ],
)
def test_what_is_allowed_is_not_found(path, line):
    assert violations(Path(path), line) == []
