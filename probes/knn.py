"""KnnProbe: weighted votes of the nearest training latents by cosine similarity."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from .inputs import count_classes, flat_latents, top1

_CHUNK = 4096


class KnnProbe:
    """k nearest neighbours with votes exp(similarity / T) (Wu et al., 2018, section 3.4).

    k is capped below the number of training images. The default trial is the customary k = 20,
    T = 0.07. Nothing is drawn at random, so `seed` changes nothing.
    """

    def __init__(
        self,
        *,
        neighbours: Sequence[int] = (1, 5, 10, 20, 50, 100, 200),
        temperatures: Sequence[float] = (0.07, 0.1, 0.2),
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        if min(neighbours) < 1 or min(temperatures) <= 0:
            raise ValueError(
                f"k must be at least 1 and T positive, got k {list(neighbours)} and "
                f"T {list(temperatures)}"
            )
        self.device, self.seed = device, seed
        pairs = product(sorted(neighbours, reverse=True), sorted(temperatures, reverse=True))
        self.trials: list[dict] = [{"k": k, "temperature": t} for k, t in pairs]
        customary = {"k": 20, "temperature": 0.07}
        self.default = (
            self.trials.index(customary) if customary in self.trials else len(self.trials) // 2
        )

    def validate(
        self,
        X: Float[np.ndarray, "n ..."],
        y: Int64[np.ndarray, " n"],
        X_val: Float[np.ndarray, "m ..."],
        y_val: Int64[np.ndarray, " m"],
    ) -> Float[np.ndarray, " t"]:
        """Return the top-1 in [0, 1] of every trial on (X_val, y_val); one search serves all."""
        self._remember(X, y)
        nearest = self._search(X_val, max(trial["k"] for trial in self.trials))
        return np.array([top1(self._votes(*nearest, **trial), y_val) for trial in self.trials])

    def fit(
        self, X: Float[np.ndarray, "n ..."], y: Int64[np.ndarray, " n"], trial: int
    ) -> KnnProbe:
        """Return self holding the training latents and one trial's k and T."""
        self._remember(X, y)
        self.trial_ = self.trials[trial]
        return self

    def predict_proba(self, X: Float[np.ndarray, "n ..."]) -> Float[np.ndarray, "n c"]:
        """Return each class's share of the votes, rows summing to 1; 0 where nobody voted."""
        return self._votes(*self._search(X, self.trial_["k"]), **self.trial_)

    def _remember(self, X: Float[np.ndarray, "n ..."], y: Int64[np.ndarray, " n"]) -> None:
        """Keep the training latents, at unit length, and their labels."""
        self.n_classes_ = count_classes(y)
        self.latents_ = functional.normalize(flat_latents(X).to(self.device), dim=1)
        self.labels_ = torch.from_numpy(np.ascontiguousarray(y)).to(self.device)

    def _search(self, X: Float[np.ndarray, "m ..."], k: int) -> tuple[Tensor, Tensor]:
        """Return similarities and labels (m, k) of the nearest training latents, nearest first."""
        k = min(k, max(1, len(self.latents_) - 1))
        found = []
        for queries in flat_latents(X).split(_CHUNK):
            unit = functional.normalize(queries.to(self.device), dim=1)
            found.append((unit @ self.latents_.T).topk(k, dim=1))
        similarity = torch.cat([chunk.values for chunk in found])
        return similarity, self.labels_[torch.cat([chunk.indices for chunk in found])]

    def _votes(
        self,
        similarity: Float[Tensor, "m k"],
        labels: Int64[Tensor, "m k"],
        *,
        k: int,
        temperature: float,
    ) -> Float[np.ndarray, "m c"]:
        """Return each class's share of exp(similarity / T) among the first k neighbours."""
        weights = (similarity[:, :k].double() / temperature).softmax(dim=1)
        votes = weights.new_zeros(len(weights), self.n_classes_)
        return votes.scatter_add_(1, labels[:, :k], weights).cpu().numpy()
