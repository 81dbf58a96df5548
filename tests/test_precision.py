"""bf16 is taken only where it is faster and agrees; the trial leaves no trace."""

import time

import pytest
import torch
from torch import nn

from benchmarks.precision import (
    PLAIN,
    Arithmetic,
    blur,
    choose_arithmetic,
    choose_reading,
    remembered,
)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 4, 3))


def test_a_wrong_bf16_is_rejected_however_fast():
    x = torch.rand(4, 3, 8, 8)

    def loss(model, way: Arithmetic):
        if way.precision == "bf16-mixed":
            return model(x).square().mean() * 1.5  # stands for a kernel that is wrong
        time.sleep(0.03)
        return model(x).square().mean()

    assert choose_arithmetic(net(), loss, device="cpu").precision == "32-true"


def test_a_faster_and_agreeing_bf16_is_taken():
    x = torch.rand(4, 3, 8, 8)

    def loss(model, way: Arithmetic):
        time.sleep(0.05 if way.precision == "32-true" else 0)
        return model(x).square().mean()

    assert choose_arithmetic(net(), loss, device="cpu").precision == "bf16-mixed"


def test_the_trial_leaves_no_trace():
    model = net()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    x = torch.rand(4, 3, 8, 8)
    choose_arithmetic(model, lambda m, way: m(x).square().mean(), device="cpu")
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert all(p.grad is None for p in model.parameters())


def test_latents_are_read_in_bf16_only_if_images_stay_apart():
    base = torch.full((6, 4), 100.0)
    small, large = (base + torch.arange(6.0)[:, None] * step for step in (0.01, 10.0))

    def read(way: Arithmetic, latents):
        if way.precision == "32-true":
            time.sleep(0.02)
            return {"tap": latents}
        return {"tap": latents.bfloat16().float()}

    # bf16 has 8 bits: of 100.00 to 100.05 it makes 100, of 100 to 150 almost what they were.
    assert choose_reading(lambda way: read(way, small)).precision == "32-true"
    assert choose_reading(lambda way: read(way, large)).precision == "bf16-mixed"


def test_blur_is_relative_to_the_variation_over_images():
    exact = torch.tensor([[10.0], [12.0]])
    assert blur(exact, exact) == 0
    assert blur(exact, exact + torch.tensor([[0.1], [-0.1]])) == pytest.approx(0.1, rel=1e-5)
    assert blur(exact, exact + torch.inf) == float("inf")
    assert blur(exact * torch.inf, exact) == float("inf")
    assert blur(torch.ones(2, 1), torch.tensor([[1.0], [1.1]])) > 1e9


def test_a_decision_is_made_once(tmp_path):
    made = [Arithmetic("bf16-mixed", channels_last=True), PLAIN]
    path = tmp_path / "deep" / "arithmetic.json"
    first = remembered(path, made.pop)
    assert first == PLAIN == remembered(path, made.pop)
    assert len(made) == 1
