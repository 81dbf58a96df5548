"""House rules that a syntax tree can measure: names, sizes, docstrings, dangerous calls, paths."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("benchmarks", "models", "probes", "configs")
PRODUCT = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").glob("*.py"))
FILE_LINES, FUNCTION_LINES = 230, 55
TEST_FILE_LINES, TEST_FUNCTION_LINES = 260, 60
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "misc", "tools", "lib", "core"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib"}
UNSAFE_CALLS = {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load", "os.system"}
HOME = re.compile(r"(?<![\w.])(/home/|/Users/|/root/|/work/|/tmp/|~/|[A-Z]:\\Users)\w")
TEXT = (".py", ".yaml", ".html", ".toml", ".md", ".txt")


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def too_long(paths: list[Path], *, file_lines: int, function_lines: int) -> list[str]:
    """Files and functions over the limits, with their lengths."""
    found = []
    for path in paths:
        text = path.read_text("utf-8")
        lines = len(text.splitlines())
        found += [f"{path}: {lines} lines"] if lines > file_lines else []
        for function in functions(ast.parse(text)):
            length = (function.end_lineno or 0) - function.lineno + 1
            if length > function_lines:
                found.append(f"{path}: {function.name} has {length} lines")
    return found


def undocumented(tree: ast.AST, owner: str = "") -> Iterator[str]:
    """Public functions, classes and methods of public classes that have no docstring."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield owner + node.name
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node, f"{node.name}.")


def unsafe(tree: ast.AST) -> Iterator[str]:
    """Imports and calls that can run what a file contains."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in UNSAFE_MODULES)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            bad = (node.module or "").split(".")[0] in UNSAFE_MODULES
            yield from (name for name in names if bad or name in UNSAFE_CALLS)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in UNSAFE_CALLS:
                yield name
            for keyword in node.keywords:
                allows = isinstance(keyword.value, ast.Constant) and not keyword.value.value
                if keyword.arg == "allow_pickle" and not allows:
                    yield f"{name}(allow_pickle=...)"


def import_names() -> set[str]:
    """Names under which the dependencies of pyproject.toml are imported."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    wanted = {re.split(r"[<>=!~ \[;]", line)[0].lower().replace("_", "-") for line in wanted}
    installed = packages_distributions()
    by_import = {
        name: {dist.lower().replace("_", "-") for dist in dists}
        for name, dists in installed.items()
    }
    return {name for name, dists in by_import.items() if dists & wanted}


def test_no_file_is_named_for_everything():
    named = [relative(path) for path in [*PRODUCT, *TESTS] if path.stem in VAGUE]
    assert not named


def test_no_script_beside_run_shadows_a_module():
    """`python benchmarks/run.py` puts benchmarks/ first on the path of imports."""
    taken = sys.stdlib_module_names | import_names()
    assert {"numpy", "torch", "hydra", "PIL", "sklearn", "skimage", "lpips"} <= taken
    beside = {path.stem for path in (ROOT / "benchmarks").iterdir() if path.suffix in (".py", "")}
    assert not (beside - {"__init__", "__pycache__"}) & taken


def test_packages_do_not_shadow_a_module():
    assert not set(PACKAGES) & (sys.stdlib_module_names | import_names())


def test_files_and_functions_are_short():
    limits = {"file_lines": FILE_LINES, "function_lines": FUNCTION_LINES}
    assert not too_long(PRODUCT, **limits)
    limits = {"file_lines": TEST_FILE_LINES, "function_lines": TEST_FUNCTION_LINES}
    assert not too_long(TESTS, **limits)


def test_lengths_are_measured(tmp_path):
    path = tmp_path / "x.py"
    path.write_text(
        "def f():\n    x = 1\n    return x\n\n\nclass A:\n    def g(self):\n        pass\n"
    )
    found = too_long([path], file_lines=7, function_lines=2)
    assert found == [f"{path}: 8 lines", f"{path}: f has 3 lines"]


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_public_names_have_docstrings(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "a module says what it is"
    assert not list(undocumented(tree))


def test_missing_docstrings_are_found():
    source = (
        "def f(): pass\nclass A:\n    '''A.'''\n    def g(self): pass\n    def _h(self): pass\n"
    )
    assert list(undocumented(ast.parse(source))) == ["f", "A.g"]


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_nothing_runs_what_a_file_contains(path):
    assert not list(unsafe(ast.parse(path.read_text("utf-8"))))


@pytest.mark.parametrize(
    "line",
    ["import pickle", "from pickle import loads", "from torch import load", "eval('1')",
     "torch.load(f)", "np.load(f, allow_pickle=True)", "np.load(f, allow_pickle=x)",
     "yaml.load(f)", "import joblib.numpy_pickle"],
)  # fmt: skip
def test_unsafe_lines_are_found(line):
    assert len(list(unsafe(ast.parse(line)))) == 1


def test_safe_lines_are_not_found():
    safe = "model.eval()\nnp.load(f, allow_pickle=False)\njson.load(f)\nfrom .torch import load\n"
    assert not list(unsafe(ast.parse(safe)))


def test_no_path_of_one_machine():
    files = [path for package in PACKAGES for path in (ROOT / package).rglob("*")]
    files += [path for path in ROOT.iterdir() if path.name != "results"]
    found = [
        f"{relative(path)}: {line.strip()}"
        for path in files
        if path.is_file() and path.suffix in TEXT
        for line in path.read_text("utf-8").splitlines()
        if HOME.search(line)
    ]
    assert not found
    assert HOME.search("see /home/ann/data") and not HOME.search("benchmarks/home/x, a /tmpfs")
