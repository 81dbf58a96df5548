"""Multinomial logistic regression, solved to a certified gap by preconditioned L-BFGS.

Objective: mean cross-entropy + weight_decay / 2 * ||W||^2, bias free, which is scikit-learn's
LogisticRegression at C = 1 / (n * weight_decay). The solver is L-BFGS (Nocedal & Wright, 2006,
section 7.2) whose initial inverse Hessian is that of the loss at uniform predictions.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

_HISTORY = 12


class Solution(NamedTuple):
    """Weights (d, c), bias (c), and whether the relative gap to the optimum is certified."""

    weight: Tensor
    bias: Tensor
    converged: bool


class LogisticProblem:
    """One training set, prepared once and solved for many weight decays.

    W lies in the span of the training latents at every optimum, so with fewer images than features
    the problem is solved in that span, exactly (a QR factorisation): few labels cost little.
    `X` must be centred; the columns then are orthogonal to the bias.
    """

    def __init__(self, X: Float[Tensor, "n d"], y: Int64[Tensor, " n"], *, n_classes: int) -> None:
        self.n_classes, self.y = n_classes, y
        self.basis: Tensor | None = None
        if X.shape[0] < X.shape[1]:
            self.basis, triangle = torch.linalg.qr(X.T)
            X = triangle.T
        self.Z = functional.pad(X, (0, 1), value=1.0)
        self.gram = self.Z.T @ self.Z / (len(X) * n_classes)

    def zeros(self) -> Float[Tensor, "r c"]:
        """Return the start of a path: no weights, no bias (the last row)."""
        return self.Z.new_zeros(self.Z.shape[1], self.n_classes)

    def double(self) -> LogisticProblem:
        """Return the same problem in float64, in the same coordinates."""
        twin = object.__new__(LogisticProblem)
        twin.n_classes, twin.y, twin.basis = self.n_classes, self.y, self.basis
        twin.Z, twin.gram = self.Z.double(), self.gram.double()
        return twin

    def loss_and_gradient(
        self, theta: Float[Tensor, "r c"], weight_decay: float
    ) -> tuple[float, Float[Tensor, "r c"]]:
        """Return the objective and its gradient; the last row of `theta` is the bias."""
        log_p = functional.log_softmax(self.Z @ theta, dim=1)
        rows = torch.arange(len(self.y), device=self.y.device)
        loss = -log_p[rows, self.y].mean()
        loss = loss + weight_decay / 2 * theta[:-1].square().sum()
        residual = log_p.exp_()
        residual[rows, self.y] -= 1
        gradient = self.Z.T @ residual.div_(len(self.y))
        gradient[:-1] += weight_decay * theta[:-1]
        return float(loss), gradient

    def preconditioner(self, weight_decay: float) -> Float[Tensor, "r r"]:
        """Return the Cholesky factor of the Hessian at uniform predictions (up to 1 - 1/c)."""
        hessian = self.gram.clone()
        diagonal = hessian.diagonal()
        # Rounding of the Gram matrix is of this size; a preconditioner need not be exact.
        jitter = 4 * torch.finfo(hessian.dtype).eps * diagonal.sum()
        diagonal[:-1] += weight_decay
        diagonal += jitter
        return torch.linalg.cholesky(hessian)

    def solve(
        self, weight_decay: float, start: Float[Tensor, "r c"], *, max_iter: int, tol: float
    ) -> tuple[Float[Tensor, "r c"], bool]:
        """Return the optimum and whether its relative gap is below `tol` by strong convexity.

        J(W) - J* <= ||gradient||^2 / (2 weight_decay); the bias has a curvature of about 1/c.
        """
        curvature = min(weight_decay, 0.5 / self.n_classes)
        factor = self.preconditioner(weight_decay)
        memory: deque[tuple[Tensor, Tensor, float]] = deque(maxlen=_HISTORY)
        theta = start.to(self.Z.dtype)
        loss, gradient = self.loss_and_gradient(theta, weight_decay)
        for _ in range(max_iter):
            if float(gradient.square().sum()) <= 2 * curvature * tol * loss:
                return theta, True
            direction = _direction(gradient, memory, factor)
            step = self._line_search(theta, direction, loss, gradient, weight_decay=weight_decay)
            if step is None:
                return theta, False
            moved, loss, new_gradient = step
            _remember(memory, moved - theta, new_gradient - gradient)
            theta, gradient = moved, new_gradient
        return theta, False

    def _line_search(
        self,
        theta: Tensor,
        direction: Tensor,
        loss: float,
        gradient: Tensor,
        *,
        weight_decay: float,
    ) -> tuple[Tensor, float, Tensor] | None:
        """Return the first point of a halving step that decreases enough, or None."""
        slope = float((gradient * direction).sum())
        rounding = 4 * torch.finfo(theta.dtype).eps * loss
        for halving in range(20):
            size = 0.5**halving
            moved = theta + size * direction
            new_loss, new_gradient = self.loss_and_gradient(moved, weight_decay)
            if new_loss <= loss + 1e-4 * size * slope + rounding:
                return moved, new_loss, new_gradient
        return None

    def solution(self, theta: Float[Tensor, "r c"], converged: bool) -> Solution:
        """Return `theta` as weights of the original features and a bias, in float32."""
        weight, bias = theta[:-1].float(), theta[-1].float()
        return Solution(weight if self.basis is None else self.basis @ weight, bias, converged)


def _direction(
    gradient: Tensor, memory: deque[tuple[Tensor, Tensor, float]], factor: Tensor
) -> Tensor:
    """Return minus the L-BFGS inverse Hessian times the gradient (the two-loop recursion)."""
    q, alphas = gradient.clone(), []
    for s, y, rho in reversed(memory):
        alpha = rho * float((s * q).sum())
        q -= alpha * y
        alphas.append(alpha)
    r = torch.cholesky_solve(q, factor)
    if memory:
        # Confident predictions flatten the loss: rescale by the curvature of the last step.
        s, y, rho = memory[-1]
        r /= rho * float((y * torch.cholesky_solve(y, factor)).sum())
    for (s, y, rho), alpha in zip(memory, reversed(alphas), strict=True):
        r += s * (alpha - rho * float((y * r).sum()))
    return -r


def _remember(memory: deque[tuple[Tensor, Tensor, float]], s: Tensor, y: Tensor) -> None:
    """Append a step and its change of gradient, unless rounding has eaten its curvature."""
    curvature = float((s * y).sum())
    if curvature > 1e-10 * float(s.norm() * y.norm()):
        memory.append((s, y, 1 / curvature))
