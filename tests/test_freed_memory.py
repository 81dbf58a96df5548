"""Blocks that are freed and asked for again come without page faults, in a process of its own."""

import platform
import subprocess
import sys

import pytest

ASK = """
import resource, sys
import torch
from benchmarks.freed_memory import keep_freed_memory

if sys.argv[1] == "kept":
    assert keep_freed_memory()
for turn in range(40):  # the first ones, up to eight, find room for it
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)  # 64 MiB, gone at once
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults)
"""


def faults(how: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", ASK, how], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc alone can be told so")
def test_a_block_that_is_asked_for_again_needs_no_new_pages():
    assert faults("kept") < 100
    assert faults("as it is") > 1000  # else nothing is gained, and this module can go
