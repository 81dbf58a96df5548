"""Where a number comes from: code, commit, device. Part of every record, and of its key."""

import ast
import hashlib
import platform
import subprocess
from functools import cache
from pathlib import Path

from benchmarks.settings import ROOT


@cache
def code_hash(*names: str) -> str:
    """Hash of the project's files and folders `names`: of their syntax trees, less docstrings.

    Records are keyed by it, so that no number outlives the code that made it; comments, layout and
    docstrings do not count.
    """
    digest = hashlib.sha256()
    for name in names:
        path = ROOT / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            tree = ast.parse(file.read_text())
            for node in ast.walk(tree):
                if ast_docstring(node):
                    node.body = node.body[1:]  # type: ignore[attr-defined]
            digest.update(f"{file.relative_to(ROOT)}\n{ast.dump(tree)}\n".encode())
    return digest.hexdigest()[:16]


def ast_docstring(node: ast.AST) -> bool:
    """Whether the first statement of a module, class or function is its docstring."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, documented) and ast.get_docstring(node, clean=False) is not None


@cache
def commit() -> str:
    """The commit of the code, with `+changes` if files differ from it; `unknown` outside git."""
    git = ["git", "-C", str(ROOT)]
    asked = subprocess.run(
        [*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True
    )
    if asked.returncode:
        return "unknown"
    code = ["benchmarks", "models", "probes", "configs"]
    dirty = subprocess.run([*git, "status", "--porcelain", *code], capture_output=True, text=True)
    return asked.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")


@cache
def device_name(device: str) -> str:
    """What is computed on, in words: accelerator or processor, and threads."""
    import torch

    if device == "cuda":
        return torch.cuda.get_device_name()
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        named = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = named[0].split(":", 1)[1].strip() if named else model
    return f"{model}, {torch.get_num_threads()} threads"
