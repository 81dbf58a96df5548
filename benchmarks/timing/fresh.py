"""One size of one stage in a process of its own: its seconds, and the memory that it adds."""

import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.errors import ConfigError

EVERY = 0.003  # seconds between two looks at the memory
STATUS = Path("/proc/self/status")


def resident() -> int:
    """Bytes of memory of this process that no file backs; pages of mapped files can be given back.

    Raises ConfigError where the system does not tell (it is not Linux).
    """
    lines = STATUS.read_text().splitlines() if STATUS.exists() else []
    for line in lines:
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise ConfigError(f"{STATUS} does not tell how much memory is used", "measure on Linux")


class Peak:
    """Context in which `added` becomes the most bytes that `resident` was above the beginning."""

    def __enter__(self) -> "Peak":
        self._first, self.added, self._done = resident(), 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._done.wait(EVERY):
            self._look()

    def _look(self) -> None:
        self.added = max(self.added, resident() - self._first)


def measured(stage: str, size: int, smallest: int) -> tuple[float, int]:
    """Seconds and added bytes of a stage at `size`, here; one at `smallest` runs before."""
    from benchmarks.timing.stages import STAGES

    make = STAGES[stage].make
    with tempfile.TemporaryDirectory(prefix="colorprobe-growth-") as folder:
        make(smallest, Path(folder) / "first")()  # builds kernels, starts threads
        work = make(size, Path(folder) / "timed")
        with Peak() as peak:
            begun = time.perf_counter()
            work()
            seconds = time.perf_counter() - begun
    return seconds, peak.added


def apart(stage: str, size: int, smallest: int) -> tuple[float, int]:
    """`measured` in a fresh process, which inherits nothing."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measured, stage, size, smallest).result()
