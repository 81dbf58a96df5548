"""Finetune: a pretrained encoder with a new linear head, all of it trained on the labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64, UInt8
from torch import nn

from .pixels import Augment
from .scratch import ScratchClassifier
from .training import Precision


@dataclass(kw_only=True)
class Finetune:
    """Trains `network(n_classes=c)`, which returns its own copy of a pretrained encoder and a head.

    Parameters under the network's attribute `encoder` learn at `encoder_lr_scale` times the rate.
    Everything else is as in ScratchClassifier, at whose trials and steps it is to be compared.
    ValueError if a parameter of the network is frozen.
    """

    network: Callable[..., nn.Module]
    encoder_lr_scale: float = 0.1
    size: int | None = None
    steps: int = 3000
    max_epochs: int = 200
    batch_size: int = 64
    lr: float = 1e-3
    weight_decay: float = 5e-2
    n_trials: int = 5
    augment: Augment = "flip_crop"
    precision: Precision = "32"
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        self.classifier_ = ScratchClassifier(
            network=self._thawed,
            size=self.size,
            steps=self.steps,
            max_epochs=self.max_epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            weight_decay=self.weight_decay,
            n_trials=self.n_trials,
            augment=self.augment,
            precision=self.precision,
            encoder_lr_scale=self.encoder_lr_scale,
            seed=self.seed,
            device=self.device,
        )
        self.trials: list[dict] = self.classifier_.trials
        self.default = self.classifier_.default

    def validate(
        self,
        X: UInt8[np.ndarray, "n h w 3"],
        y: Int64[np.ndarray, " n"],
        X_val: UInt8[np.ndarray, "m h w 3"],
        y_val: Int64[np.ndarray, " m"],
    ) -> Float[np.ndarray, " t"]:
        """Return the top-1 in [0, 1] on (X_val, y_val) of every trial; 0 if it diverges."""
        return self.classifier_.validate(X, y, X_val, y_val)

    def fit(
        self, X: UInt8[np.ndarray, "n h w 3"], y: Int64[np.ndarray, " n"], trial: int
    ) -> Finetune:
        """Return self trained at one trial; ValueError if the loss diverges."""
        self.classifier_.fit(X, y, trial)
        return self

    def predict_proba(self, X: UInt8[np.ndarray, "n h w 3"]) -> Float[np.ndarray, "n c"]:
        """Return the probability of each class, rows summing to 1."""
        return self.classifier_.predict_proba(X)

    def _thawed(self, *, n_classes: int) -> nn.Module:
        """Return the given network, having checked that all of it can learn."""
        network = self.network(n_classes=n_classes)
        frozen = [name for name, p in network.named_parameters() if not p.requires_grad]
        if frozen:
            raise ValueError(
                f"finetuning trains every parameter, but {len(frozen)} are frozen "
                f"({frozen[0]}, ...): build the network from a thawed copy of the encoder"
            )
        return network
