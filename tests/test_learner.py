"""One update: its norm clipped, its dropout a function of seed, name and step."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from benchmarks.learner import Learner


def make(*, clip=1e9, name="model", lr=0.5):
    torch.manual_seed(0)
    module = nn.Linear(2, 1, bias=False)
    nn.init.ones_(module.weight)
    solver = torch.optim.SGD(module.parameters(), lr=lr)
    fabric = Fabric(accelerator="cpu", devices=1)
    return module, Learner(module, solver, fabric, name=name, clip=clip)


def linear_loss(learner, scale=1.0):
    """A loss whose gradient is (3, 4) times `scale`: of norm 5."""
    return lambda: {"slope": scale * learner.network(torch.tensor([[3.0, 4.0]])).sum()}


def update(learner, losses, *, lr=0.5, seed=0, step=0):
    return learner.update(losses, lr=lr, seed=seed, step=step)


def test_an_update_is_a_step_of_the_given_rate_and_terms_come_back_detached():
    module, learner = make()
    terms = update(learner, linear_loss(learner), lr=0.1)
    assert torch.allclose(module.weight, torch.tensor([[0.7, 0.6]]))
    assert terms["slope"].item() == pytest.approx(7)
    assert not terms["slope"].requires_grad


def test_terms_are_summed():
    module, learner = make()
    two = lambda: {k: linear_loss(learner)()["slope"] for k in ("a", "b")}  # noqa: E731
    update(learner, two, lr=0.1)
    assert torch.allclose(module.weight, torch.tensor([[0.4, 0.2]]))


def test_gradients_do_not_pile_up_over_updates():
    module, learner = make()
    for step in range(2):
        update(learner, linear_loss(learner), lr=0.1, step=step)
    assert torch.allclose(module.weight, torch.tensor([[0.4, 0.2]]))


def test_the_norm_is_clipped():
    module, learner = make(clip=0.5)
    update(learner, linear_loss(learner), lr=1.0)
    assert torch.allclose(module.weight, torch.tensor([[0.7, 0.6]]), atol=1e-5)
    module, learner = make(clip=float("inf"))
    update(learner, linear_loss(learner), lr=1.0)
    assert torch.allclose(module.weight, torch.tensor([[-2.0, -3.0]]))


def test_the_norm_comes_back_as_it_was_before_it_was_clipped():
    _, learner = make(clip=0.5)
    assert update(learner, linear_loss(learner))["gradient of model"].item() == pytest.approx(5)


def test_what_is_not_finite_comes_back_to_be_read():
    _, learner = make()
    assert update(learner, linear_loss(learner, float("nan")))["slope"].isnan()
    # The root of 0 is finite, its slope is not.
    _, learner = make()
    root = lambda: {"root": (0 * learner.network(torch.zeros(1, 2))).sqrt().sum()}  # noqa: E731
    terms = update(learner, root)
    assert terms["root"].isfinite()
    assert not terms["gradient of model"].isfinite()


def test_dropout_is_a_function_of_seed_name_and_step():
    drawn = []

    def losses(learner):
        def draw():
            drawn.append(torch.rand(4).tolist())
            return linear_loss(learner)()

        return draw

    _, model = make()
    _, critic = make(name="critic")
    for learner, seed, step in ((model, 0, 0), (model, 0, 0), (model, 0, 1), (model, 1, 0)):
        update(learner, losses(learner), seed=seed, step=step)
    update(critic, losses(critic))
    assert drawn[0] == drawn[1]
    assert len({tuple(d) for d in drawn}) == 4
