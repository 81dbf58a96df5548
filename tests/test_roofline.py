"""Shares of the measured peaks: of one's own precision, and told where they cannot be."""

import math

import pytest

from benchmarks.timing.roofline import roofline, share

RATES = {
    "fp32": {"matrix product": 2e11, "oneDNN linear": 4e11, "3x3 convolution": 3e11},
    "bf16": {"matrix product": 8e11, "3x3 convolution": 1e11},
    "copy": {"memory": 3e10},
}
PEAKS = {"fp32": 4e11, "bf16": 8e11, "copy": 3e10}


def a_step(name, flops, precision):
    step = {"name": name, "seconds": 0.1, "flops": flops, "precision": precision}
    return {**step, **share(step, PEAKS)}


def test_a_share_is_of_the_peak_of_ones_own_precision():
    fp32, bf16 = a_step("a", 3e10, "32-true"), a_step("b", 6e10, "bf16-mixed")
    assert fp32["own"] == fp32["fp32"] == pytest.approx(0.75)
    assert (bf16["fp32"], bf16["own"]) == (pytest.approx(1.5), pytest.approx(0.75))


def test_the_share_of_a_tiny_step_is_finite():
    step = {"flops": 1, "seconds": 1e-9, "precision": "32-true"}
    assert all(math.isfinite(value) and value > 0 for value in share(step, PEAKS).values())


def test_the_page_says_what_the_peak_is_of():
    page = roofline(RATES, [a_step("a", 3e10, "32-true")])
    fp32 = "- fp32: 400 GFLOP/s (oneDNN linear 400, 3x3 convolution 300, matrix product 200)"
    assert fp32 in page and "- copy: 30.0 GB/s" in page
    assert "| a | 32-true | 30.0 | 100 ms | 300 | 75% | 38% |" in page


def test_the_page_says_where_a_share_cannot_be():
    within = [a_step("a", 4e10, "32-true"), a_step("b", 8e10, "bf16-mixed")]
    assert "cannot be" not in roofline(RATES, within)  # 200% of fp32, but bf16 is its own
    beyond = [*within, a_step("c", 5e10, "32-true"), a_step("d", 9e10, "bf16-mixed")]
    (line,) = (line for line in roofline(RATES, beyond).splitlines() if line.endswith("%)."))
    assert line.endswith("computes: c (125%), d (112%).")
