"""FLOPs of training steps, and the share of the machine's measured peak that ours reaches."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.precision import Arithmetic
from benchmarks.pretrain import Recipe
from benchmarks.settings import build, load_config
from benchmarks.timing.feed import feed_seconds
from benchmarks.timing.machine import Rates, ceilings
from benchmarks.timing.material import Material
from benchmarks.timing.suite import Suite
from benchmarks.timing.wording import grid_of, readable
from models.color import as_images
from models.encoder import resized

# Oganov's network, on L -> ab at the size of the photographs as they are stored.
ORIGINAL = [
    "methods=[block_regression]", "scale.block_channels=[32,64,64]", "scale.norm_groups=32",
    "scale.block_pixels=null",
]  # fmt: skip
BATCH = 8
STEPS = 6
OWN = {"32-true": "fp32", "bf16-mixed": "bf16"}  # the peak against which a precision is held
PEAKS = """\
A measured peak is the rate of the fastest way in which the suite's arithmetic can run: a product of
square matrices, the same by oneDNN as a linear layer, a 3x3 convolution of channels-last maps; each
the best of several calls, before the turns and after them. A step is to be read in its own
precision: of fp32 for 32-true, of bf16 for bf16-mixed."""
ABOVE = """\
**Above the peak of its own precision, which cannot be:** the machine was busy while the peaks were
measured, or no way above is how that step computes:"""


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
    """Seconds and FLOPs a step of Oganov's network on `pictures`, what feeds it, the arithmetic."""
    config = load_config(ORIGINAL)
    (method,) = config.methods.values()
    pretext = build(method.pretext)
    torch.manual_seed(0)
    model = build(method.model, in_channels=pretext.in_channels, out_channels=pretext.out_channels)
    ids = np.arange(len(pictures))
    size = min(BATCH, len(ids))
    counted = flops(pretext, model, pictures[:size], None)
    recipe = Recipe(epochs=STEPS / (len(ids) // size), batch_size=size)
    make = partial(suite.batches, pretext, pictures, ids, recipe=recipe, pixels=None)
    _, step, training = suite.train(model, pretext, make(), recipe=recipe)
    way = Arithmetic(training.precision, training.channels_last)
    batch, colours = feed_seconds(model, pretext, make(), recipe=recipe, way=way, steps=STEPS)
    return {
        "seconds": step, "flops": counted, "precision": training.precision, "batch": size,
        "batch_seconds": batch, "colours_seconds": colours,
    }  # fmt: skip


def share(step: Mapping[str, Any], peaks: Mapping[str, float]) -> dict[str, float]:
    """FLOP/s of a step, as shares of the fp32 and bf16 peaks, and of that of its own precision."""
    reached = step["flops"] / step["seconds"]
    shares = {name: reached / peaks[name] for name in OWN.values()}
    return {"flop_per_second": reached, **shares, "own": shares[OWN[step["precision"]]]}


def roofline(rates: Rates, shares: Sequence[Mapping[str, Any]]) -> str:
    """The section of the page: what the peaks are of, and what our steps reach of them."""
    peaks = ceilings(rates)
    lines = [
        [s["name"], s["precision"], f"{s['flops'] / 1e9:.1f}", readable(s["seconds"]),
         f"{s['flop_per_second'] / 1e9:.0f}", f"{s['fp32']:.0%}", f"{s['bf16']:.0%}"]
        for s in shares
    ]  # fmt: skip
    head = ["our training step", "precision", "GFLOP", "time", "GFLOP/s", "of fp32", "of bf16"]
    of = [f"- {name}: {_peak(rates[name])}" for name in OWN.values()]
    above = [f"{s['name']} ({s['own']:.0%})" for s in shares if s["own"] > 1]
    parts = [PEAKS, "\n".join([*of, f"- copy: {peaks['copy'] / 1e9:.1f} GB/s"])]
    parts += [grid_of(head, lines), *([f"{ABOVE} {', '.join(above)}."] if above else [])]
    return "\n\n".join(parts)


def _peak(ways: Mapping[str, float]) -> str:
    """The peak of an arithmetic, then every way to multiply, fastest first."""
    fastest = sorted(ways, key=lambda way: -ways[way])
    each = ", ".join(f"{way} {ways[way] / 1e9:.0f}" for way in fastest)
    return f"{ways[fastest[0]] / 1e9:.0f} GFLOP/s ({each})"
