"""The table of methods by taps, in the shape of Table 2 of Split-Brain (Zhang et al. 2017)."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.report.render import Table
from benchmarks.report.statements import caption, shown_name
from benchmarks.report.tables import cell, kind, summarise


def taps_tables(rows: pd.DataFrame, run: Mapping[str, Any]) -> Iterator[Table]:
    """Yield top-1 by method and tap for each probe that was trained on several taps apart.

    All classes at the largest budget; methods and taps in the order of the rows, controls last.
    """
    cells = summarise(rows, classes="all")
    cells = cells[cells["labels_per_class"] == cells["labels_per_class"].max()]
    handles = cells["classifier"].str.extract(r"(?P<probe>.+)@(?P<tap>.+)")
    cells = cells.assign(**handles).dropna(subset="tap")
    for probe in _in_order(rows["classifier"].str.extract(r"(.+)@")[0].dropna()):
        of = cells[cells["probe"] == probe]
        if of["tap"].nunique() > 1:
            yield _table(of, rows, run, str(probe))


def _table(cells: pd.DataFrame, rows: pd.DataFrame, run: Mapping[str, Any], probe: str) -> Table:
    free = dict(zip(cells["method"], cells["label_free"], strict=True))
    asked = rows[rows["classifier"].str.startswith(f"{probe}@")]
    taps = [name.removeprefix(f"{probe}@") for name in _in_order(asked["classifier"])]
    methods = sorted(_in_order(asked["method"]), key=lambda name: kind(name, probe) == "control")
    top1, spread = (
        cells.pivot(index="method", columns="tap", values=of).reindex(index=methods, columns=taps)
        for of in ("top1", "spread")
    )
    highest = [f"{value:.1f}" for value in top1.max()]
    body, bold = [], set()
    lines = zip(methods, top1.to_numpy().tolist(), spread.to_numpy().tolist(), strict=True)
    for i, (method, values, spreads) in enumerate(lines):
        texts = [cell(value, of) for value, of in zip(values, spreads, strict=True)]
        body.append((shown_name(method, bool(free[method])), *texts))
        bold |= {(i, 1 + j) for j, v in enumerate(values) if f"{v:.1f}" == highest[j]}
    controls = {i for i, name in enumerate(methods) if kind(name, probe) == "control"}
    return Table(
        f"Top-1 (%) ↑ of {probe} by tap, {cells['labels_per_class'].max():g} labels per class",
        ("method", *taps),
        tuple(body),
        caption(run, cells, marked=not all(free.values())),
        frozenset(bold),
        frozenset({min(controls)} - {0}) if controls else frozenset(),
        n_names=1,
    )


def _in_order(names: pd.Series) -> list[str]:
    return list(dict.fromkeys(names))
