"""The verdicts on declared questions, from the folders of finished runs; nothing is trained.

python -m benchmarks.claims [--runs results/runs results] [--out results/claims.md]

claims.csv goes into those folders that still have what single images gave.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmarks.exits import exit_code, resource_error

ROOTS = [Path("results/runs"), Path("results")]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page of verdicts; the exit code."""
    given = _parser().parse_args(arguments)
    return exit_code(
        lambda: _write(given.runs, given.out), resource=partial(resource_error, place="--out")
    )


def _write(asked: Sequence[Path] | None, out: Path) -> int:
    from benchmarks.claims.declarations import declared
    from benchmarks.claims.evidence import write_measured
    from benchmarks.claims.page import claims_page
    from benchmarks.claims.runs import finished_runs
    from benchmarks.claims.verdicts import decide
    from benchmarks.store import atomic_write

    claims = declared()
    folders = finished_runs(asked) if asked else finished_runs(ROOTS, each=False)
    for folder in folders:
        write_measured(folder, claims)
    decisions = [decide(claim, folders) for claim in claims]
    atomic_write(out, claims_page(decisions, out.parent).encode())
    print(f"{len(folders)} run folders read; verdicts: {out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.claims",
        description="Verdicts on the questions of configs/claims, from the folders of finished "
        "runs. claims.csv goes into those that still have what single images gave.",
        epilog="exit codes: 0 done, 2 no runs there, 3 files damaged, 4 resources, "
        "5 files contradict",
    )
    known = " ".join(map(str, ROOTS))
    parser.add_argument("--runs", nargs="+", type=Path, help=f"where runs lie ({known})")
    parser.add_argument(
        "--out", type=Path, default=Path("results/claims.md"), help="(results/claims.md)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
