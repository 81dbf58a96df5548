"""What feeds a training step: getting its batch, and making of it what is shown and learned."""

import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from lightning_fabric import Fabric
from torch import Tensor, nn

from benchmarks.batches import Batches
from benchmarks.errors import ConfigError
from benchmarks.learner import Learner
from benchmarks.precision import Arithmetic
from benchmarks.pretrain import Recipe
from benchmarks.timing.clock import now
from benchmarks.timing.spread import Spread, ratios, spread
from benchmarks.timing.wording import grid_of, readable
from models.color import Images, network_input, rgb_to_lab, split_lab
from models.outputs import ColorBins, LightnessBins, shrink
from models.pretext.autoencoding import Autoencoding
from models.pretext.colorization import AB_SCALE, Colorization
from models.pretext.cross_channel import CrossChannel
from models.pretext.lightness import L_SCALE, Lightness
from models.quantize import lightness_bins

BATCH, COLOURS = 0.02, 0.03  # of a step, at most: the batch (on a GPU), and colours with targets
LEGEND = """\
What a step of ours spends before its network works. The batch: pixels of the store, mirrored, at
the method's side (averaged to it as floats), with the order of a pass at its share. Colours and
targets: Lab, what the network is shown of it, and classes or values at the output's size. Both are
timed on the same batches between real updates, so that caches are as in training; shares are of the
step of the same turn, medians with their range."""


class Fed(NamedTuple):
    """Seconds of a step, and of the two things in it that are no network."""

    step: float
    batch: float
    colours: float


def feed_seconds(
    model: nn.Module,
    pretext: Any,
    batches: Batches,
    *,
    recipe: Recipe,
    way: Arithmetic,
    steps: int,
) -> tuple[float, float]:
    """Mean seconds a step of the batch, and of colours and targets, over `steps` updates.

    `model` is trained meanwhile. ConfigError for pretexts that `made_of` does not know.
    """
    model.to(batches.device).to(memory_format=way.layout).train()
    pretext.to(batches.device)
    fabric = Fabric(accelerator=batches.device, devices=1, precision=way.precision)  # type: ignore[arg-type]
    learner = Learner(model, recipe.solver(model), fabric, name="model", clip=recipe.clip)
    begun = now(batches.device)
    images = batches.at(0, way.layout)[0]
    first = now(batches.device) - begun  # with the order of the pass
    with torch.no_grad():
        raw = learner.network(network_input(images, pretext.inputs))
    got, made = [], []
    for step in range(1 + steps):
        begun = now(batches.device)
        batch = batches.at(step, way.layout)
        fetched = now(batches.device)
        made_of(pretext, batch[0], raw)
        made.append(now(batches.device) - fetched)
        got.append(fetched - begun)
        losses = partial(pretext.losses, learner.network, *batch)
        learner.update(losses, lr=recipe.lr, seed=batches.seed, step=step)
    seconds = statistics.mean(got[1:])
    return seconds + max(0.0, first - seconds) / batches.per_epoch, statistics.mean(made[1:])


def made_of(
    pretext: Any, images: Images, raw: Any
) -> tuple[Float[Tensor, "n c h w"], list[Tensor]]:
    """What the network is shown, and what each `raw` output is held against.

    By the same calls as in `pretext.losses`; ConfigError for pretexts that no row here uses.
    """
    if isinstance(pretext, Autoencoding):
        whole = network_input(images, pretext.inputs)
        return whole, [shrink(whole, raw)]
    if not isinstance(pretext, Colorization | Lightness | CrossChannel):
        raise ConfigError(
            f"what {type(pretext).__name__} is fed is not known", "time other methods"
        )
    lab = rgb_to_lab(images)
    seen = network_input(images, pretext.inputs, lab=lab)
    if isinstance(pretext, CrossChannel):
        halves = zip((pretext.colorization, pretext.lightness), raw, strict=True)
        return seen, [_target(half, lab, output) for half, output in halves]
    return seen, [_target(pretext, lab, raw)]


def feeding(fed: Mapping[str, Sequence[Fed]], device: str) -> str:
    """The section of the page: the two shares of each step, and which exceed what was aimed at."""
    lines, batch, colours = [], {}, {}
    for name, turns in fed.items():
        step, *parts = zip(*turns, strict=True)
        batch[name], colours[name] = (ratios(part, step) for part in parts)
        cells = [readable(spread(part).median) for part in (step, *parts)]
        lines.append([name, *cells, _share(batch[name]), _share(colours[name])])
    head = ["our training step", "time", "batch", "colours and targets", "batch, of the step",
            "colours and targets, of the step"]  # fmt: skip
    aims = _aim("colours and targets", COLOURS, colours)
    if device == "cuda":
        aims = f"{_aim('the batch', BATCH, batch)} {aims}"
    return f"{LEGEND}\n\n{grid_of(head, lines)}\n\n{aims}"


def _target(pretext: nn.Module, lab: Tensor, raw: Tensor) -> Tensor:
    """The classes or values that a raw output is held against."""
    colour = isinstance(pretext, Colorization)
    values = shrink(split_lab(lab)[colour], raw)
    if isinstance(pretext.output, ColorBins):
        return pretext.output.bins.hard(values)
    if isinstance(pretext.output, LightnessBins):
        return lightness_bins(values)
    return values / (AB_SCALE if colour else L_SCALE)


def _aim(what: str, most: float, shares: Mapping[str, Spread]) -> str:
    """Whether a share keeps within what was aimed at, and where it does not."""
    above = [f"{name} ({s.median:.1%})" for name, s in shares.items() if s.median > most]
    aim = f"For {what}, at most {most:.0%} of a step was aimed at: "
    if not above:
        return f"{aim}all keep within it."
    return f"{aim}**not kept** by {', '.join(above)}."


def _share(of: Spread) -> str:
    if of.least == of.most:
        return f"{of.median:.1%}"
    return f"{of.median:.1%} ({of.least:.1%} to {of.most:.1%})"
