"""Compare two runs, or two rows of one run, paired, from their files alone.

python -m benchmarks.compare RUN_A RUN_B
python -m benchmarks.compare RUN RUN --rows METHOD/CLASSIFIER METHOD/CLASSIFIER

Rows of the same method, classifier, task, classes and budget are compared on the folds, seeds and
draws that both runs have, where the test images are the same by number and content.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.exits import exit_code

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from benchmarks.run_files import RunFiles

NOTE = (
    "Differences of top-1 in points, A minus B. Interval: bootstrap over runs, classes and images; "
    "p: sign flips of whole classes, by Holm's method over the rows of this table. Detectable: the "
    "difference that the interval finds with 80 % power, uncorrected. Images are counted over all "
    "runs, each once. With one seed, nothing is known of others."
)

LEAST_P = 1e-4  # of Monte Carlo flips, which count the data as one of 10,000


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison that the command line (default: sys.argv) asks for; the exit code."""
    asked = _parser().parse_args(arguments)

    def start() -> int:
        from benchmarks.run_files import RunFiles

        print(report(RunFiles(asked.run_a), RunFiles(asked.run_b), asked.rows))
        return 0

    return exit_code(start)


def report(a: "RunFiles", b: "RunFiles", handles: Sequence[str] | None = None) -> str:
    """The table of what both runs share, in Markdown, and what they do not share, and why.

    DataError if they share nothing.
    """
    from benchmarks import protocol
    from benchmarks.errors import DataError
    from benchmarks.shared_rows import shared

    rows_a, rows_b, why_not = shared(a, b, [handle.split("/") for handle in handles or []])
    listed = "\n".join(f"- {line}" for line in why_not) or "- nothing: every row is in both"
    if not len(rows_a):
        raise DataError(f"the runs share no row:\n{listed}", "compare runs of the same test images")
    table = _table(a, b, rows_a, rows_b)
    same = len(set(rows_a["key"]) & set(rows_b["key"]))
    known = f"\n\n{same} records are the same in both: their difference is 0." if same else ""
    rules = protocol.differ(a.facts, b.facts)
    told = [f"A: {a.folder}{_stale(a)}", f"B: {b.folder}{_stale(b)}"]
    told += [*([rules] if rules else []), f"{table}{known}"]
    return "\n\n".join([*told, "### Not shared", listed])


def _stale(run: "RunFiles") -> str:
    """What of a run the current code, configuration and data would no longer make."""
    from benchmarks.stale import stale
    from benchmarks.verify import STALE

    found = stale(run)
    return f" (stale: {found.text})" if found.status == STALE else ""


def _table(a: "RunFiles", b: "RunFiles", rows_a: "pd.DataFrame", rows_b: "pd.DataFrame") -> str:
    import pandas as pd

    from benchmarks.report.render import Table, markdown
    from benchmarks.report.statements import p_text, points
    from benchmarks.significance import compare

    both = pd.concat([_marked(rows_a, "A"), _marked(rows_b, "B")], ignore_index=True)
    handles = rows_a[["method", "classifier", "row_b"]].drop_duplicates()
    pairs = [((f"A {m}", c), tuple(f"B {row}".split("/", 1))) for m, c, row in handles.to_numpy()]

    def read(key: str) -> "Mapping[str, np.ndarray]":
        return (a if key.startswith("A ") else b).predictions(key[2:])

    found = compare(both, read, pairs, seed=0, unseen=a.unseen)
    body = tuple(
        (
            _name(row),
            row["classes"] + ("" if row["task"] == "all" else f" (task {row['task']})"),
            f"{row['labels_per_class']:g}",
            points(row["effect"]),
            f"{points(row['low'])} to {points(row['high'])}",
            p_text(row["p_holm"]).removeprefix("p ").removeprefix("= "),
            f"{100 * row['smallest_detectable']:.1f}",
            f"{row['runs']}",
            f"{row['n_test']:,}",
        )
        for row in found.to_dict("records")
    )
    header = ("row", "classes", "labels", "A - B", "95 % interval", "p (Holm)", "detectable",
              "runs", "n test")  # fmt: skip
    note = NOTE + out_of_reach(len(found))
    return markdown(Table("What both runs share", header, body, note, n_names=2)).strip()


def out_of_reach(n_rows: int) -> str:
    """The sentence on so many rows that none can have p <= 0.05 after Holm; else nothing."""
    least = n_rows * LEAST_P
    if least <= 0.05:
        return ""
    return (
        f" No row of {n_rows} can be told apart: the least p of flips, {LEAST_P:g}, is "
        f"{least:.3f} after correction. Ask for the rows in question by --rows."
    )


def _marked(rows: "pd.DataFrame", run: str) -> "pd.DataFrame":
    """Rows whose methods and keys say of which run they are."""
    named = {name: [f"{run} {value}" for value in rows[name]] for name in ("method", "key")}
    return rows.assign(**named)


def _name(row: Mapping[Any, Any]) -> str:
    one, other = (f"{row[f'{side}_method'][2:]} · {row[f'{side}_classifier']}" for side in "ab")
    return one if one == other else f"{one} - {other}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compare",
        description="Paired differences of top-1 between two runs, on what both share, from their "
        "rows.csv and predictions/ alone; then what they do not share, and why.",
        epilog="exit codes: 0 done, 2 no such run, 3 nothing shared, 5 files contradict each other",
    )
    parser.add_argument("run_a", type=Path, metavar="RUN_A", help="folder of a run")
    parser.add_argument("run_b", type=Path, metavar="RUN_B", help="folder of another, or the same")
    help_ = "compare this row of A with this row of B (METHOD/CLASSIFIER), in place of equal names"
    parser.add_argument("--rows", nargs=2, metavar=("ROW_A", "ROW_B"), help=help_)
    return parser


if __name__ == "__main__":
    sys.exit(main())
