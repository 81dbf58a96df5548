"""ScratchClassifier: a network trained from pixels on the same labels that the probes get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from .network_classifier import NetworkClassifier, SelectEpoch, draw_trials
from .pixels import Augment, downsample
from .training import Precision, Schedule, Training

_RATES = (3e-4, 1e-3, 3e-3)
_DECAYS = (1e-4, 1e-2, 5e-2, 2e-1)


@dataclass(kw_only=True)
class ScratchClassifier:
    """Trains `network(n_classes=c)` from its own start; AdamW, the last step counts.

    Pixels are area-downsampled to `size` first. Training takes `steps` optimiser steps at every
    label budget, at most `max_epochs` epochs. The first trial is (`lr`, `weight_decay`); the others
    are drawn once from a grid. `select_epoch="best_on_val"` exists to reproduce seed 004 only:
    `validate` returns the best epoch's score and `fit` trains for that number of epochs.
    `encoder_lr_scale` multiplies the rate of the parameters under the network's `encoder`.
    """

    network: Callable[..., nn.Module]
    size: int | None = None
    steps: int = 3000
    max_epochs: int = 200
    batch_size: int = 64
    lr: float = 1e-3
    weight_decay: float = 5e-2
    n_trials: int = 5
    augment: Augment = "flip_crop"
    schedule: Schedule = "onecycle"
    precision: Precision = "32"
    select_epoch: SelectEpoch = "last"
    encoder_lr_scale: float = 1.0
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        first = {"lr": self.lr, "weight_decay": self.weight_decay}
        grid = {"lr": _RATES, "weight_decay": _DECAYS}
        self.trials: list[dict] = draw_trials(first, grid, self.n_trials)
        self.default = 0
        training = Training(
            steps=self.steps,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            augment=self.augment,
            precision=self.precision,
            encoder_lr_scale=self.encoder_lr_scale,
            seed=self.seed,
            device=self.device,
        )
        self.classifier_ = NetworkClassifier(
            self._fresh, self.trials, training, select_epoch=self.select_epoch
        )

    def validate(
        self,
        X: UInt8[np.ndarray, "n h w 3"],
        y: Int64[np.ndarray, " n"],
        X_val: UInt8[np.ndarray, "m h w 3"],
        y_val: Int64[np.ndarray, " m"],
    ) -> Float[np.ndarray, " t"]:
        """Return the top-1 in [0, 1] on (X_val, y_val) of every trial; 0 if it diverges."""
        pixels, pixels_val = downsample(X, self.size), downsample(X_val, self.size)
        return self.classifier_.validate(pixels, y, pixels_val, y_val)

    def fit(
        self, X: UInt8[np.ndarray, "n h w 3"], y: Int64[np.ndarray, " n"], trial: int
    ) -> ScratchClassifier:
        """Return self trained at one trial; ValueError if the loss diverges."""
        self.classifier_.fit(downsample(X, self.size), y, trial)
        return self

    def predict_proba(self, X: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n c"]:
        """Return the probability of each class, rows summing to 1."""
        return self.classifier_.predict_proba(downsample(X, self.size))

    def _fresh(self, trial: dict, n_classes: int, X: Tensor) -> nn.Module:
        """Return a new network; its start is a function of the seed."""
        return self.network(n_classes=n_classes)
