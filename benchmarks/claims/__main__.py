"""python -m benchmarks.claims [--runs results/runs results] [--out results/claims.md].

Reads the folders of finished runs, writes claims.csv into those that still have what single images
gave, and writes the page of verdicts. Nothing is trained.
"""

import argparse
import sys
from pathlib import Path

from benchmarks.claims.declarations import declared
from benchmarks.claims.evidence import write_measured
from benchmarks.claims.page import claims_page
from benchmarks.claims.runs import run_folders
from benchmarks.claims.verdicts import decide
from benchmarks.errors import ColorprobeError
from benchmarks.store import atomic_write

ROOTS = [Path("results/runs"), Path("results")]


def main(arguments: list[str] | None = None) -> int:
    """Write the page of verdicts; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.claims", description=__doc__)
    parser.add_argument("--runs", nargs="+", type=Path, default=ROOTS, help="where runs lie")
    parser.add_argument("--out", type=Path, default=Path("results/claims.md"))
    given = parser.parse_args(arguments)
    try:
        claims, folders = declared(), run_folders(given.runs)
        for folder in folders:
            write_measured(folder, claims)
        decisions = [decide(claim, folders) for claim in claims]
        atomic_write(given.out, claims_page(decisions, given.out.parent).encode())
    except ColorprobeError as error:
        print(f"error: {error.cause}\n  try: {error.remedy}", file=sys.stderr)
        return error.exit_code
    print(f"{len(folders)} run folders read; verdicts: {given.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
