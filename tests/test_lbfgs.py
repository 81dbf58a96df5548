import pytest
import torch
from torch.linalg import vecdot

from probes.lbfgs import minimise


def _solve(start, *, max_iter=200, evaluate=None, tol=1e-10):
    """Rosenbrock's valley of several depths at once, one a problem; the minimum is at (1, 1)."""
    depth = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)
    calls = []

    def valley(point, which):
        calls.append(which.tolist())
        x, y = point.unbind(1)
        across = y - x.square()
        loss = (1 - x).square() + depth[which] * across.square()
        slope = 2 * depth[which] * across
        return loss, torch.stack([2 * (x - 1) - 2 * x * slope, slope], 1)

    ends, solved = minimise(
        torch.tensor(start, dtype=torch.float64),
        evaluate=evaluate or valley,
        diagonal=lambda point, which: torch.ones_like(point),
        finished=lambda loss, gradient, decrease: vecdot(gradient, gradient) <= tol,
        max_iter=max_iter,
    )
    return ends, solved, calls


STARTS = [[-0.7, 0.4], [0.5, 2.0], [-1.2, 1.0]]


def test_every_problem_reaches_its_minimum():
    ends, solved, _ = _solve(STARTS)
    assert solved.all()
    torch.testing.assert_close(ends, torch.ones_like(ends), rtol=0, atol=1e-4)


def test_company_changes_nothing():
    together, _, _ = _solve(STARTS)
    alone, _, _ = _solve(STARTS[:1])
    torch.testing.assert_close(together[:1], alone)


def test_solved_problems_leave():
    _, _, calls = _solve([[1.0, 1.0], [0.5, 2.0], [-1.2, 1.0]])
    assert calls[0] == [0, 1, 2]
    assert all(0 not in call for call in calls[2:])
    assert len(calls[-1]) == 1


def test_few_steps_are_admitted():
    ends, solved, _ = _solve(STARTS, max_iter=2)
    assert not solved.any() and torch.isfinite(ends).all()
    assert _solve([[1.0, 1.0]], max_iter=0)[1].all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_ends_the_search(value):
    def broken(point, which):
        lost = torch.where(point[:, 0] == 0.5, 1.0, value)
        return lost.double(), torch.ones_like(point)

    ends, solved, _ = _solve([[0.5, 2.0]], evaluate=broken)
    assert not solved.any()
    assert ends.tolist() == [[0.5, 2.0]]
