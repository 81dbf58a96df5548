"""Check a run's folder: do its numbers follow from its files, and is it whole?

python -m benchmarks.check RUN

One line a check. 5 is returned where one failed; what cannot be checked for want of files is said
to be not checked, and stale rows are named without being an error.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.exits import exit_code


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the run that the command line (default: sys.argv) names; the exit code."""
    asked = _parser().parse_args(arguments)
    return exit_code(lambda: check(asked.run))


def check(folder: Path) -> int:
    """Print a line for every check of a run's folder; 0, or the code of IntegrityError."""
    from benchmarks import complete, verify
    from benchmarks.errors import IntegrityError
    from benchmarks.run_files import RunFiles
    from benchmarks.stale import stale

    run = RunFiles(folder)
    checks = {
        "files": verify.files, "tables": complete.tables, "predictions": verify.predictions,
        "records": verify.records, "test lock": verify.lock, "split": verify.split,
        "cells": complete.cells, "controls": complete.controls, "stale": stale,
    }  # fmt: skip
    failed = 0
    for name, one in checks.items():
        found = verify.finding(one, run)
        remedy = f" (try: {found.remedy})" if found.remedy else ""
        print(f"{found.status:<12}{name}: {found.text}{remedy}")
        failed += found.status == verify.FAILED
    return IntegrityError.exit_code if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.check",
        description="Check a run's folder: values against predictions and records, the test lock, "
        "the split, tables, cells, controls; and which rows are stale.",
        epilog="exit codes: 0 nothing failed, 2 no such run, 5 a check failed",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    return parser


if __name__ == "__main__":
    sys.exit(main())
