"""Tests of benchmarks/timing/clock.py."""

import time

import pytest
import torch

from benchmarks.timing.clock import now, seconds_of

cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def test_work_takes_as_long_as_it_takes():
    asked = []
    seconds = seconds_of(lambda: asked.append(time.sleep(0.05)), "cpu")
    assert asked == [None] and 0.05 <= seconds < 5
    assert now("cpu") <= now("cpu")


@cuda
@pytest.mark.gpu
def test_a_device_that_still_works_is_waited_for():
    a = torch.randn(4096, 4096, device="cuda")
    a @ a
    asked = time.perf_counter()
    for _ in range(50):
        a @ a
    asked = time.perf_counter() - asked
    assert seconds_of(lambda: [a @ a for _ in range(50)], "cuda") > 2 * asked
