import pytest
import torch

from probes.logistic import LogisticProblem


def _problem(n, d, c, seed=0):
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n, d, generator=generator)
    y = torch.arange(n) % c
    return LogisticProblem(X - X.mean(0), y, n_classes=c)


def test_gradient_is_that_of_autograd():
    problem = _problem(30, 5, 3).double()
    theta = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    loss = torch.nn.functional.cross_entropy(problem.Z @ theta, problem.y)
    loss = loss + 0.05 * theta[:-1].square().sum()
    loss.backward()
    value, gradient = problem.loss_and_gradient(theta.detach(), 0.1)
    assert value == pytest.approx(loss.item(), rel=1e-12)
    torch.testing.assert_close(gradient, theta.grad)


def test_span_of_the_data_is_exact():
    generator = torch.Generator().manual_seed(0)
    X = torch.randn(12, 40, generator=generator)
    X = X - X.mean(0)
    problem = LogisticProblem(X, torch.arange(12) % 4, n_classes=4)
    theta, converged = problem.solve(0.1, problem.zeros(), max_iter=200, tol=1e-6)
    weight, bias, _ = problem.solution(theta, converged)
    assert problem.Z.shape == (12, 13) and weight.shape == (40, 4)
    torch.testing.assert_close(X @ weight + bias, problem.Z @ theta, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(weight.norm(), theta[:-1].norm(), rtol=1e-5, atol=1e-6)


def test_certified_gap_holds_and_few_iterations_are_admitted():
    problem = _problem(60, 8, 4)
    theta, converged = problem.solve(0.01, problem.zeros(), max_iter=300, tol=1e-4)
    exact, _ = problem.double().solve(0.01, theta, max_iter=500, tol=1e-12)
    reached = problem.double().loss_and_gradient(theta.double(), 0.01)[0]
    optimum = problem.double().loss_and_gradient(exact, 0.01)[0]
    assert converged and optimum <= reached <= optimum * (1 + 1e-4)
    assert not problem.solve(1e-4, problem.zeros(), max_iter=1, tol=1e-4)[1]
