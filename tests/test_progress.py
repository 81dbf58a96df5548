"""Lines where there is no terminal: sparse, with rate and time left, on standard error."""

import re

import pytest

from benchmarks import progress
from benchmarks.progress import Meter


class Clock:
    """Seconds that pass only when the test says so; stands for the module `time`."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_line_says_what_how_far_how_fast_and_how_long(clock, capsys):
    with Meter("decode", 6000) as meter:
        clock.now += 30
        meter.advance(1500)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "decode: 1,500/6,000 images, 50/s, 1.5 min left\n"


def test_lines_are_sparse(clock, capsys):
    with Meter("score", 1000, "cells") as meter:
        for _ in range(100):
            clock.now += 1
            meter.advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4  # each after more than 20 of 100 seconds
    assert lines[0].startswith("score: 21/1,000 cells, 1/s")


def test_a_quick_job_says_nothing(clock, capsys):
    with Meter("quick", 5) as meter:
        meter.advance(5)
    assert capsys.readouterr() == ("", "")


def test_what_an_earlier_run_did_counts_as_done_but_not_into_the_rate(clock, capsys):
    with Meter("pretrain", 10_000) as meter:
        meter.skip(7000)
        clock.now += 25
        meter.advance(250)
    line = capsys.readouterr().err
    assert line == "pretrain: 7,250/10,000 images, 10/s, 4.6 min left\n"


def test_no_time_passed_is_no_division_by_zero(clock):
    with Meter("fast", 10) as meter:
        meter.advance(10)
    assert meter.done == 10


def test_an_error_inside_comes_out():
    with pytest.raises(KeyError), Meter("decode", 3) as meter:
        meter.advance(1)
        raise KeyError("x")


def test_lines_carry_no_control_codes(clock, capsys):
    with Meter("decode", 10) as meter:
        clock.now += 21
        meter.advance(1)
    assert re.fullmatch(r"[ -~]+\n", capsys.readouterr().err)
