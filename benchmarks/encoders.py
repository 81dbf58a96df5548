"""The encoder of one method, fold and seed: trained when first needed, then on record."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from benchmarks.batches import Batches
from benchmarks.contest import Round
from benchmarks.encoder_record import write_record
from benchmarks.errors import ConfigError
from benchmarks.exposure import trained_split
from benchmarks.latents import Latents, choose_arithmetic, extract_latents
from benchmarks.precision import Arithmetic, remembered
from benchmarks.pretext_labels import pretext_labels
from benchmarks.pretrain import Recipe, pretrain
from benchmarks.provenance import code_hash
from benchmarks.settings import build, plain
from benchmarks.settle import settle_statistics
from benchmarks.store import content_key, file_hash
from models.encoder import Encoder, FrozenEncoder, start_from

LOOP = "batches checkpoint draws journal learner precision pretext_labels pretrain settle"
TRAINED_BY = [f"benchmarks/{name}.py" for name in LOOP.split()]
READ_BY = ["benchmarks/latents.py", "benchmarks/precision.py"]


class MethodEncoder:
    """What `method` learns from the pretrain split; nothing is computed before it is asked for.

    A method with `start: {NAME: METHOD}` begins with what METHOD has learned; one with `exposed`
    sees other images, of all classes (`split`), and is probed on those of the round all the same.
    """

    def __init__(
        self, name: str, method: Any, at: Round, *, recipe: Mapping[str, Any], max_features: int
    ) -> None:
        self.name, self.method, self.at, self.max_features = name, method, at, max_features
        self.split = trained_split(method, at)
        self.recipe = Recipe(**{**plain(recipe), **plain(method.get("pretrain", {}))})
        self.start: MethodEncoder | None = None
        for first, definition in method.get("start", {}).items():
            self.start = MethodEncoder(
                first, definition, at, recipe=recipe, max_features=max_features
            )
        self.key: str = content_key(
            stage="encoder",
            model=plain(method.model),
            pretext=plain(method.pretext),
            pixels=self.pixels,
            recipe=dataclasses.asdict(self.recipe),
            start=self.start and self.start.key,
            data=at.images.fingerprint,
            split=self.split.manifest_hash,
            seed=at.seed,
            device=at.device,
            code=code_hash("models", *TRAINED_BY),
        )

    @property
    def pixels(self) -> int | None:
        """Side in pixels at which this method sees images; None for the data set's own."""
        return self.method.get("pixels")

    @cached_property
    def _untrained(self) -> tuple[Any, Any]:
        """Model and pretext with the seed's initial weights."""
        with torch.random.fork_rng():
            torch.manual_seed(self.at.seed)
            pretext = build(self.method.pretext)
            torch.manual_seed(self.at.seed)
            channels = {"in_channels": pretext.in_channels, "out_channels": pretext.out_channels}
            model = build(self.method.model, **channels)
        return model, pretext

    @cached_property
    def label_free(self) -> bool:
        """Whether no label, of these or any other images, went into pretraining."""
        model, pretext = self._untrained
        free = pretext.label_free and getattr(model, "label_free", True)
        return bool(free and (self.start is None or self.start.label_free))

    @cached_property
    def inputs(self) -> str:
        """What the frozen encoder is fed: the pretext's own input, unless the method says other."""
        return str(self.method.get("probe_inputs") or self._untrained[1].inputs)

    @property
    def model(self) -> Any:
        """The network before any training, for what it is made of."""
        return self._untrained[0]

    @property
    def taps(self) -> tuple[str, ...]:
        """Every tap of the encoder, from its input to the bottleneck."""
        return tuple(self.model.taps)

    @cached_property
    def tap(self) -> str:
        """Tap declared for probes that cannot choose one (no label to spare, or fine-tuning)."""
        return str(self.method.get("tap") or self.model.bottleneck)

    @property
    def head_tap(self) -> str:
        """Tap that fine-tuning puts its head on."""
        return str(self.method.get("head_tap") or self.tap)

    @property
    def bottleneck(self) -> str:
        """Tap that a probe on spatial latents reads."""
        return str(self.model.bottleneck)

    @cached_property
    def folder(self) -> Path:
        """Record with encoder.safetensors, history.json, cost.json and examples.npz."""
        with self.at.store.writing("encoders", self.key) as folder:
            if folder is not None:
                self._train(folder)
        return self.at.store.path("encoders", self.key)

    @cached_property
    def latents_key(self) -> str:
        """Key of the latents: of the network and its weights, not of how they were to be made."""
        return content_key(
            stage="latents",
            model=plain(self.method.model),
            weights=file_hash(self.folder / "encoder.safetensors"),
            inputs=self.inputs,
            pixels=self.pixels,
            max_features=self.max_features,
            precision=self.recipe.precision,
            data=self.at.images.fingerprint,
            split=self.at.split.manifest_hash,
            code=code_hash("models", *READ_BY),
        )

    def check(self) -> None:
        """Raise ConfigError if model or pretext cannot be built, or a named tap is not there.

        One gray picture passes the encoder, so that a size that does not fit is told at once.
        """
        for tap in {self.tap, self.head_tap} - set(self.taps):
            raise ConfigError(f"{self.name} has no tap {tap}", f"known: {', '.join(self.taps)}")
        side = self.pixels or self.at.images.images.shape[1]
        try:
            with torch.no_grad():
                Encoder(self.model.eval(), self.inputs)(torch.full((1, 3, side, side), 0.5))
        except (ValueError, RuntimeError) as error:
            raise ConfigError(f"{self.name} at {side} px: {error}", "change data.size") from error

    def encoder(self) -> Encoder:
        """A fresh copy of the trained encoder, free to be fine-tuned."""
        model = build(
            self.method.model,
            in_channels=self._untrained[1].in_channels,
            out_channels=self._untrained[1].out_channels,
        )
        model.load_state_dict(load_file(self.folder / "encoder.safetensors"))
        return Encoder(model, self.inputs, self.pixels)

    @property
    def colorizer_key(self) -> str:
        """Key of the trained weights and of all else that decoding reads."""
        return content_key(
            weights=file_hash(self.folder / "encoder.safetensors"),
            pretext=plain(self.method.pretext),
        )

    def colorizer(self) -> tuple[Any, Any]:
        """A fresh copy of the trained network in evaluation mode, and its pretext, to `decode`."""
        return self.encoder().model.eval(), self._untrained[1]

    @cached_property
    def latents(self) -> Latents:
        """Latents of the pool and the test images at every tap."""
        with self.at.store.writing("latents", self.latents_key) as folder:
            if folder is not None:
                self._extract(folder)
        return Latents(self.at.store.path("latents", self.latents_key))

    def _extract(self, folder: Path) -> None:
        frozen, images = FrozenEncoder(self.encoder()), self.at.images.images
        ids = np.union1d(self.at.split.pool, self.at.split.test)
        how: dict[str, Any] = {"max_features": self.max_features, "device": self.at.device}
        way = Arithmetic(self.recipe.precision, channels_last=self.at.device == "cuda")
        if self.recipe.precision == "auto":
            way = remembered(
                self.at.store.unfinished("latents", self.latents_key) / "arithmetic.json",
                lambda: choose_arithmetic(frozen, images, ids, **how),
            )
        label = f"latents {self.name}"
        extract_latents(frozen, images, ids, folder=folder, way=way, label=label, **how)

    def _train(self, folder: Path) -> None:
        model, pretext = self._untrained
        if self.start is not None:
            start_from(model, load_file(self.start.folder / "encoder.safetensors"))
        batches = Batches(
            self.at.images.images,
            self.split.pretrain,
            size=self.recipe.batch_size,
            seed=self.at.seed,
            n_draws=pretext.n_draws,
            flip=self.recipe.flip,
            device=self.at.device,
            pixels=self.pixels,
            labels=pretext_labels(
                getattr(pretext, "labels", None), dataclasses.replace(self.at, split=self.split)
            ),
        )
        if self.at.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        training = pretrain(
            model,
            pretext,
            batches,
            recipe=self.recipe,
            folder=self.at.store.unfinished("encoders", self.key),
            label=f"pretrain {self.name} (fold {self.at.fold}, seed {self.at.seed})",
        )
        if self.recipe.epochs == 0:
            settle_statistics(model, pretext.inputs, batches)
        seen = self.recipe.steps(batches.per_epoch) * batches.size
        write_record(folder, model, pretext, training, at=self.at, batches=batches, seen=seen)
