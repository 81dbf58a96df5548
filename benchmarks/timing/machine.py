"""The machine in words, and what it can do at best: products in fp32 and bf16, and a copy."""

import datetime
import os
import platform
import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import torch
from torch.backends import mkldnn
from torch.nn import functional

from benchmarks.provenance import commit, device_name
from benchmarks.timing.clock import now, seconds_of

LIBRARIES = ("torch", "numpy", "pillow", "scikit-learn", "scikit-image")
SIDE = {"cpu": 2048, "cuda": 8192}  # of the matrices
MAPS = {"cpu": (8, 256, 32), "cuda": (64, 512, 64)}  # images, channels and px convolved
BYTES = {"cpu": 2**28, "cuda": 2**30}  # of the copied array
REPEATS = 7  # the fastest counts: a ceiling is asked for
PATIENCE = 2.0  # seconds after which a slow way is not repeated: bf16 may have no kernel
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

Rates = dict[str, dict[str, float]]
Work = Callable[[], Any]


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


def rates(device: str) -> Rates:
    """FLOP/s of "fp32" and "bf16" by way to multiply, and bytes/s of a "copy"."""
    kind = "cuda" if device == "cuda" else "cpu"
    found = {
        name: {
            way: flop / _fastest(work, device)
            for way, (flop, work) in products(kind, dtype).items()
        }
        for name, dtype in DTYPES.items()
    }
    source = torch.zeros(BYTES[kind] // 4, device=device)
    target = torch.empty_like(source)
    copied = _fastest(lambda: target.copy_(source), device)
    return {**found, "copy": {"memory": 2 * BYTES[kind] / copied}}  # read and written


def highest(*several: Rates) -> Rates:
    """Of each way the highest of several measurements: other programs can only slow one down."""
    return {
        name: {way: max(found[name][way] for found in several) for way in ways}
        for name, ways in several[0].items()
    }


def ceilings(found: Rates) -> dict[str, float]:
    """The peak of each arithmetic, and of a copy: what its fastest way reaches."""
    return {name: max(ways.values()) for name, ways in found.items()}


def products(kind: str, dtype: torch.dtype) -> dict[str, tuple[int, Work]]:
    """FLOPs and one call of each way in which the suite multiplies.

    oneDNN's large products are twice as fast as MKL's on CPUs other than Intel's, and convolutions
    are oneDNN's own.
    """
    side, (n, channels, edge) = SIDE[kind], MAPS[kind]
    a, b = (torch.randn(side, side, device=kind).to(dtype) for _ in range(2))
    layout = torch.channels_last
    maps = torch.randn(n, channels, edge, edge, device=kind).to(dtype, memory_format=layout)
    kernels = torch.randn(channels, channels, 3, 3, device=kind).to(dtype, memory_format=layout)
    found: dict[str, tuple[int, Work]] = {"matrix product": (2 * side**3, lambda: a @ b)}
    if kind == "cpu" and _prepares(dtype):
        ready = a.to_mkldnn(), b.to_mkldnn()
        found["oneDNN linear"] = 2 * side**3, lambda: functional.linear(*ready)
    flop = 2 * n * edge**2 * channels**2 * 9
    found["3x3 convolution"] = flop, lambda: functional.conv2d(maps, kernels, padding=1)
    return found


def _prepares(dtype: torch.dtype) -> bool:
    """Whether oneDNN takes tensors of this type; bf16 it refuses on older processors."""
    if not mkldnn.is_available():
        return False
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _fastest(work: Work, device: str) -> float:
    """Seconds of the fastest of several calls, after one that is not timed."""
    seconds: list[float] = []
    begun = now(device)
    while len(seconds) < 2 or (len(seconds) <= REPEATS and now(device) - begun < PATIENCE):
        seconds.append(seconds_of(work, device))
    return min(seconds[1:])
