"""How fast is the suite, against what people write today? Two naive pipelines and ours, in turn.

python benchmarks/speed.py --quick     whole tables of N0 and N1 projected, about 10 minutes
python benchmarks/speed.py             larger samples, and N1's whole table really made: hours
python benchmarks/speed.py --growth    time and memory against images, classes, taps, labels
python benchmarks/speed.py --compile   training steps eager and by torch.compile
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.errors import ConfigError, ResourceError
from benchmarks.exits import exit_code
from benchmarks.freed_memory import keep_freed_memory


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write table.md, rows.csv and machine.json; the exit code."""
    begun = time.monotonic()
    asked = _parser().parse_args(arguments)
    return exit_code(
        lambda: _measure(asked, begun),
        interrupted="interrupted; nothing was written",
        resource=lambda error: ResourceError(
            str(error) or "out of memory", "choose a writable --out with space, or free memory"
        ),
    )


def _measure(asked: argparse.Namespace, begun: float) -> int:
    turns = (3 if asked.growth else 5) if asked.turns is None else asked.turns
    if turns < 1:
        raise ConfigError(f"--turns {turns} measures nothing", "give 3 or more")
    asked.out.mkdir(parents=True, exist_ok=True)
    if not asked.growth:  # which looks at memory, in processes of its own
        keep_freed_memory()  # as run.py does, and for the naive pipelines too: they share this one
    file, page = _page(asked, turns, begun)
    print(f"{page}\nwritten: {asked.out / file}")
    return 0


def _page(asked: argparse.Namespace, turns: int, begun: float) -> tuple[str, str]:
    """The name of the file that was asked for, and what is in it."""
    if asked.growth:
        if asked.overrides:
            raise ConfigError("--growth measures no table", f"leave out {asked.overrides[0]}")
        from benchmarks.timing.growth import growth

        return "growth.md", growth(asked.out, turns=turns)
    if asked.compile:
        from benchmarks.timing.compiled import compile_page

        how = {"turns": turns, "device": asked.device}
        return "compile.md", compile_page(asked.out, asked.overrides, **how)
    from benchmarks.timing.measure import measure

    how = {"turns": turns, "quick": asked.quick, "device": asked.device, "begun": begun}
    return "table.md", measure(asked.overrides, asked.out, **how)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/speed.py",
        description="Time two naive pipelines and the suite on the same work, in turn: decoding, "
        "colours, bins, training steps, latents, probes, and the whole quickstart table.",
        epilog="exit codes: 0 done, 2 configuration, 3 data, 4 resources, 5 integrity, "
        "130 interrupted",
    )
    add = parser.add_argument
    add("overrides", nargs="*", metavar="key=value", help="of the table: data.size=64, seeds=[1]")
    add("--quick", action="store_true", help="small samples; whole tables of N0, N1 projected")
    instead = parser.add_mutually_exclusive_group().add_argument
    instead("--growth", action="store_true", help="instead: how time and memory grow, 5 minutes")
    instead("--compile", action="store_true", help="instead: torch.compile against eager steps")
    add("--turns", type=int, metavar="N", help="times that each is measured (5, of growth 3)")
    add("--out", type=Path, default=Path("results/speed"), metavar="DIR", help="(results/speed)")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"])
    return parser


if __name__ == "__main__":
    sys.exit(main())
