"""LinearProbe: multinomial logistic regression on flattened latents, along a path of decays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from .inputs import Normaliser, count_classes, flat_latents, top1
from .logistic import LogisticProblems, Solution, principal_axes

Fold = tuple[Int64[np.ndarray, " _t"], Int64[np.ndarray, " _v"]]

# Steps of 0.75 of a decade.
WEIGHT_DECAYS = tuple(float(w) for w in np.logspace(1.0, -4.25, 8))

# A path is solved until the next step would gain less than a millionth of a nat. On latents of the
# procedural data the scores then differ from those of the optima by 0.001 on average (one image of
# 600 is 0.0017). The chosen decay is solved to `tol`, from zero.
_SELECTION_STEPS = 60
_SELECTION_TOL = 1e-6

# Folds are solved together as far as their copies of the latents and heads stay within this.
_CHUNK_BYTES = 2**28


def log_spaced(first: float, last: float, n: int) -> list[float]:
    """Return `n` powers of ten with exponents evenly from `first` to `last`, for a finer grid."""
    return [float(value) for value in np.logspace(first, last, n)]


class LinearProbe:
    """Logistic regression: mean cross-entropy + weight_decay / 2 * ||W||^2, bias free.

    This is scikit-learn's LogisticRegression at C = 1 / (n * weight_decay), so that one decay means
    the same at every label budget. A trial is one of `normalise` (inputs.NORMALISATIONS) with a
    decay. The optimum is unique, so `seed` changes nothing.
    """

    def __init__(
        self,
        *,
        weight_decays: Sequence[float] = WEIGHT_DECAYS,
        normalise: Sequence[str] = ("standardise",),
        device: str = "cpu",
        max_iter: int = 300,
        tol: float = 1e-4,
        seed: int = 0,
    ) -> None:
        if not weight_decays or min(weight_decays) <= 0:
            raise ValueError(
                f"weight_decays must be positive, got {list(weight_decays)}: without decay "
                "separable latents have no optimum"
            )
        if not normalise:
            raise ValueError("normalise names no normalisation: give at least one")
        self.normalise, self.device, self.seed = list(normalise), device, seed
        self.max_iter, self.tol = max_iter, tol
        self.decays = sorted((float(w) for w in weight_decays), reverse=True)
        self.trials: list[dict] = [
            {"normalise": name, "weight_decay": decay}
            for name in self.normalise
            for decay in self.decays
        ]
        # Serves budgets of one label a class, where nothing can be spared to choose: the middle.
        self.default = (len(self.decays) - 1) // 2

    def validate(
        self,
        X: Float[np.ndarray, "n ..."],
        y: Int64[np.ndarray, " n"],
        X_val: Float[np.ndarray, "m ..."],
        y_val: Int64[np.ndarray, " m"],
    ) -> Float[np.ndarray, " t"]:
        """Return the top-1 in [0, 1] on (X_val, y_val) of every trial fitted on (X, y)."""
        part = (X, y, X_val, y_val)
        return np.concatenate([self._path([part], name, None)[0] for name in self.normalise])

    def validate_folds(
        self,
        X: Float[np.ndarray, "n ..."],
        y: Int64[np.ndarray, " n"],
        folds: Sequence[Fold],
    ) -> Float[np.ndarray, "f t"]:
        """Return `validate` of each fold (training positions, validation positions) of (X, y)."""
        # Latents, their copies and squares; points, steps and gradients of every head.
        latents = flat_latents(X)
        head = count_classes(y) * (latents.shape[1] + len(y))
        size = 4 * (5 * latents.numel() + 20 * head)
        at_once = max(1, _CHUNK_BYTES // size)
        chunks = [folds[start : start + at_once] for start in range(0, len(folds), at_once)]
        fewest = min(len(train) for train, _ in folds)
        scores = []
        for name in self.normalise:
            axes = None
            if fewest >= latents.shape[1]:
                axes = principal_axes(Normaliser(latents, name)(latents).to(self.device))
            parts = [[(X[a], y[a], X[b], y[b]) for a, b in chunk] for chunk in chunks]
            scores.append(np.concatenate([self._path(part, name, axes) for part in parts]))
        return np.concatenate(scores, axis=1)

    def fit(
        self, X: Float[np.ndarray, "n ..."], y: Int64[np.ndarray, " n"], trial: int
    ) -> LinearProbe:
        """Return self fitted at one trial; sets `converged_` and `at_edge_` (of the grid)."""
        chosen = self.trials[trial]
        (self.normaliser_,), problems = self._prepare([(X, y)], chosen["normalise"])
        self.solution_ = self._solve(problems, chosen["weight_decay"])
        self.converged_ = self.solution_.converged
        edges = (self.decays[0], self.decays[-1])
        self.at_edge_ = len(self.decays) > 1 and chosen["weight_decay"] in edges
        return self

    def predict_proba(self, X: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n c"]:
        """Return the probability of each class, rows summing to 1."""
        latents = self.normaliser_(flat_latents(X)).to(self.device)
        logits = latents @ self.solution_.weight + self.solution_.bias
        return logits.double().softmax(dim=1).cpu().numpy()

    def _path(
        self,
        parts: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]],
        name: str,
        axes: Float[Tensor, "d d"] | None,
    ) -> Float[np.ndarray, "f w"]:
        """Return the top-1 of every decay on each part (X, y, X_val, y_val), normalised alike."""
        normalisers, problems = self._prepare([(X, y) for X, y, _, _ in parts], name, axes)
        held = [
            (problems.coordinates(normalise(flat_latents(X_val)).to(self.device), i), y_val)
            for i, (normalise, (_, _, X_val, y_val)) in enumerate(
                zip(normalisers, parts, strict=True)
            )
        ]
        scores = []
        for theta in self._solutions(problems):
            logits = [(Z @ head.T).cpu().numpy() for (Z, _), head in zip(held, theta, strict=True)]
            scores.append([top1(z, y_val) for z, (_, y_val) in zip(logits, held, strict=True)])
        return np.array(scores).T

    def _solutions(self, problems: LogisticProblems) -> Iterator[Float[Tensor, "b c r"]]:
        """Yield the solutions of every decay, strong to weak.

        Each starts where the line through the two before it leads: weights are nearly linear in the
        logarithm of the decay, which halves the work of starting at the last solution.
        """
        here, ahead, last = problems.zeros(), problems.zeros(), None
        nexts = [*self.decays[1:], self.decays[-1]]
        for decay, following in zip(self.decays, nexts, strict=True):
            before = here
            here, _ = problems.solve(
                decay, ahead, max_iter=_SELECTION_STEPS, tol=_SELECTION_TOL, certify=False
            )
            step = math.log(decay / following)
            ahead = here + (step / last if last else 0) * (here - before)
            last = step
            yield here

    def _prepare(
        self,
        sets: Sequence[tuple[np.ndarray, np.ndarray]],
        name: str,
        axes: Float[Tensor, "d d"] | None = None,
    ) -> tuple[list[Normaliser], LogisticProblems]:
        """Return the statistics of training sets and the problems that all decays share."""
        normalisers, problems = [], []
        for X, y in sets:
            latents = flat_latents(X)
            normalisers.append(Normaliser(latents, name))
            labels = torch.from_numpy(np.ascontiguousarray(y)).to(self.device)
            problems.append((normalisers[-1](latents).to(self.device), labels))
        n_classes = {count_classes(y) for _, y in sets}
        return normalisers, LogisticProblems(problems, n_classes=max(n_classes), axes=axes)

    def _solve(self, problems: LogisticProblems, decay: float) -> Solution:
        """Return the optimum, in float64 where float32 gradients are too coarse for a flat loss."""
        theta, solved = problems.solve(
            decay, problems.zeros(), max_iter=self.max_iter, tol=self.tol
        )
        if not bool(solved):
            theta, solved = problems.double().solve(
                decay, theta, max_iter=self.max_iter, tol=self.tol
            )
        return problems.solution(theta, 0, converged=bool(solved))
