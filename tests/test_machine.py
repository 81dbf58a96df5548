"""The machine in words, and what it can do at best: the fastest of the suite's ways to multiply."""

import math
import platform
import re

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import machine
from benchmarks.timing.machine import ceilings, highest, products, rates, system


@pytest.mark.parametrize(
    ("name", "release", "told"),
    [
        ("Linux", "6.18.44-fc-v669", "Linux 6.18"),
        ("Linux", "5.15.153.1-microsoft-standard-WSL2", "Linux 5.15"),
        ("Linux", "6.9-rc3-host7", "Linux 6.9"),
        ("Darwin", "23.4.0", "Darwin 23.4"),
        ("Windows", "10", "Windows 10"),
        ("Linux", "host7", "Linux"),
        ("Linux", "", "Linux"),
    ],
)
def test_of_a_release_only_major_and_minor_are_told(name, release, told):
    assert system(name, release) == told


def test_the_facts_of_this_machine_hold_no_more_of_its_release(monkeypatch):
    monkeypatch.setattr(platform, "release", lambda: "6.18.44-cloud-host7")
    facts = machine.machine("cpu")
    assert facts["system"] == f"{platform.system()} 6.18"
    assert not re.search(r"cloud|host7|6\.18\.44", str(facts))


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(machine, "SIDE", {"cpu": 32})
    monkeypatch.setattr(machine, "MAPS", {"cpu": (2, 8, 6)})
    monkeypatch.setattr(machine, "BYTES", {"cpu": 2**16})


def test_the_ceiling_is_the_fastest_way(small):
    found = rates("cpu")
    assert {"matrix product", "3x3 convolution"} <= set(found["fp32"])
    assert ("oneDNN linear" in found["fp32"]) == torch.backends.mkldnn.is_available()
    peaks = ceilings(found)
    for name, ways in found.items():
        assert all(math.isfinite(rate) and rate > 0 for rate in ways.values())
        assert peaks[name] in ways.values() and all(peaks[name] >= rate for rate in ways.values())


def test_a_ceiling_is_no_average_and_of_one_arithmetic():
    found = {"fp32": {"a": 2.0, "b": 4.0}, "bf16": {"a": 9.0, "b": 3.0}, "copy": {"memory": 1.0}}
    again = {"fp32": {"a": 5.0, "b": 1.0}, "bf16": {"a": 8.0, "b": 1.0}, "copy": {"memory": 0.5}}
    assert ceilings(found) == {"fp32": 4.0, "bf16": 9.0, "copy": 1.0}
    assert ceilings(highest(found, again)) == {"fp32": 5.0, "bf16": 9.0, "copy": 1.0}
    assert highest(found, again)["fp32"] == {"a": 5.0, "b": 4.0}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_each_way_does_the_work_that_it_is_credited_with(small, dtype):
    """Torch's own counter knows dense products and convolutions; oneDNN's result is dense's."""
    ways = products("cpu", dtype)
    for name in ("matrix product", "3x3 convolution"):
        flop, work = ways[name]
        with FlopCounterMode(display=False) as counter:
            assert work().dtype == dtype
        # Taps that fall on the border are counted by both.
        assert counter.get_total_flops() == flop
    if "oneDNN linear" in ways:
        flop, work = ways["oneDNN linear"]
        assert flop == ways["matrix product"][0]
        assert work().to_dense().shape == ways["matrix product"][1]().shape


def test_a_slow_way_is_not_repeated(monkeypatch):
    monkeypatch.setattr(machine, "PATIENCE", 0.0)
    calls = []
    assert machine._fastest(lambda: calls.append(1), "cpu") >= 0
    assert len(calls) == 2  # one that is not timed, and one
    monkeypatch.setattr(machine, "PATIENCE", 60.0)
    machine._fastest(lambda: calls.append(1), "cpu")
    assert len(calls) == 2 + 1 + machine.REPEATS
