"""bf16 is taken only where it is faster and agrees; the trial leaves no trace."""

import time

import torch
from torch import nn

from benchmarks.precision import Arithmetic, choose_arithmetic


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
