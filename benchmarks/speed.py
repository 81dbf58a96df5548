"""How fast is the suite, against what people write today? Two naive pipelines and ours, in turn.

python benchmarks/speed.py --quick     whole tables of N0 and N1 projected, about 10 minutes
python benchmarks/speed.py             larger samples, and N1's whole table really made: hours
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.errors import ConfigError, ResourceError
from benchmarks.exits import exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write table.md, rows.csv and machine.json; the exit code."""
    asked = _parser().parse_args(arguments)
    return exit_code(
        lambda: _measure(asked),
        interrupted="interrupted; nothing was written",
        resource=lambda error: ResourceError(
            str(error) or "out of memory", "choose a writable --out with space, or free memory"
        ),
    )


def _measure(asked: argparse.Namespace) -> int:
    if asked.turns < 1:
        raise ConfigError(f"--turns {asked.turns} measures nothing", "give 5 or more")
    asked.out.mkdir(parents=True, exist_ok=True)
    from benchmarks.timing.measure import measure

    page = measure(
        asked.overrides, asked.out, turns=asked.turns, quick=asked.quick, device=asked.device
    )
    print(f"{page}\nwritten: {asked.out / 'table.md'}")
    return 0


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
    add("--turns", type=int, default=5, metavar="N", help="times that each is measured (5)")
    add("--out", type=Path, default=Path("results/speed"), metavar="DIR", help="(results/speed)")
    add("--device", default="auto", choices=["auto", "cpu", "cuda"])
    return parser


if __name__ == "__main__":
    sys.exit(main())
