"""Networks side by side learn what each learns alone, by torch's own layers and optimiser."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from probes.stacked import StackedMlps

TRIALS = [
    {"lr": 1e-2, "weight_decay": 0.0, "dropout": 0.0},
    {"lr": 1e-3, "weight_decay": 0.5, "dropout": 0.0},
]


def make(trials=TRIALS):
    torch.manual_seed(0)
    return StackedMlps(trials, n_inputs=5, width=7, n_classes=3)


def test_training_is_that_of_separate_networks():
    stack, (x, y) = make(), (torch.randn(20, 5), torch.arange(20) % 3)
    alone = [copy.deepcopy(network) for network in stack.networks]
    optimiser = torch.optim.AdamW(stack.groups())
    for _ in range(5):
        optimiser.zero_grad()
        stack.loss(stack(x), y).backward()
        optimiser.step()
    for (first, second), trial, trained in zip(alone, TRIALS, stack.networks, strict=True):
        single = nn.Sequential(first, nn.ReLU(), second)
        rates = {"lr": trial["lr"], "weight_decay": trial["weight_decay"]}
        optimiser = torch.optim.AdamW(single.parameters(), **rates)
        for _ in range(5):
            optimiser.zero_grad()
            functional.cross_entropy(single(x), y).backward()
            optimiser.step()
        torch.testing.assert_close(first.weight, trained[0].weight)
        torch.testing.assert_close(second.bias, trained[1].bias)


def test_all_drop_by_the_same_numbers_each_at_its_rate():
    stack = make([{**TRIALS[0], "dropout": p} for p in (0.0, 0.3, 0.5, 0.5)])
    x = torch.randn(4000, 5)
    stack.train()
    dropped = stack(x)
    assert torch.equal(dropped[:, 2], dropped[:, 3])
    whole = stack.eval()(x)
    torch.testing.assert_close(dropped[:, 0], whole[:, 0])
    # What is kept is scaled up, so that the outputs keep their mean.
    error = (dropped - whole).mean(0).abs().max()
    assert error < 0.05 and not torch.equal(dropped[:, 1], whole[:, 1])


def test_the_loss_leaves_out_what_diverged_unless_all_did():
    stack, labels = make(), torch.tensor([0, 2])
    logits = torch.zeros(2, 2, 3)
    assert stack.loss(logits, labels).item() == pytest.approx(2 * torch.tensor(3.0).log().item())
    logits[:, 1] = float("nan")
    assert stack.loss(logits, labels).item() == pytest.approx(torch.tensor(3.0).log().item())
    logits[:, 0] = float("inf")
    assert not stack.loss(logits, labels).isfinite()
