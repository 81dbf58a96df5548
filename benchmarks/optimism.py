"""What choosing on the test set would have added: two runs that differ by that alone.

python benchmarks/run.py 'probes=[linear]'                          -> RUN
python benchmarks/run.py 'probes=[linear]' selection.on_test=true   -> RUN_ON_TEST
python -m benchmarks.optimism RUN_ON_TEST RUN --out results/optimism

Latents are cached, so the second run costs its probes. Only the choice differs, of tap and weight
decay: labels, encoders and test images are the same, and it is checked that they are.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.exits import exit_code, resource_error

if TYPE_CHECKING:
    import pandas as pd

    from benchmarks.bootstrap import Paired
    from benchmarks.run_files import RunFiles

NOTE = (
    "Optimism: top-1 in points, tap and setting chosen on the test set, minus the same chosen on "
    "the labelled pool. Interval: 95 %, paired, by a bootstrap over runs, classes and images "
    "(over classes and images alone where there is one). What is found so is luck with these test "
    "images, not skill: no other table may have it."
)
MEAN = "mean of all rows"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, and write it if `--out` is given; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.optimism",
        description="The optimism of choosing on the test set, by row and labels a class, from the "
        "files of two runs with the same latents.",
        epilog="exit codes: 0 done, 2 not such runs, 3 nothing shared, "
        "4 resources, 5 files contradict",
    )
    parser.add_argument("on_test", type=Path, metavar="RUN_ON_TEST", help="selection.on_test=true")
    parser.add_argument("run", type=Path, metavar="RUN", help="the same, chosen on the pool")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write table.md and optimism.csv")
    asked = parser.parse_args(arguments)

    def start() -> int:
        from benchmarks.run_files import RunFiles

        on_test, run = RunFiles(asked.on_test), RunFiles(asked.run)
        found = optimism(on_test, run)
        text = table(found, f"data {run.facts.get('data')}, commit {on_test.facts.get('commit')}")
        if asked.out:
            from benchmarks.store import atomic_write

            atomic_write(asked.out / "optimism.csv", found.to_csv(index=False).encode())
            atomic_write(asked.out / "table.md", text.encode())
        print(text)
        return 0

    return exit_code(start, resource=partial(resource_error, place="--out"))


def optimism(on_test: "RunFiles", run: "RunFiles") -> "pd.DataFrame":
    """A line a budget and row, on all test classes, then one for the mean of the budget's rows.

    Columns: row, labels_per_class, trials, on_test and on_pool (top-1), effect, low, high
    (fractions), runs, n_test. ConfigError if the runs do not differ by the choice alone.
    """
    import pandas as pd

    from benchmarks.errors import DataError
    from benchmarks.shared_rows import shared
    from benchmarks.significance import paired_difference

    _check(on_test, run)
    chosen, honest, _ = shared(on_test, run, [])
    alike = (chosen["classes"] == "all") & (chosen["task"] == "all") & (chosen["trials"] > 1)
    if not alike.any():
        raise DataError("the runs share no row with something to choose", "give probes=[linear]")
    chosen, honest = chosen[alike.to_numpy()], honest[alike.to_numpy()]
    pairs = [
        {
            "row": f"{row['method']}/{row['classifier']}", "trials": row["trials"],
            "labels_per_class": row["labels_per_class"], "on_test": row["value"],
            "on_pool": other["value"], "pair": _paired(on_test, run, row, other),
        }
        for row, other in zip(chosen.to_dict("records"), honest.to_dict("records"), strict=True)
    ]  # fmt: skip
    found = []
    for name, labels, part in _parts(pd.DataFrame(pairs)):
        tested = paired_difference(list(part["pair"]), seed=0)
        kept = {key: tested[key] for key in ("effect", "low", "high", "runs", "n_test")}
        means = {key: part[key].mean() for key in ("trials", "on_test", "on_pool")}
        found.append({"row": name, "labels_per_class": labels, **means, **kept})
    return pd.DataFrame(found)


def table(found: "pd.DataFrame", where: str) -> str:
    """The lines of `optimism` in Markdown, `where` they come from under them."""
    from benchmarks.report.render import Table, markdown
    from benchmarks.report.statements import points

    body = tuple(
        (
            row["row"],
            f"{row['labels_per_class']:g}",
            f"{row['trials']:.0f}",
            f"{100 * row['on_pool']:.1f}",
            f"{100 * row['on_test']:.1f}",
            points(row["effect"]),
            f"{points(row['low'])} to {points(row['high'])}",
        )
        for row in found.to_dict("records")
    )
    means = [i for i, row in enumerate(body) if row[0] == MEAN]
    bold = frozenset((i, j) for i in means for j in (5, 6))
    header = ("row", "labels", "tried", "chosen on the pool", "chosen on the test set",
              "optimism", "95 % interval")  # fmt: skip
    caption = f"{NOTE} {found['n_test'].max():,} test images; {where}."
    return markdown(Table("What choosing on the test set adds", header, body, caption, bold,
                          frozenset(i + 1 for i in means[:-1]), n_names=1))  # fmt: skip


def _parts(pairs: "pd.DataFrame") -> "Iterator[tuple[str, Any, pd.DataFrame]]":
    """Pairs by budget and row, and all of a budget after them."""
    for labels, of_budget in pairs.groupby("labels_per_class"):
        for name, part in of_budget.groupby("row", sort=False):
            yield str(name), labels, part
        yield MEAN, labels, of_budget


def _paired(
    on_test: "RunFiles", run: "RunFiles", one: dict[Any, Any], other: dict[Any, Any]
) -> "Paired":
    """Both records of a row; IntegrityError unless they give its values on the same test images."""
    from benchmarks.significance import checked_record, paired

    a, b = (
        checked_record(row, row["key"], row["value"], of.predictions, of.unseen)
        for of, row in ((on_test, one), (run, other))
    )
    return paired(a, b, keys=(one["key"], other["key"]), at=(one["fold"], one["seed"]))


def _check(on_test: "RunFiles", run: "RunFiles") -> None:
    """ConfigError unless only the choice differs, and latents are the same where both have them."""
    from benchmarks.errors import ConfigError

    for one, wanted in ((on_test, True), (run, False)):
        if bool(one.facts.get("selection", {}).get("on_test")) is not wanted:
            raise ConfigError(
                f"{one.folder} has not selection.on_test={str(wanted).lower()}",
                "give the run that chose on the test set first, the other second",
            )
    first, second = (
        {(line["method"], line["fold"], line["seed"]): line["latents"] for line in lines}
        for lines in (on_test.table("encoders.csv"), run.table("encoders.csv"))
    )
    for encoder in sorted(first.keys() & second.keys()):
        if first[encoder] != second[encoder]:
            raise ConfigError(
                f"the latents of {encoder[0]} are not the same", "run both with one out="
            )


if __name__ == "__main__":
    sys.exit(main())
