import pytest
import torch

import probes.products
from probes.logistic import LogisticProblems, principal_axes

SIZES = [(30, 5), (24, 5), (27, 5)]


def _sets(sizes, c=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    sets = []
    for n, d in sizes:
        X = torch.randn(n, d, generator=generator)
        sets.append((X - X.mean(0), torch.arange(n) % c))
    return sets


def _problems(*sizes, c=3, **more):
    return LogisticProblems(_sets(sizes, c), n_classes=c, **more)


def _loss(weight, bias, X, y, decay):
    penalty = decay / 2 * weight.square().sum()
    return torch.nn.functional.cross_entropy(X @ weight + bias, y) + penalty


def test_gradient_and_diagonal_are_those_of_autograd():
    problems, decay = _problems(*SIZES).double(), 0.1
    theta = torch.randn(3, 3 * 6, dtype=torch.float64)
    losses, gradients = problems.loss_and_gradient(theta, decay, torch.arange(3))
    diagonals = problems.diagonal(theta, decay, torch.arange(3))
    for i, (n, _) in enumerate(SIZES):
        Z, y = problems.Z[i, :n, :-1], problems.y[i, :n]

        def loss(flat, Z=Z, y=y):
            head = flat.view(3, 6)
            return _loss(head[:, :-1].T, head[:, -1], Z, y, decay)

        assert losses[i].item() == pytest.approx(loss(theta[i]).item(), rel=1e-12)
        expected = torch.autograd.functional.jacobian(loss, theta[i])
        torch.testing.assert_close(gradients[i], expected)
        hessian = torch.autograd.functional.hessian(loss, theta[i])
        torch.testing.assert_close(diagonals[i], hessian.diagonal(), rtol=1e-6, atol=1e-7)


def test_some_problems_are_evaluated_as_among_all():
    problems = _problems(*SIZES)
    theta = torch.randn(3, 18)
    every = problems.loss_and_gradient(theta, 0.1, torch.arange(3))
    some = problems.loss_and_gradient(theta[[0, 2]], 0.1, torch.tensor([0, 2]))
    for whole, part in zip(every, some, strict=True):
        torch.testing.assert_close(whole[[0, 2]], part)


@pytest.mark.parametrize("sizes", [SIZES, [(12, 40), (15, 40)]])
def test_a_stack_is_solved_as_each_alone(sizes):
    sets = _sets(sizes)
    stack = LogisticProblems(sets, n_classes=3)
    ends, solved = stack.solve(0.05, stack.zeros(), max_iter=200, tol=1e-7)
    assert solved.all()
    for i, (X, y) in enumerate(sets):
        alone = LogisticProblems([(X, y)], n_classes=3)
        end, _ = alone.solve(0.05, alone.zeros(), max_iter=200, tol=1e-7)
        one, two = stack.solution(ends, i, converged=True), alone.solution(end, 0, converged=True)
        torch.testing.assert_close(one.weight, two.weight, rtol=1e-2, atol=1e-4)
        torch.testing.assert_close(one.bias, two.bias, rtol=1e-2, atol=1e-4)


def test_axes_of_other_latents_serve_as_well():
    (X, y), (other, _) = _sets([(40, 6), (50, 6)])
    own = LogisticProblems([(X, y)], n_classes=3)
    lent = LogisticProblems([(X, y)], n_classes=3, axes=principal_axes(other))
    weights = [
        p.solution(p.solve(0.1, p.zeros(), max_iter=200, tol=1e-8)[0], 0, converged=True).weight
        for p in (own, lent)
    ]
    assert not torch.allclose(own.Z, lent.Z)
    torch.testing.assert_close(*weights, rtol=1e-3, atol=1e-4)


def test_span_of_the_data_is_exact():
    (X, y), (queries, _) = _sets([(12, 40), (7, 40)])
    problems = LogisticProblems([(X, y)], n_classes=3)
    theta, _ = problems.solve(0.1, problems.zeros(), max_iter=200, tol=1e-6)
    weight, bias, _ = problems.solution(theta, 0, converged=True)
    assert problems.Z.shape == (1, 12, 13) and weight.shape == (40, 3)
    for latents in (X, queries):
        logits = problems.coordinates(latents, 0) @ theta[0].T
        torch.testing.assert_close(latents @ weight + bias, logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weight.norm(), theta[0, :, :-1].norm(), rtol=1e-5, atol=1e-6)
    # Rows outside the span do not matter: the gradient there is the decay's alone.
    full = X.double().requires_grad_(False)
    W = weight.double().requires_grad_()
    _loss(W, bias.double(), full, y, 0.1).backward()
    assert W.grad.norm() < 1e-3


def test_products_by_onednn_give_the_plain_gradients(monkeypatch):
    plain = _problems(*SIZES)
    monkeypatch.setattr(probes.products, "_SEVERAL", 0)
    by_onednn = _problems(*SIZES)
    theta, which = torch.randn(2, 18), torch.tensor([0, 2])
    results = [p.loss_and_gradient(theta, 0.1, which) for p in (plain, by_onednn)]
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-6)


def test_certified_gap_holds_and_few_iterations_are_admitted():
    problems, here = _problems((60, 8), c=4), torch.arange(1)
    theta, converged = problems.solve(0.01, problems.zeros(), max_iter=300, tol=1e-4)
    double = problems.double()
    exact, _ = double.solve(0.01, theta, max_iter=500, tol=1e-12)
    reached, optimum = (
        double.loss_and_gradient(t.double().flatten(1), 0.01, here)[0].item()
        for t in (theta, exact)
    )
    assert converged.all() and optimum <= reached <= optimum * (1 + 1e-4)
    assert not problems.solve(1e-4, problems.zeros(), max_iter=1, tol=1e-4)[1].any()


@pytest.mark.parametrize("fails", [False, True])
def test_axes_are_orthogonal_and_diagonalise_also_where_float32_does_not_converge(
    monkeypatch, fails
):
    X = torch.randn(60, 20, generator=torch.Generator().manual_seed(0))
    X[:, 5:12] = 0  # constant features
    exact = torch.linalg.eigh

    def eigh(A):
        if fails and A.dtype == torch.float32:
            raise torch.linalg.LinAlgError("the algorithm failed to converge")
        return exact(A)

    monkeypatch.setattr(torch.linalg, "eigh", eigh)
    axes = principal_axes(X)
    assert axes.dtype == torch.float32
    assert torch.allclose(axes.T @ axes, torch.eye(20), atol=1e-5)
    diagonal = axes.T @ (X.T @ X / 60) @ axes
    assert torch.allclose(diagonal, torch.diag(diagonal.diagonal()), atol=1e-5)
