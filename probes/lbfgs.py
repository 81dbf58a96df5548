"""L-BFGS for a stack of independent problems that step together and leave when they are solved.

Nocedal & Wright (2006), section 7.2. Each problem has its own memory, step size and end; its
initial inverse Hessian is a diagonal that is measured afresh every few steps.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.linalg import vecdot

# Measured on latents of Food-101 and of the procedural data: 6 pairs need no more evaluations than
# 12 once the diagonal is fresh, and a diagonal older or younger than 10 steps needs more.
_HISTORY = 6
_REFRESH = 10

Points = Float[Tensor, "b p"]
Which = Int64[Tensor, " b"]
Evaluate = Callable[[Points, Which], tuple[Float[Tensor, " b"], Points]]
_Memory = deque[tuple[Tensor, Tensor, Tensor]]


def minimise(
    start: Points,
    *,
    evaluate: Evaluate,
    diagonal: Callable[[Points, Which], Points],
    finished: Callable[[Tensor, Tensor, Tensor], Bool[Tensor, " b"]],
    max_iter: int,
) -> tuple[Points, Bool[Tensor, " b"]]:
    """Return the point each problem ended at and whether `finished` ended it.

    `evaluate(points, which)` and `diagonal(points, which)` return losses and gradients, and the
    diagonals of the Hessians, of the problems `which`. `finished(loss, gradient, decrease)` judges
    with the decrease to expect of a full step. A problem also ends where no step helps.
    """
    ends, solved = start.clone(), torch.zeros(len(start), dtype=torch.bool, device=start.device)
    which, point = torch.arange(len(start), device=start.device), start
    memory: _Memory = deque(maxlen=_HISTORY)
    loss, gradient = evaluate(point, which)
    for step in range(max_iter + 1):
        if step % _REFRESH == 0:
            hessian = diagonal(point, which)
        direction = _direction(gradient, memory, hessian)
        slope = vecdot(gradient, direction)
        done = finished(loss, gradient, -slope / 2)
        ends[which], solved[which] = point, done
        if step == max_iter or bool(done.all()):
            break
        moved, new_loss, new_gradient, stuck = _search(
            evaluate, point, direction, (loss, gradient, slope), which=which
        )
        _remember(memory, moved - point, new_gradient - gradient)
        point, loss, gradient = moved, new_loss, new_gradient
        stay = ~(done | stuck)
        if not bool(stay.all()):
            if not bool(stay.any()):
                break
            which, point, loss, gradient = which[stay], point[stay], loss[stay], gradient[stay]
            hessian = hessian[stay]
            memory = deque([(s[stay], y[stay], rho[stay]) for s, y, rho in memory], _HISTORY)
    return ends, solved


def _search(
    evaluate: Evaluate,
    point: Points,
    direction: Points,
    now: tuple[Tensor, Tensor, Tensor],
    *,
    which: Which,
) -> tuple[Points, Float[Tensor, " b"], Points, Bool[Tensor, " b"]]:
    """Return the first points of halving steps that decrease enough, and where none does."""
    loss, _, slope = now
    size = torch.ones_like(slope)
    rounding = 4 * torch.finfo(point.dtype).eps * loss
    moved = point + direction
    new_loss, new_gradient = evaluate(moved, which)
    for _ in range(20):
        worse = ~(new_loss <= loss + 1e-4 * size * slope + rounding)
        if not bool(worse.any()):
            break
        size[worse] /= 2
        moved[worse] = point[worse] + size[worse, None] * direction[worse]
        new_loss[worse], new_gradient[worse] = evaluate(moved[worse], which[worse])
    return moved, new_loss, new_gradient, worse


def _direction(gradient: Points, memory: _Memory, hessian: Points) -> Points:
    """Return minus the L-BFGS inverse Hessian times the gradient (the two-loop recursion)."""
    q, alphas = gradient.clone(), []
    for s, y, rho in reversed(memory):
        alpha = rho * vecdot(s, q)
        q.addcmul_(alpha[:, None], y, value=-1)
        alphas.append(alpha)
    r = q.div_(hessian)
    if memory:
        # Confident predictions flatten the loss: rescale by the curvature of the last step.
        _, y, rho = memory[-1]
        scale = rho * vecdot(y, y / hessian)
        r /= torch.where(scale > 0, scale, torch.ones_like(scale))[:, None]
    for (s, y, rho), alpha in zip(memory, reversed(alphas), strict=True):
        r.addcmul_((alpha - rho * vecdot(y, r))[:, None], s)
    return r.neg_()


def _remember(memory: _Memory, s: Points, y: Points) -> None:
    """Append each problem's step and change of gradient; rho = 0 mutes what rounding has eaten."""
    curvature = vecdot(s, y)
    sound = curvature > 1e-10 * s.norm(dim=1) * y.norm(dim=1)
    memory.append((s, y, torch.where(sound, 1 / curvature, torch.zeros_like(curvature))))
