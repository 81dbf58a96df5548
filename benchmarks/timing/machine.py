"""The machine in words, and what it can do at best: GEMM in fp32 and bf16, and a copy."""

import datetime
import os
import platform
import re
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch

from benchmarks.provenance import commit, device_name

LIBRARIES = ("torch", "numpy", "pillow", "scikit-learn", "scikit-image")
SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices
BYTES = {"cpu": 2**28, "cuda": 2**30}  # of the copied array
REPEATS = 7  # the fastest counts: a ceiling is asked for


def machine(device: str) -> dict[str, Any]:
    """Processor, memory, system, versions, date and commit; nothing that names the machine."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "device": device_name(device),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(pages / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "system": system(platform.system(), platform.release()),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in LIBRARIES},
        "date": datetime.date.today().isoformat(),
        "commit": commit(),
    }


def system(name: str, release: str) -> str:
    """The system with major and minor version: what follows names a kind of virtual machine."""
    number = re.match(r"\d+(\.\d+)?", release)
    return f"{name} {number[0]}" if number else name


def ceilings(device: str) -> dict[str, float]:
    """Measured peaks: FLOP/s of a square GEMM in "fp32" and "bf16", bytes/s of a "copy"."""
    kind = "cuda" if device == "cuda" else "cpu"
    found = {
        name: 2 * SIDE[kind] ** 3 / _fastest(_gemm(kind, dtype), device)
        for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16))
    }
    source = torch.zeros(BYTES[kind] // 4, device=device)
    target = torch.empty_like(source)
    copied = _fastest(lambda: target.copy_(source), device)
    return {**found, "copy": 2 * BYTES[kind] / copied}  # read and written


def _gemm(kind: str, dtype: torch.dtype) -> Callable[[], Any]:
    a, b = (torch.randn(SIDE[kind], SIDE[kind], device=kind).to(dtype) for _ in range(2))
    return lambda: a @ b


def _fastest(work: Callable[[], Any], device: str) -> float:
    """Seconds of the fastest of several calls, after one that is not timed."""
    seconds = []
    for _ in range(1 + REPEATS):
        begun = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - begun)
    return min(seconds[1:])
