"""FLOPs of training steps, and the share of the machine's measured peak that ours reaches."""

from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.pretrain import Recipe
from benchmarks.settings import build, load_config
from benchmarks.timing.material import Material
from benchmarks.timing.suite import Suite
from models.color import as_images
from models.encoder import resized

# Oganov's network, on L -> ab at the size of the photographs as they are stored.
ORIGINAL = [
    "methods=[block_regression]", "scale.block_channels=[32,64,64]", "scale.norm_groups=32",
    "scale.block_pixels=null",
]  # fmt: skip
BATCH = 8
STEPS = 6


def flops(pretext: Any, model: Any, images: UInt8[np.ndarray, "n h w 3"], side: int | None) -> int:
    """FLOPs of one forward and backward pass by torch's own counter: convolutions and products."""
    batch = resized(as_images(torch.from_numpy(images)), side)
    draws = torch.zeros(len(batch), pretext.n_draws)
    with FlopCounterMode(display=False) as counter:
        torch.stack(list(pretext.losses(model.train(), batch, draws).values())).sum().backward()
    return int(counter.get_total_flops())


def method_flops(material: Material, name: str) -> int:
    """FLOPs of one step of a method of the table."""
    model, pretext = material.fresh(name)
    size = min(material.recipes[name].batch_size, len(material.at.split.pretrain))
    images = np.array(material.images.images[material.at.split.pretrain[:size]])
    return flops(pretext, model, images, material.cfg.methods[name].get("pixels"))


def original_step(suite: Suite, pictures: UInt8[np.ndarray, "n h w 3"]) -> dict[str, Any]:
    """Seconds and FLOPs a step of Oganov's network on `pictures`, and the arithmetic chosen."""
    config = load_config(ORIGINAL)
    (method,) = config.methods.values()
    pretext = build(method.pretext)
    torch.manual_seed(0)
    model = build(method.model, in_channels=pretext.in_channels, out_channels=pretext.out_channels)
    ids = np.arange(len(pictures))
    size = min(BATCH, len(ids))
    counted = flops(pretext, model, pictures[:size], None)
    recipe = Recipe(epochs=STEPS / (len(ids) // size), batch_size=size)
    _, step, training = suite.train(model, pretext, pictures, ids, recipe=recipe, pixels=None)
    return {"seconds": step, "flops": counted, "precision": training.precision, "batch": size}


def share(counted: int, seconds: float, peaks: dict[str, float]) -> dict[str, float]:
    """FLOP/s reached, as it is and as shares of the fp32 and bf16 peaks."""
    reached = counted / seconds
    return {"flop_per_second": reached, **{k: reached / peaks[k] for k in ("fp32", "bf16")}}
