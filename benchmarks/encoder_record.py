"""What training leaves on disk: weights, losses, cost, example pictures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from safetensors.torch import save_file
from torch import nn

from benchmarks.batches import Batches, load
from benchmarks.contest import Round
from benchmarks.flops import encoding_flops, training_flops
from benchmarks.pretrain import Training
from benchmarks.provenance import commit, device_name
from benchmarks.splits import Split
from models.encoder import Encoder, resized

EXAMPLES = 6  # pictures shown of seen classes, and as many of unseen ones


def write_record(
    folder: Path,
    model: nn.Module,
    pretext: Any,
    training: Training,
    *,
    at: Round,
    batches: Batches,
    seen: int,
) -> None:
    """Write encoder.safetensors, history.json, cost.json and examples.npz; `seen` is in images."""
    weights = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    save_file(weights, folder / "encoder.safetensors")
    (folder / "history.json").write_text(json.dumps(training.history))
    cost = _cost(model, pretext, training, batches, seen)
    (folder / "cost.json").write_text(json.dumps(cost))
    ids = examples(at.images.labels, at.split)
    shown = resized(load(at.images.images, ids, at.device), batches.pixels)
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


def _cost(
    model: nn.Module, pretext: Any, training: Training, batches: Batches, images_seen: int
) -> dict[str, Any]:
    device = batches.device
    peak = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else None
    update = training_flops(model, pretext, batches) if images_seen else 0.0
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "images_seen": images_seen,
        "training_tflops": round(update * images_seen / 1e12, 3),
        "encoding_gflops": encoding_flops(Encoder(model, pretext.inputs), batches) / 1e9,
        "seconds": round(training.seconds, 3),
        "images_per_second": round(images_seen / training.seconds, 1) if images_seen else None,
        "peak_memory_mb": peak,
        "precision": training.precision,
        "device": device_name(device),
        "commit": commit(),
    }
