"""ConvHead: seed 004's classifier on latents that keep their map."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from .inputs import check_finite
from .network_classifier import NetworkClassifier, SelectEpoch, draw_trials
from .training import Schedule, Training

_RATES = (1e-4, 3e-4, 1e-3, 3e-3)
_DEFAULT = {"lr": 3e-4}  # of seed 004


def conv_head_network(*, in_channels: int, n_classes: int) -> nn.Sequential:
    """Return `ResNetFoodClassifierSmall` (Oganov): two convolutions, global average, linear.

    Of 4 channels and 101 classes it has 326,245 parameters; its input is (n, c, h, w).
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, 128, 3, padding=1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.Conv2d(128, 256, 3, padding=1, bias=False),
        nn.BatchNorm2d(256),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(256, n_classes),
    )


@dataclass(kw_only=True)
class ConvHead:
    """The convolutional probe of seed 004 on spatial latents; trials differ in learning rate.

    The original is `schedule="constant"` and `select_epoch="best_on_val"`, which takes the best
    epoch of the validation set; the default takes the last step of a one-cycle schedule.
    """

    n_trials: int = 3
    steps: int = 2000
    max_epochs: int = 100
    batch_size: int = 32
    weight_decay: float = 2e-5
    schedule: Schedule = "onecycle"
    select_epoch: SelectEpoch = "last"
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        self.trials: list[dict] = draw_trials(_DEFAULT, {"lr": _RATES}, self.n_trials)
        self.default = 0
        training = Training(
            steps=self.steps,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            lr=_DEFAULT["lr"],
            weight_decay=self.weight_decay,
            schedule=self.schedule,
            seed=self.seed,
            device=self.device,
        )
        self.classifier_ = NetworkClassifier(
            _network, self.trials, training, select_epoch=self.select_epoch
        )

    def validate(
        self,
        X: Float[np.ndarray, "n c h w"],
        y: Int64[np.ndarray, " n"],
        X_val: Float[np.ndarray, "m c h w"],
        y_val: Int64[np.ndarray, " m"],
    ) -> Float[np.ndarray, " t"]:
        """Return the top-1 in [0, 1] on (X_val, y_val) of every trial; 0 if it diverges."""
        return self.classifier_.validate(_maps(X), y, _maps(X_val), y_val)

    def fit(
        self, X: Float[np.ndarray, "n c h w"], y: Int64[np.ndarray, " n"], trial: int
    ) -> ConvHead:
        """Return self fitted at one trial; ValueError if the loss diverges."""
        self.classifier_.fit(_maps(X), y, trial)
        return self

    def predict_proba(self, X: Float[np.ndarray, "n c h w"]) -> Float[np.ndarray, "n k"]:
        """Return the probability of each class, rows summing to 1."""
        return self.classifier_.predict_proba(_maps(X))


def _network(trial: dict, n_classes: int, X: Tensor) -> nn.Module:
    """Return the untrained head for latents with the channels of X."""
    return conv_head_network(in_channels=X.shape[1], n_classes=n_classes)


def _maps(X: Float[np.ndarray, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Return latents as finite float32 maps; ValueError if degenerate."""
    maps = torch.from_numpy(np.ascontiguousarray(X, dtype=np.float32))
    check_finite(maps)
    return maps
