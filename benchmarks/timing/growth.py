"""Time and memory against images, classes, taps and labels: growth.md, growth.csv, growth.png."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from benchmarks.progress import Meter
from benchmarks.report.canvas import canvas, colour, marker, png
from benchmarks.store import atomic_write
from benchmarks.timing.fresh import apart, resident
from benchmarks.timing.machine import machine
from benchmarks.timing.spread import Spread, spread
from benchmarks.timing.stages import LABELS, SIDE, STAGES
from benchmarks.timing.table import described
from benchmarks.timing.wording import grid_of, readable

FAR = 10_000_000  # images to which the measurement is extended
MIB = 2**20
LEGEND = f"""\
Each point is the median of the turns, each turn in a fresh process that did the smallest size
before. Slope: of log time over log size, by least squares over all sizes (1 is linear); median and
range over turns; "at the end" is that of the two largest sizes. Memory: the most that a stage adds
to its process and that no file backs; what is mapped from files can be given back at any time.
Pictures have {SIDE} px, probes choose a decay and fit; where classes grow, each has {LABELS}
labels, so that labels and heads grow together and a slope of 2 is what it must be."""


def slope(sizes: Sequence[float | int], values: Sequence[float]) -> float:
    """Power of growth: the slope of log(values) over log(sizes), by least squares."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


def growth(out: Path, *, turns: int, sizes: Mapping[str, Sequence[int]] | None = None) -> str:
    """Measure `sizes` of stages (None: all of STAGES); the page, which is written to `out`, too."""
    asked = sizes or {name: stage.sizes for name, stage in STAGES.items()}
    resident()  # tells at once, and here, where memory cannot be measured
    facts = machine("cpu")
    rows = []
    with Meter("growth", turns * sum(map(len, asked.values())), "measurements") as meter:
        for turn in range(turns):
            for name, of in asked.items():
                for size in of:
                    seconds, added = apart(name, size, min(of))
                    rows.append({
                        "stage": name, "grows": STAGES[name].grows, "size": size, "turn": turn,
                        "seconds": seconds, "added_mib": added / MIB,
                    })  # fmt: skip
                    meter.advance(1)
    frame = pd.DataFrame(rows)
    page = markdown(frame, described(facts))
    atomic_write(out / "growth.csv", frame.to_csv(index=False).encode())
    atomic_write(out / "growth.png", figure(frame))
    atomic_write(out / "growth.md", page.encode())
    return page


def markdown(rows: pd.DataFrame, where: str) -> str:
    """The page: slopes, points, and what they say of ten million images."""
    names = list(dict.fromkeys(rows["stage"]))
    slopes = [
        [name, rows.loc[rows["stage"] == name, "grows"].iloc[0], *_slopes(_times(rows, name))]
        for name in names
    ]
    points = [
        [name, f"{size:,}", readable(seconds), _memory(rows, name, size)]
        for name in names
        for size, seconds in _medians(rows, name)
    ]
    return "\n\n".join([
        f"# Growth\n\n{where}\n\n{LEGEND}\n\n![Time and memory against size](growth.png)",
        "## Slopes\n\n" + grid_of(["stage", "grows", "slope", "at the end"], slopes),
        "## Points\n\n" + grid_of(["stage", "size", "time", "memory added"], points),
        "## Ten million images\n\n" + "\n".join(_far(rows, name) for name in names if _disk(name)),
    ]) + "\n"  # fmt: skip


def figure(rows: pd.DataFrame) -> bytes:
    """Time of every stage, and added memory of those that read from disk, on log axes; a PNG."""
    sheet, (time, memory) = canvas(2, width=10.0, height=4.6)
    for i, name in enumerate(dict.fromkeys(rows["stage"])):
        style: dict[str, Any] = {"color": colour(i), "marker": marker(i)}
        seconds = _times(rows, name).median(axis=1)
        grows = rows.loc[rows["stage"] == name, "grows"].iloc[0]
        time.plot(seconds.index, seconds, label=f"{name} ({grows})", **style)
        if _disk(name):
            added = _added(rows, name)
            memory.plot(added.index, added, **style)
    for axes, said in ((time, "seconds"), (memory, "memory added, MiB")):
        axes.set(xscale="log", xlabel="size", ylabel=said)
    time.set_yscale("log")
    memory.set_ylim(bottom=0)
    sheet.legend(*time.get_legend_handles_labels(), loc="outside lower left", ncols=2,
                 frameon=False)  # fmt: skip
    return png(sheet)


def _times(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Seconds by size (rows) and turn (columns)."""
    return rows[rows["stage"] == name].pivot_table("seconds", "size", "turn")


def _medians(rows: pd.DataFrame, name: str) -> list[tuple[int, float]]:
    """Size and median seconds of each point."""
    median = _times(rows, name).median(axis=1)
    return list(zip(median.index.tolist(), median.tolist(), strict=True))


def _added(rows: pd.DataFrame, name: str) -> pd.Series:
    """MiB by size: medians of the turns."""
    return rows[rows["stage"] == name].groupby("size")["added_mib"].median()


def _disk(name: str) -> bool:
    return STAGES[name].memory


def _slopes(times: pd.DataFrame) -> tuple[str, str]:
    """Both slopes in words: over all sizes, and of the two largest."""
    columns = [times[turn].to_numpy() for turn in times]
    return tuple(_shown(_each(times.index[at].tolist(), [c[at] for c in columns]))
                 for at in (slice(None), slice(-2, None)))  # type: ignore[return-value]  # fmt: skip


def _each(sizes: Sequence[float | int], turns: Iterable[Float[np.ndarray, " n"]]) -> Spread:
    return spread(slope(sizes, seconds.tolist()) for seconds in turns)


def _shown(of: Spread) -> str:
    return f"{of.median:.2f} ({of.least:.2f} to {of.most:.2f})"


def _memory(rows: pd.DataFrame, name: str, size: int) -> str:
    return f"{_added(rows, name)[size]:.1f} MiB" if _disk(name) else ""


def _far(rows: pd.DataFrame, name: str) -> str:
    """What ten million images would take: by the power and the bytes of the two largest sizes."""
    seconds, added = _times(rows, name).median(axis=1), _added(rows, name)
    before, last = seconds.index[-2:]
    power = slope([before, last], [seconds[before], seconds[last]])
    bytes_each = max(0.0, (added[last] - added[before]) * MIB / (last - before))
    return (
        f"- {name}: {readable(seconds[last] * (FAR / last) ** power)} "
        f"({readable(seconds[last] / last)} each at {last:,}, growing with power {power:.2f}). "
        f"Memory grows by {bytes_each:.0f} bytes an image between {before:,} and {last:,}, "
        f"whose pixels are {SIDE * SIDE * 3} bytes: {bytes_each * FAR / 2**30:.2f} GiB then."
    )
