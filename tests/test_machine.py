"""The machine in words tells its kind of system, and nothing that follows the version."""

import platform
import re

import pytest

from benchmarks.timing.machine import machine, system


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
    facts = machine("cpu")
    assert facts["system"] == f"{platform.system()} 6.18"
    assert not re.search(r"cloud|host7|6\.18\.44", str(facts))
