"""The clock of all measurements, read when the device has done what it was asked."""

import time
from collections.abc import Callable
from typing import Any

import torch


def now(device: str) -> float:
    """Seconds of a clock that never goes back, `device` ("cpu" or "cuda") having finished."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds_of(work: Callable[[], Any], device: str) -> float:
    """Seconds that `work` takes on `device`; nothing asked of it before or after is counted."""
    begun = now(device)
    work()
    return now(device) - begun
