"""A classifier trained on real pictures of the pool, to name what recoloured ones show."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.contest import Round
from benchmarks.progress import Meter
from benchmarks.provenance import code_hash
from benchmarks.store import content_key
from probes.pixels import downsample
from probes.training import Training, predict_network, train_network

STAGE = "judges"


@dataclass(frozen=True, kw_only=True)
class Judge:
    """How a classifier is trained on all labelled pool pictures, seen and unseen classes alike.

    Its top-1 on recoloured test pictures, between that on gray and that on true ones, says how far
    colours help to recognise; it stands in for the VGG-16 of Zhang et al. 2016, table 1. Seed and
    device are the round's. Nothing is selected: the settings are declared. `pixels` is the side to
    which pictures are area-averaged, None for as they are.
    """

    network: Callable[..., nn.Module]
    training: Training
    pixels: int | None = None

    def key(self, at: Round) -> str:
        """Key of the trained classifier's record in the round's store."""
        return content_key(
            stage=STAGE,
            network=_described(self.network),
            training=asdict(self._training(at)),
            pixels=self.pixels,
            data=at.images.fingerprint,
            split=at.split.manifest_hash,
            code=code_hash("models/classifiers.py", "probes", "benchmarks/judge.py"),
        )

    def trained(self, at: Round) -> "TrainedJudge":
        """The classifier of a round, from its record, which is made if it is missing."""
        key, pool = self.key(at), at.split.pool
        classes, targets = np.unique(at.images.labels[pool], return_inverse=True)
        with at.store.writing(STAGE, key) as folder:
            if folder is not None:
                made = self._train(at, targets, len(classes))
                weights = {name: of.cpu().contiguous() for name, of in made.state_dict().items()}
                save_file(weights, folder / "judge.safetensors")
        network = self.network(n_classes=len(classes))
        network.load_state_dict(load_file(at.store.path(STAGE, key) / "judge.safetensors"))
        return TrainedJudge(
            network.to(at.device).eval(), classes, self._training(at), pixels=self.pixels
        )

    def _train(self, at: Round, targets: Int64[np.ndarray, " p"], n_classes: int) -> nn.Module:
        training = self._training(at)
        batches = math.ceil(len(targets) / training.batch_size)
        passes = math.ceil(min(training.steps, training.max_epochs * batches) / batches)
        with Meter(f"judge fold {at.fold} seed {at.seed}", passes, "passes") as meter:
            return train_network(
                lambda: self.network(n_classes=n_classes),
                downsample(at.images.images[at.split.pool], self.pixels),
                targets,
                training,
                after_epoch=lambda _: meter.advance(1),
            )

    def _training(self, at: Round) -> Training:
        return replace(self.training, seed=at.seed, device=at.device)


class TrainedJudge:
    """A judge's network with the class ids that its outputs stand for."""

    def __init__(
        self,
        network: nn.Module,
        classes: Int64[np.ndarray, " c"],
        training: Training,
        *,
        pixels: int | None,
    ) -> None:
        self.network, self.classes, self.training = network, classes, training
        self.pixels = pixels

    def predict(self, pictures: UInt8[np.ndarray, "n h w 3"]) -> Int64[np.ndarray, " n"]:
        """The class ids that it takes pictures for."""
        small = downsample(pictures, self.pixels)
        return self.classes[predict_network(self.network, small, self.training).argmax(1)]


def _described(network: Callable[..., nn.Module]) -> dict[str, Any]:
    """What a class, or a partial call of one, is made of."""
    if isinstance(network, partial):
        return {**_described(network.func), "arguments": network.keywords}
    return {"name": getattr(network, "__qualname__", repr(network))}
