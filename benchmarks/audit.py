"""Which images stand on two sides of a split: exact and near copies, listed, counted, removable.

python -m benchmarks.audit data=food101 data.path=DIR out=DIR      a data set alone: DIR/audit/NAME/

A run does the same for its splits and leaves `duplicates.csv` (a line for each pair and fold) and
`duplicates.npz` (pictures of the first pairs) in its folder, for the report.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Shaped

from benchmarks.choices import options
from benchmarks.contest import Round
from benchmarks.data import ImageStore, load_images
from benchmarks.exits import exit_code
from benchmarks.near_duplicates import Pairs, duplicates
from benchmarks.partition import Split
from benchmarks.report.duplicates import SHOWN, contact_sheet, leaks
from benchmarks.report.render import safe_csv
from benchmarks.settings import build, load_config, resolve_images
from benchmarks.shown_pictures import save_arrays
from benchmarks.store import Store, atomic_write

COLUMNS = ["fold", "kind", "bits", "similarity", "mirrored"] + [
    f"{name}_{end}" for end in ("a", "b") for name in ("id", "name", "class", "side", "seen")
]


def write_duplicates(folder: Path, rounds: Sequence[Round]) -> None:
    """Write what the finder sees across the sides of every fold's split into a run's folder."""
    images = rounds[0].images
    pairs = duplicates(images, rounds[0].store)
    table = pair_table(pairs, images, {at.fold: at.split for at in rounds})
    write_pairs(folder, table, images)


def pair_table(pairs: Pairs, images: ImageStore, splits: Mapping[int, Split]) -> pd.DataFrame:
    """A line for each pair and fold, COLUMNS; pairs that stand across test and training first.

    A side is pretrain, pool, test, dropped (an exact copy, used by nobody) or unused (of a class
    that is unseen in this fold, outside the pool).
    """
    tables = [_lines(pairs, images, fold, sides(split, len(images.labels)), split.seen)
              for fold, split in splits.items()]  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    order = [~leaks(table), table["kind"] == "exact", -table["similarity"]]
    return table.iloc[np.lexsort(order[::-1])].reset_index(drop=True)


def sides(split: Split, n: int) -> Shaped[np.ndarray, " n"]:
    """The side on which each of the data set's `n` images stands."""
    side = np.full(n, "unused", "U8")
    for name in ("pretrain", "pool", "test", "dropped"):
        side[getattr(split, name)] = name
    return side


def write_pairs(folder: Path, table: pd.DataFrame, images: ImageStore) -> None:
    """Write duplicates.csv, and duplicates.npz with the pictures of its first SHOWN pairs."""
    atomic_write(folder / "duplicates.csv", safe_csv(table).encode())
    ids = table[["id_a", "id_b"]].drop_duplicates().head(SHOWN).to_numpy(np.int64)
    save_arrays(folder / "duplicates.npz", ids=ids, pictures=images.images[ids])


def of_data_set(images: ImageStore, pairs: Pairs) -> pd.DataFrame:
    """As `pair_table`, with the sides that the data set itself has: train and test."""
    side = np.where(images.is_test, "test", "train")
    table = _lines(pairs, images, 0, side, np.unique(images.labels))
    order = [table["kind"], table["side_a"] == table["side_b"], -table["similarity"]]
    table = table.iloc[np.lexsort(order[::-1])].reset_index(drop=True)
    return table.drop(columns=["fold", "seen_a", "seen_b"])


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """Exact and near pairs of a data set within and across train and test, and label conflicts."""
    where = (table["side_a"] + " and " + table["side_b"]).replace(
        "test and train", "train and test"
    )
    grouped = table.assign(other=table["class_a"] != table["class_b"]).groupby(["kind", where])
    found = grouped["other"].agg(pairs="size", of_different_classes="sum")
    return found.rename_axis(["kind", "sides"]).reset_index()


def _lines(
    pairs: Pairs, images: ImageStore, fold: int, side: np.ndarray, seen: np.ndarray
) -> pd.DataFrame:
    names, classes = np.array(images.names), np.array(images.class_names)
    columns: dict[str, Any] = {
        "fold": fold, "kind": np.where(pairs.exact, "exact", "near"), "bits": pairs.bits,
        "similarity": pairs.similarity.round(4), "mirrored": pairs.mirrored,
    }  # fmt: skip
    for end, ids in (("a", pairs.one), ("b", pairs.two)):
        labels = images.labels[ids]
        columns |= {f"id_{end}": ids, f"name_{end}": names[ids], f"class_{end}": classes[labels],
                    f"side_{end}": side[ids], f"seen_{end}": np.isin(labels, seen)}  # fmt: skip
    return pd.DataFrame(columns, columns=COLUMNS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Audit the data set that the command line names; the exit code, as run.py's."""
    _, overrides = _parser().parse_known_args(arguments)
    return exit_code(lambda: _audit(overrides))


def _audit(overrides: list[str]) -> int:
    config = resolve_images(load_config(overrides))
    store = Store(Path(config.out) / "cache")
    images = load_images(build(config.data), store=store)
    table = of_data_set(images, duplicates(images, store))
    folder = Path(config.out) / "audit" / images.name
    atomic_write(folder / "pairs.csv", safe_csv(table).encode())
    near = table[table["kind"] == "near"].head(2 * SHOWN)
    pictures = images.images[near[["id_a", "id_b"]].to_numpy(np.int64)]
    atomic_write(folder / "pairs.png", contact_sheet(near, pictures).png)
    print(counts(table).to_string(index=False), f"\n\n{folder}")
    return 0


def _parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog="python -m benchmarks.audit",
        usage="%(prog)s [data=NAME] [data.path=DIR] [out=DIR] [key=value ...] [--help]",
        description="Exact and near copies in a data set, counted, and listed with pictures in "
        "OUT/audit/NAME.",
        epilog=f"data: {', '.join(options('data'))}\n"
        "exit codes: 0 done, 2 configuration, 3 data, 4 resources, 5 integrity, 130 interrupted",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


if __name__ == "__main__":
    sys.exit(main())
