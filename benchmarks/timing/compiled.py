"""Does torch.compile pay? Training steps of two families, eager and compiled: compile.md."""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from omegaconf import DictConfig
from torch import nn

from benchmarks.errors import ConfigError
from benchmarks.learner import Learner
from benchmarks.precision import WAYS, Arithmetic
from benchmarks.pretrain import Recipe
from benchmarks.progress import Meter
from benchmarks.settings import available_device, build, load_config, plain
from benchmarks.store import atomic_write
from benchmarks.timing.machine import machine
from benchmarks.timing.table import described
from benchmarks.timing.wording import grid_of, readable
from models.encoder import resized

METHODS = ("splitbrain_cl", "block_regression")  # one of each family
WARM = 2  # steps before the clock starts; the first one compiles
LEGEND = """\
Training steps (forward, losses, backward, clipping, AdamW) on random pictures, in batches of
{batch}, of exp=food101_holdout preset={preset}. What is compiled is the network; what it takes is
the first step less a later one, without any cache. Times are medians of {turns} steps. Break-even:
images after which the time to compile is won back, against the same arithmetic uncompiled."""


@dataclass(frozen=True)
class Pace:
    """Seconds of the first step and of a later one."""

    first: float
    step: float


def compile_page(out: Path, overrides: Sequence[str], *, turns: int, device: str) -> str:
    """Time `turns` steps of each method and arithmetic; the page, which is written to `out`, too.

    `overrides` change the experiment. ConfigError where there is no C++ compiler.
    """
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        raise ConfigError("torch.compile needs g++, which is not found", "install it, or set CXX")
    device = available_device(device)
    preset = "gpu" if device == "cuda" else "cpu"
    asked = ["exp=food101_holdout", f"preset={preset}", f"methods=[{','.join(METHODS)}]"]
    cfg = load_config([*asked, *overrides])
    facts = machine(device)
    found: dict[tuple[str, Arithmetic], tuple[Pace, Pace]] = {}
    with Meter("compile", len(cfg.methods) * len(WAYS), "arithmetics") as meter:
        for name in cfg.methods:
            for way in WAYS:
                time_ = partial(pace, cfg, str(name), way, turns=turns, device=device)
                found[str(name), way] = time_(False), time_(True)
                meter.advance(1)
    legend = LEGEND.format(batch=cfg.pretrain.batch_size, preset=preset, turns=turns)
    page = markdown(found, f"{described(facts)}\n\n{legend}", batch=cfg.pretrain.batch_size)
    atomic_write(out / "compile.md", page.encode())
    return page


def pace(
    cfg: DictConfig, name: str, way: Arithmetic, compiled: bool, *, turns: int, device: str
) -> Pace:
    """Seconds of a method's steps in the arithmetic `way`, compiled or not."""
    method, size = cfg.methods[name], int(cfg.data.size)
    torch.manual_seed(0)
    pretext = build(method.pretext).to(device)
    channels = {"in_channels": pretext.in_channels, "out_channels": pretext.out_channels}
    model: nn.Module = build(method.model, **channels).to(device, memory_format=way.layout).train()
    recipe = Recipe(**{**plain(cfg.pretrain), **plain(method.get("pretrain", {}))})
    shape = recipe.batch_size, 3, size, size
    images = torch.randint(256, shape, dtype=torch.uint8, device=device)
    images = resized(images, method.get("pixels")).contiguous(memory_format=way.layout)
    pretext.prepare([images])
    draws = torch.rand(len(images), pretext.n_draws, device=device)
    fabric = Fabric(accelerator=device, devices=1, precision=way.precision)  # type: ignore[arg-type]
    seconds = []
    with _uncached():
        network = torch.compile(model) if compiled else model
        solver = recipe.solver(model)
        learner = Learner(network, solver, fabric, name="model", clip=recipe.clip)  # type: ignore[arg-type]
        losses = partial(pretext.losses, learner.network, images, draws)
        for step in range(WARM + turns):
            begun = time.perf_counter()
            terms = learner.update(losses, lr=recipe.lr, seed=0, step=step)
            torch.stack(list(terms.values())).tolist()  # waits for the device
            seconds.append(time.perf_counter() - begun)
    return Pace(seconds[0], statistics.median(seconds[WARM:]))


def break_even(eager: Pace, compiled: Pace, batch: int) -> float:
    """Images after which compiling has paid; infinite where the compiled step is no faster."""
    won = eager.step - compiled.step
    taken = max(0.0, compiled.first - compiled.step)
    return taken / won * batch if won > 0 else float("inf")


def markdown(
    found: Mapping[tuple[str, Arithmetic], tuple[Pace, Pace]], head: str, *, batch: int
) -> str:
    """The page: every arithmetic, then the fastest eager one against the fastest compiled one."""
    lines = [
        [name, way.precision, "channels-last" if way.channels_last else "plain",
         readable(eager.step), readable(compiled.step),
         readable(max(0.0, compiled.first - compiled.step)),
         _images(break_even(eager, compiled, batch))]
        for (name, way), (eager, compiled) in found.items()
    ]  # fmt: skip
    columns = ["method", "precision", "layout", "eager step", "compiled step", "to compile",
               "images to break even"]  # fmt: skip
    best = []
    for name in dict.fromkeys(name for name, _ in found):
        pairs = [pair for (of, _), pair in found.items() if of == name]
        eager, compiled = (min((p[i] for p in pairs), key=lambda p: p.step) for i in (0, 1))
        paid = _images(break_even(eager, compiled, batch))
        best.append(
            f"- {name}: the fastest eager step takes {readable(eager.step)}, the fastest compiled "
            f"one {readable(compiled.step)}: break-even {paid}."
        )
    return f"# torch.compile\n\n{head}\n\n{grid_of(columns, lines)}\n\n" + "\n".join(best) + "\n"


def _images(count: float) -> str:
    return "never" if count == float("inf") else f"{count:,.0f} images"


@contextmanager
def _uncached() -> Iterator[None]:
    """Compilation as on the first day: nothing of an earlier one is found."""
    key = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(key)
    torch._dynamo.reset()
    with tempfile.TemporaryDirectory(prefix="colorprobe-compile-") as folder:
        os.environ[key] = folder
        try:
            yield
        finally:
            os.environ.pop(key) if before is None else os.environ.update({key: before})
            torch._dynamo.reset()
