"""The encoder of one method, fold and seed: trained when first needed, then on record."""

import dataclasses
import json
import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from safetensors.torch import load_file, save_file
from torch import nn

from benchmarks.batches import Batches, load
from benchmarks.contest import Round
from benchmarks.errors import ConfigError
from benchmarks.latents import Latents, extract_latents
from benchmarks.pretrain import Recipe, Training, pretrain
from benchmarks.provenance import code_hash, commit, device_name
from benchmarks.settings import build, plain
from benchmarks.settle import settle_statistics
from benchmarks.splits import Split
from benchmarks.store import content_key, file_hash
from models.encoder import Encoder, FrozenEncoder, resized

TRAINED_BY = [
    f"benchmarks/{name}.py" for name in ("batches", "draws", "precision", "pretrain", "settle")
]
EXAMPLES = 6  # pictures shown of seen classes, and as many of unseen ones


class MethodEncoder:
    """What `method` learns from the pretrain split; nothing is computed before it is asked for."""

    def __init__(
        self, name: str, method: Any, at: Round, *, recipe: Mapping[str, Any], max_features: int
    ) -> None:
        self.name, self.method, self.at, self.max_features = name, method, at, max_features
        self.recipe = Recipe(**{**plain(recipe), **plain(method.get("pretrain", {}))})
        self.key = content_key(
            stage="encoder",
            model=plain(method.model),
            pretext=plain(method.pretext),
            pixels=self.pixels,
            recipe=dataclasses.asdict(self.recipe),
            data=at.images.fingerprint,
            split=at.split.manifest_hash,
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
            return build(self.method.model, **channels), pretext

    @cached_property
    def label_free(self) -> bool:
        """Whether no label, of these or any other images, went into pretraining."""
        return bool(self._untrained[1].label_free)

    @cached_property
    def inputs(self) -> str:
        """What the frozen encoder is fed: the pretext's own input, unless the method says other."""
        return str(self.method.get("probe_inputs") or self._untrained[1].inputs)

    @cached_property
    def tap(self) -> str:
        """Tap declared for probes that cannot choose one (no label to spare, or fine-tuning)."""
        return str(self.method.get("tap") or self._untrained[0].bottleneck)

    @property
    def head_tap(self) -> str:
        """Tap that fine-tuning puts its head on."""
        return str(self.method.get("head_tap") or self.tap)

    @property
    def bottleneck(self) -> str:
        """Tap that a probe on spatial latents reads."""
        return str(self._untrained[0].bottleneck)

    @cached_property
    def folder(self) -> Path:
        """Record with encoder.safetensors, history.json, cost.json and examples.npz."""
        with self.at.store.writing("encoders", self.key) as folder:
            if folder is not None:
                self._train(folder)
        shutil.rmtree(self.at.store.unfinished("encoders", self.key))
        return self.at.store.path("encoders", self.key)

    @cached_property
    def latents_key(self) -> str:
        """Key of the latents: of the weights as they are, not of how they were to be made."""
        return content_key(
            stage="latents",
            weights=file_hash(self.folder / "encoder.safetensors"),
            inputs=self.inputs,
            pixels=self.pixels,
            max_features=self.max_features,
            data=self.at.images.fingerprint,
            split=self.at.split.manifest_hash,
            code=code_hash("models", "benchmarks/latents.py"),
        )

    def check(self) -> None:
        """Raise ConfigError if model or pretext cannot be built, or lack a tap that is named."""
        taps = self._untrained[0].taps
        for tap in {self.tap, self.head_tap} - set(taps):
            raise ConfigError(f"{self.name} has no tap {tap}", f"known: {', '.join(taps)}")

    def encoder(self) -> Encoder:
        """A fresh copy of the trained encoder, free to be fine-tuned."""
        model = build(
            self.method.model,
            in_channels=self._untrained[1].in_channels,
            out_channels=self._untrained[1].out_channels,
        )
        model.load_state_dict(load_file(self.folder / "encoder.safetensors"))
        return Encoder(model, self.inputs, self.pixels)

    @cached_property
    def latents(self) -> Latents:
        """Latents of the pool and the test images at every tap."""
        with self.at.store.writing("latents", self.latents_key) as folder:
            if folder is not None:
                extract_latents(
                    FrozenEncoder(self.encoder()),
                    self.at.images.images,
                    np.union1d(self.at.split.pool, self.at.split.test),
                    folder=folder,
                    max_features=self.max_features,
                    device=self.at.device,
                    label=f"latents {self.name}",
                )
        return Latents(self.at.store.path("latents", self.latents_key))

    def _train(self, folder: Path) -> None:
        model, pretext = self._untrained
        batches = Batches(
            self.at.images.images,
            self.at.split.pretrain,
            size=self.recipe.batch_size,
            seed=self.at.seed,
            n_draws=pretext.n_draws,
            flip=self.recipe.flip,
            device=self.at.device,
            pixels=self.pixels,
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
        weights = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
        save_file(weights, folder / "encoder.safetensors")
        (folder / "history.json").write_text(json.dumps(training.history))
        seen = self.recipe.epochs * batches.per_epoch * batches.size
        cost = _cost(model, training, seen, device=self.at.device)
        (folder / "cost.json").write_text(json.dumps(cost))
        ids = examples(self.at.images.labels, self.at.split)
        shown = resized(load(self.at.images.images, ids, self.at.device), self.pixels)
        with torch.no_grad():
            pictures = pretext.decode(model.eval(), shown)
        colored = (pictures.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        np.savez(folder / "examples.npz", ids=ids, colored=colored)


def examples(labels: Int64[np.ndarray, " n"], split: Split) -> Int64[np.ndarray, " e"]:
    """Pool images to show: the first of evenly spaced seen classes, then of unseen ones."""
    chosen = []
    for classes in (split.seen, split.unseen):
        spaced = np.linspace(0, len(classes) - 1, min(EXAMPLES, len(classes))).round().astype(int)
        for name in classes[spaced]:
            chosen.append(split.pool[labels[split.pool] == name][0])
    return np.array(chosen, dtype=np.int64)


def _cost(model: nn.Module, training: Training, images_seen: int, *, device: str) -> dict[str, Any]:
    peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "images_seen": images_seen,
        "seconds": round(training.seconds, 1),
        "images_per_second": round(images_seen / training.seconds, 1) if images_seen else None,
        "peak_memory_mb": peak,
        "precision": training.precision,
        "device": device_name(device),
        "commit": commit(),
    }
