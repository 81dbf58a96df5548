"""Multinomial logistic regression on a stack of training sets, solved to a certified gap.

Objective: mean cross-entropy + weight_decay / 2 * ||W||^2, bias free, which is scikit-learn's
LogisticRegression at C = 1 / (n * weight_decay).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.linalg import vecdot
from torch.nn import functional
from torch.nn.utils.rnn import pad_sequence

from .lbfgs import minimise
from .products import Products


class Solution(NamedTuple):
    """Weights (d, c), bias (c), and whether the relative gap to the optimum is certified."""

    weight: Tensor
    bias: Tensor
    converged: bool


def principal_axes(X: Float[Tensor, "n d"]) -> Float[Tensor, "d d"]:
    """Return the eigenvectors of X^T X as columns, an orthogonal matrix, in the precision of X.

    Where hundreds of features are constant, LAPACK may not converge in float32; then float64 does.
    """
    products = X.T @ X / len(X)
    try:
        return torch.linalg.eigh(products).eigenvectors
    except torch.linalg.LinAlgError:
        return torch.linalg.eigh(products.double()).eigenvectors.to(X.dtype)


class LogisticProblems:
    """Training sets of the same classes, each prepared once, solved together at one decay a time.

    Weights are kept along principal axes, where the Hessian is nearly diagonal; a rotation changes
    neither predictions nor the penalty. W lies in the span of the training latents at every
    optimum, so with fewer images than features the problem is solved in that span, exactly (a QR
    factorisation): few labels cost little. Each `X` must be centred; `axes` may be those of similar
    latents, and serve sets with at least as many images as features. Sets of fewer images are
    padded with images of no weight.
    """

    def __init__(
        self,
        sets: Sequence[tuple[Float[Tensor, "_n d"], Int64[Tensor, " _n"]]],
        *,
        n_classes: int,
        axes: Float[Tensor, "d d"] | None = None,
    ) -> None:
        self.n_classes = n_classes
        self.bases: list[tuple[Tensor, ...]] = []
        first = sets[0][0]
        longest, widest = max(len(X) for X, _ in sets), max(min(X.shape) for X, _ in sets)
        # Narrower sets have columns of zeros; the column of ones is the last one of all.
        Z = first.new_zeros(len(sets), longest, widest + 1)
        for i, (X, _) in enumerate(sets):
            n, d = X.shape
            basis: tuple[Tensor, ...]
            if n < d:
                span, triangle = torch.linalg.qr(X.T)
                X, basis = triangle.T, (span, principal_axes(triangle.T))
            else:
                basis = (principal_axes(X) if axes is None else axes,)
            self.bases.append(basis)
            Z[i, :n, : min(n, d)], Z[i, :n, -1] = X @ basis[-1], 1
        self._hold(Z)
        self.y = pad_sequence([y for _, y in sets], batch_first=True)
        share = [y.new_full(y.shape, 1 / len(y), dtype=self.Z.dtype) for _, y in sets]
        self.share = pad_sequence(share, batch_first=True)

    def _hold(self, Z: Float[Tensor, "b n r"]) -> None:
        """Keep the latents, and their products with weights, with residuals and with spreads."""
        self.Z, self._logits, self._pulled_back = Z, Products(Z.mT), Products(Z)
        self._squared = Products(Z.square())

    def zeros(self) -> Float[Tensor, "b c r"]:
        """Return the start of a path: no weights, no bias (the last column)."""
        return self.Z.new_zeros(len(self.Z), self.n_classes, self.Z.shape[2])

    def double(self) -> LogisticProblems:
        """Return the same problems in float64, in the same coordinates."""
        twin = object.__new__(LogisticProblems)
        twin.n_classes, twin.y, twin.bases = self.n_classes, self.y, self.bases
        twin._hold(self.Z.double())
        used = (self.share > 0).double()
        twin.share = used / used.sum(1, keepdim=True)
        return twin

    def solve(
        self,
        weight_decay: float,
        start: Float[Tensor, "b c r"],
        *,
        max_iter: int,
        tol: float,
        certify: bool = True,
    ) -> tuple[Float[Tensor, "b c r"], Bool[Tensor, " b"]]:
        """Return the optima and whether the relative gap of each is below `tol`.

        By strong convexity J(W) - J* <= ||gradient||^2 / (2 weight_decay); the bias has a curvature
        of about 1/c. Without `certify` a solution ends where L-BFGS expects of its next step less
        than `tol` nats.
        """
        curvature = min(weight_decay, 0.5 / self.n_classes)

        def finished(loss: Tensor, gradient: Tensor, decrease: Tensor) -> Tensor:
            if not certify:
                return decrease <= tol
            return vecdot(gradient, gradient) <= 2 * curvature * tol * loss

        ends, solved = minimise(
            start.to(self.Z.dtype).flatten(1),
            evaluate=lambda theta, which: self.loss_and_gradient(theta, weight_decay, which),
            diagonal=lambda theta, which: self.diagonal(theta, weight_decay, which),
            finished=finished,
            max_iter=max_iter,
        )
        return ends.view_as(start), solved

    def loss_and_gradient(
        self, theta: Float[Tensor, "a p"], weight_decay: float, which: Int64[Tensor, " a"]
    ) -> tuple[Float[Tensor, " a"], Float[Tensor, "a p"]]:
        """Return the objectives (float64) and gradients of the problems `which`."""
        weights = theta.unflatten(1, (self.n_classes, -1))
        log_p, y = self._logits(weights, which).log_softmax(1), self.y[which, None]
        truth = log_p.gather(1, y).squeeze(1) * self.share[which]
        penalty = weights[..., :-1].square().sum((1, 2), dtype=torch.float64)
        loss = weight_decay / 2 * penalty - truth.sum(1, dtype=torch.float64)
        residual = log_p.exp_()
        residual.scatter_add_(1, y, residual.new_full((1, 1, 1), -1).expand(y.shape))
        gradient = self._pulled_back(residual.mul_(self.share[which, None]), which)
        gradient[..., :-1].add_(weights[..., :-1], alpha=weight_decay)
        return loss, gradient.flatten(1)

    def diagonal(
        self, theta: Float[Tensor, "a p"], weight_decay: float, which: Int64[Tensor, " a"]
    ) -> Float[Tensor, "a p"]:
        """Return the diagonals of the Hessians of the problems `which`, a little above zero."""
        p = self._logits(theta.unflatten(1, (self.n_classes, -1)), which).softmax(1)
        spread = (p - p.square()).mul_(self.share[which, None])
        hessian = self._squared(spread, which)
        hessian[..., :-1] += weight_decay
        return hessian.add_(1e-8).flatten(1)

    def coordinates(self, X: Float[Tensor, "m d"], problem: int) -> Float[Tensor, "m r"]:
        """Return centred latents in one problem's coordinates, and a last column of ones."""
        for factor in self.bases[problem]:
            X = X @ factor
        X = functional.pad(X, (0, self.Z.shape[2] - 1 - X.shape[1]))
        return functional.pad(X, (0, 1), value=1.0)

    def solution(self, theta: Float[Tensor, "b c r"], problem: int, *, converged: bool) -> Solution:
        """Return one problem's `theta` as weights of the original features, in float32."""
        weight, bias = theta[problem, :, :-1].float().T, theta[problem, :, -1].float()
        weight = weight[: self.bases[problem][-1].shape[1]]
        for factor in reversed(self.bases[problem]):
            weight = factor @ weight
        return Solution(weight, bias, converged)
