"""How a tap and a setting are chosen: by validation inside the labelled pool."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from benchmarks.splits import Folds, validation_folds


@runtime_checkable
class Features(Protocol):
    """What a probe or baseline reads: latents by tap, or pixels."""

    @property
    def taps(self) -> Sequence[str]:
        """Names among which selection chooses."""

    def take(self, tap: str, ids: Int64[np.ndarray, " m"]) -> np.ndarray:
        """Features of the images `ids`, in that order."""


@dataclass(frozen=True)
class Selection:
    """How a setting is chosen: `folds`-fold cross-validation in the pool; 1 is one hold-out.

    Folds are left out once those before them had `validation_images` together: few labels are
    cross-validated, many leave one part that is large enough. `on_test` keeps seed 004's defect:
    the test set chooses. Tables made so say it.
    """

    folds: int = 5
    validation_images: int | None = None
    on_test: bool = False

    def parts(self, y: Int64[np.ndarray, " m"], *, seed: int) -> Folds:
        """(train, validation) positions among the labels `y`."""
        return validation_folds(y, self.folds, seed, validation_images=self.validation_images)


def select(
    probe: Any,
    features: Features,
    ids: Int64[np.ndarray, " m"],
    y: Int64[np.ndarray, " m"],
    *,
    selection: Selection,
    seed: int,
    default_tap: str,
    held: tuple[Int64[np.ndarray, " t"], Int64[np.ndarray, " t"]] | None = None,
) -> dict[str, Any]:
    """The tap and trial with the best mean validation top-1; the earlier one wins a tie.

    Where no label can be spared (one a class) the declared defaults are taken. `held` replaces
    validation by given images (ids, targets): seed 004's defect.
    """
    folds = [] if held else selection.parts(y, seed=seed)
    alone = len(features.taps) * len(probe.trials) == 1
    if held is None and (alone or not folds):
        tap = features.taps[0] if alone else default_tap
        rule = "nothing to choose" if alone else "declared default"
        return {"tap": tap, "trial": probe.default, "rule": rule,
                "settings": probe.trials[probe.default], "scores": {}}  # fmt: skip
    scores = {}
    for tap in features.taps:
        X = features.take(tap, ids)
        if held:
            parts = [probe.validate(X, y, features.take(tap, held[0]), held[1])]
        elif hasattr(probe, "validate_folds"):
            parts = probe.validate_folds(X, y, folds)
        else:
            parts = [probe.validate(X[a], y[a], X[b], y[b]) for a, b in folds]
        scores[tap] = np.mean(parts, axis=0).tolist()
    best, trial = np.unravel_index(
        np.argmax(list(scores.values())), (len(scores), len(probe.trials))
    )
    rule = "TEST SET" if held else f"{len(folds)} validation part(s) of the pool"
    return {"tap": features.taps[int(best)], "trial": int(trial), "rule": rule,
            "settings": probe.trials[int(trial)], "scores": scores}  # fmt: skip
