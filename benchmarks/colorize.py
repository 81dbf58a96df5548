"""Colorize a picture or a folder of pictures by a method that a run has trained.

python benchmarks/colorize.py PICTURE_OR_FOLDER --run results/runs/quickstart --out colored

The picture keeps its size, its aspect and its own L; the method predicts ab at the size of its
training images. Exit codes are those of run.py: 3 if a picture could not be colorized.
"""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.errors import DataError
from benchmarks.exits import exit_code, resource_error


def colorize(
    images: Sequence[Any],
    run: str | Path,
    *,
    method: str | None = None,
    size: int | None = None,
    temperature: float | int | None = None,
    device: str = "auto",
) -> list[Any]:
    """The pictures in colour, as uint8 arrays h x w x 3 in RGB, each at its own size.

    `images` are Pillow pictures or uint8 arrays (h x w gray, or h x w x 3, whose colour is not
    looked at); `run` is the folder of a run, `method` one of its methods (default: the first that
    learned to colorize). `size` is the shorter side in pixels at which ab is predicted (default:
    of the training images); `temperature` is of methods that predict classes. Raises
    ColorprobeError, with cause and remedy.
    """
    from benchmarks.coloring import load_colorizer
    from benchmarks.picture_files import as_pixels

    how = {"method": method, "size": size, "temperature": temperature, "device": device}
    colorizer = load_colorizer(Path(run), **how)  # type: ignore[arg-type]
    return [colorizer(as_pixels(image)) for image in images]


def main(arguments: Sequence[str] | None = None) -> int:
    """Colorize what the command line (default: sys.argv) names; the exit code."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda signum, frame: sys.exit(143))
    return exit_code(
        lambda: _colorize_files(asked),
        interrupted="interrupted; the same command starts again",
        resource=partial(
            resource_error, place="--out", memory="lower --size, or shrink the picture"
        ),
    )


def _colorize_files(asked: argparse.Namespace) -> int:
    from benchmarks.coloring import load_colorizer
    from benchmarks.decode import strict_decoding
    from benchmarks.picture_files import jobs
    from benchmarks.progress import Meter

    todo, failed = jobs(asked.picture, asked.out)
    how = ("method", "size", "temperature", "device")
    colorizer = load_colorizer(asked.run, **{name: getattr(asked, name) for name in how})
    begun, done = time.monotonic(), 0
    with Meter("colorize", len(todo), "pictures") as meter, strict_decoding():
        for job in todo:
            try:
                _colorize_file(job, colorizer, compare=asked.compare)
                done += 1
            except DataError as error:
                failed.append(f"{job.name}: {error.cause}")
            meter.advance(1)
    if done:
        seconds, by = (time.monotonic() - begun) / done, colorizer.trained
        print(
            f"{done} pictures colorized by {by.name} (fold {by.fold}, seed {by.seed}), "
            f"{seconds:.2g} s an image, in {asked.out}"
        )
    if failed:
        print(*(f"not colorized: {line}" for line in failed), sep="\n", file=sys.stderr)
        total = done + len(failed)
        raise DataError(f"{len(failed)} of {total} pictures not colorized", "mend or remove them")
    return 0


def _colorize_file(job: Any, colorizer: Any, *, compare: bool) -> None:
    from benchmarks.picture_files import png, read_picture, side_by_side
    from benchmarks.recolor import gray
    from benchmarks.store import atomic_write

    pixels = read_picture(job.file)
    result = colorizer(pixels)
    atomic_write(job.result, png(result))
    if compare:
        atomic_write(job.sheet, png(side_by_side([gray(pixels), result, pixels])))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/colorize.py",
        description="Colorize pictures by a method that a run has trained: each at its own size, "
        "with its own lightness. A picture's own colour is not looked at.",
        epilog="NAME.jpg becomes DIR/NAME.png; of a folder, all pictures below it, in folders of "
        "the same names.\n"
        "exit codes: 0 done, 2 configuration, 3 data, 4 resources, 5 integrity, 130/143 stopped",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("picture", type=Path, metavar="PICTURE_OR_FOLDER")
    add("--run", type=Path, required=True, help="folder of a run: results/runs/NAME")
    add("--out", type=Path, required=True, metavar="DIR", help="where results go")
    add("--method", metavar="NAME", help="of the run (default: the first that learned to colorize)")
    add("--device", default="auto", choices=["auto", "cpu", "cuda", "mps"])
    size = "shorter side at which colour is predicted (default: that of the training images)"
    add("--size", type=int, metavar="PX", help=size)
    temperature = (
        "of classes: towards 0 for strong colours, 1 for their mean (default: the method's)"
    )
    add("--temperature", type=float, metavar="T", help=temperature)
    compare = "also NAME.compare.png: gray, result, original side by side, at most 1024 px each"
    add("--compare", action="store_true", help=compare)
    return parser


if __name__ == "__main__":
    sys.exit(main())
