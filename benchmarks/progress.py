"""Progress with rate and time left, on standard error: a bar on a terminal, else sparse lines."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY = 20.0  # seconds between lines where there is no terminal to redraw


class Meter:
    """Context manager around a piece of work of `total` items; call `advance` as they are done."""

    def __init__(self, label: str, total: int, unit: str = "images") -> None:
        self.label, self.total, self.unit = label, total, unit
        self.done = 0
        self.first = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} {task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._task = self._bar.add_task(label, total=total, rate="")

    def __enter__(self) -> "Meter":
        self.start = self._spoke = time.monotonic()
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.stop()

    def skip(self, count: int) -> None:
        """Count work that an earlier, interrupted run has already done."""
        self.first = count
        self.advance(count)

    def advance(self, count: int) -> None:
        """Count `count` more items as done and say so if it is time."""
        self.done += count
        now = time.monotonic()
        rate = (self.done - self.first) / max(now - self.start, 1e-9)
        self._bar.update(self._task, completed=self.done, rate=f"{rate:,.0f} {self.unit}/s")
        if self._bar.disable and now - self._spoke > LINE_EVERY:
            self._spoke = now
            left = (self.total - self.done) / max(rate, 1e-9)
            print(
                f"{self.label}: {self.done:,}/{self.total:,} {self.unit}, "
                f"{rate:,.0f}/s, {left / 60:.1f} min left",
                file=sys.stderr,
                flush=True,
            )
