"""Tables of colorization quality, for seen and for unseen classes."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from benchmarks.picture_differences import compare_pictures, painting_pairs
from benchmarks.report.render import Table
from benchmarks.report.source import Source
from benchmarks.report.statements import p_text, shown_name, span

ANNEALED = r".+ T=[\d.e-]+"  # names of rows at a temperature of their own
REFERENCES = ("truth", "gray", "random_colours")
# prefix of a metric's name: (heading, factor, decimals, whether more is better; None: neither)
COLUMNS: Mapping[str, tuple[str, float, int, bool | None]] = {
    "ab_mae": ("ab MAE ↓", 1, 2, False),
    "ab_mse": ("ab MSE ↓", 1, 0, False),
    "psnr": ("PSNR ↑", 1, 2, True),
    "ssim": ("SSIM ↑", 1, 3, True),
    "lpips": ("LPIPS ↓", 1, 3, False),
    "fid": ("FID ↓", 1, 1, False),
    "auc": ("AuC ↑", 1, 1, True),
    "auc_rebalanced": ("AuC, rebalanced ↑", 1, 1, True),
    "colourfulness": ("colourfulness", 1, 1, None),
    "ab_width": ("ab width", 1, 1, None),
    "edge_agreement": ("edges ↑", 1, 3, True),
    "out_of_gamut": ("out of gamut %", 100, 2, None),
    "recoloured_top1": ("recognised % ↑", 100, 1, True),
    "ms_per_image": ("ms an image", 1, 2, None),
}


def quality_tables(quality: pd.DataFrame, notes: list[str]) -> Iterator[Table]:
    """One table for seen and one for unseen test pictures: methods by measures, then references.

    Then the same of methods at temperatures of the annealed mean, where those were measured.
    """
    if not len(quality):
        return
    annealed = quality["method"].str.fullmatch(ANNEALED)
    speed = quality[~annealed & (quality["classes"] == "all")]
    for classes in ("seen", "unseen"):
        part = quality[~annealed & (quality["classes"] == classes)]
        if len(part):
            title = f"Colorizations of {classes} classes"
            yield _table(pd.concat([part, speed]), title, notes)
    for classes in ("seen", "unseen"):
        part = quality[annealed & (quality["classes"] == classes)]
        if len(part):
            title = f"Colorizations of {classes} classes by temperature T"
            meaning = "T sharpens the predicted classes: at 1 their mean is shown, at 0 their mode"
            yield _table(part, title, [meaning, *notes])


def differences_table(source: Source) -> Table | None:
    """Return the tested differences of the declared comparisons' methods, if both were measured."""
    declared = source.run.get("comparisons", [])
    found = compare_pictures(
        source.quality, source.read_quality, declared, seed=0, unseen=source.unseen
    )
    if not len(found):
        return None
    body = tuple(
        (
            row["a_method"],
            row["b_method"],
            row["classes"],
            COLUMNS[row["metric"]][0],
            *(_signed(row[name], row["metric"]) for name in ("effect", "low", "high")),
            p_text(row["p_holm"]).removeprefix("p ").removeprefix("= "),
            f"{row['runs']}",
        )
        for row in found.to_dict("records")
    )
    note = (
        "A - B in the measure's unit, with its 95 % interval from a bootstrap over runs, classes "
        "and pictures; p: sign flips of whole classes after Holm over all classes and measures of "
        f"the {len(painting_pairs(declared))} declared pairs of methods, of which this table has "
        f"{len({line[:2] for line in body})}. With one seed, nothing is known of others."
    )
    header = ("A", "B", "classes", "measure", "A - B", "low", "high", "p (Holm)", "runs")
    rules = frozenset(i for i in range(1, len(body)) if body[i][:2] != body[i - 1][:2])
    return Table("Differences between colorizations", header, body, note, rules=rules, n_names=4)


def _signed(value: float, metric: str) -> str:
    _, factor, decimals, _ = COLUMNS[metric]
    return f"{factor * value:+.{max(2, decimals)}f}".replace("-", "\u2212")


def _table(rows: pd.DataFrame, title: str, notes: list[str]) -> Table:
    names = {name: f"{column[0]}{_kind(name)}" for name in rows["metric"].unique()
             if (column := COLUMNS.get(_prefix(name)))}  # fmt: skip
    order = sorted(names, key=lambda name: list(COLUMNS).index(_prefix(name)))
    means = rows.pivot_table(index="method", columns="metric", values="value", aggfunc="mean")
    free = rows.groupby("method")["label_free"].first()
    methods = [m for m in rows["method"].unique() if m not in REFERENCES]
    shown = [*methods, *(name for name in REFERENCES if name in means.index)]
    body, bold = [], set()
    for i, method in enumerate(shown):
        cells = [_cell(means.loc[method], name) for name in order]
        body.append((shown_name(method, bool(free[method])), *cells))
        bold |= {(i, 1 + j) for j, name in enumerate(order)
                 if method in methods and _best(means.loc[methods], method, name)}  # fmt: skip
    n_test = span(rows.loc[rows["classes"] != "all", "n_test"])
    caption = (
        f"Means over runs of {n_test} test pictures each, which count alike in a run. ab in "
        "units of Lab; recognised: share of pictures that a classifier trained on real ones names "
        f"rightly. {' '.join(f'{note}.' for note in notes)}"
    )
    rules = frozenset({len(methods)}) if methods else frozenset()
    header = ("method", *(names[name] for name in order))
    return Table(title, header, tuple(body), caption.strip(), frozenset(bold), rules, n_names=1)


def _prefix(metric: str) -> str:
    """The column that a metric belongs to: lpips_alex_random is a kind of lpips."""
    return next((p for p in ("lpips", "fid") if metric.startswith(p)), metric)


def _kind(metric: str) -> str:
    rest = metric.removeprefix(_prefix(metric)).strip("_").replace("_", ", ")
    return f" ({rest})" if rest else ""


def _cell(values: Any, name: str) -> str:
    _, factor, decimals, _ = COLUMNS[_prefix(name)]
    value = values.get(name)
    return "-" if value is None or pd.isna(value) else f"{factor * value:.{decimals}f}"


def _best(means: pd.DataFrame, method: str, name: str) -> bool:
    """Whether the method shows the best number of the column, ties included."""
    more = COLUMNS[_prefix(name)][3]
    if more is None or means[name].isna().all():
        return False
    texts = {m: _cell(means.loc[m], name) for m in means.index}
    best = means[name].idxmax() if more else means[name].idxmin()
    return texts[method] == texts[best]
