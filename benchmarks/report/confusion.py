"""What the primary row takes for what: its most frequent confusions, and the whole matrix."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from matplotlib.colors import PowerNorm

from benchmarks.report.canvas import INK, Figure, canvas, png, text
from benchmarks.report.render import Table
from benchmarks.report.savings import of_handle
from benchmarks.report.source import Source
from benchmarks.report.statements import n_runs

MOST = 15  # confusions in the table
NAMED = 40  # classes whose names fit along the top, too
GROUPS = ("seen", "unseen in some folds", "unseen")


@dataclass(frozen=True)
class Confusion:
    """Test images by true (lines) and predicted class, runs taken together.

    `group` tells which of GROUPS a class is of; classes stand in this order, then by number.
    """

    handle: tuple[str, str]
    labels_per_class: float
    runs: int
    classes: Int64[np.ndarray, " c"]
    group: Int64[np.ndarray, " c"]
    counts: Int64[np.ndarray, "c c"]

    @property
    def shares(self) -> Float[np.ndarray, "c c"]:
        """Counts as shares of the true class."""
        return self.counts / np.maximum(1, self.counts.sum(1, keepdims=True))


def confusion(source: Source) -> Confusion | None:
    """Return what the first method compared takes for what, at the primary number of labels.

    The task is that of all classes. None where no such row, or no prediction is on file.
    """
    if not source.run.get("comparisons"):
        return None
    handle = tuple(source.run["comparisons"][0][0])
    budget = source.endpoint["labels_per_class"]
    rows = source.rows[of_handle(source.rows, handle) & (source.rows["task"] == "all")]
    rows = rows[rows["labels_per_class"] == budget].drop_duplicates("key")
    if not len(rows):
        return None
    records = [source.read_predictions(key) for key in rows["key"]]
    label, predicted = (
        np.concatenate([record[name] for record in records]).astype(np.int64)
        for name in ("label", "predicted")
    )
    classes = np.union1d(label, predicted)
    out = np.array([np.isin(classes, source.unseen.get(int(fold), [])) for fold in rows["fold"]])
    group = np.where(out.all(0), 2, np.where(out.any(0), 1, 0))
    order = np.lexsort((classes, group))
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (np.searchsorted(classes, label), np.searchsorted(classes, predicted)), 1)
    return Confusion(handle, float(budget), n_runs(rows), classes[order], group[order],
                     counts[np.ix_(order, order)])  # fmt: skip


def confusion_table(source: Source) -> Table | None:
    """Return the most frequent confusions of the primary row, or None without any."""
    found = confusion(source)
    if found is None or not (pairs := _pairs(found)):
        return None
    names, groups = _names(source, found), [GROUPS[group] for group in found.group]
    body = tuple(
        (names[i], names[j], groups[i], groups[j], f"{found.counts[i, j]:,}",
         f"{100 * found.shares[i, j]:.1f}")
        for i, j in pairs[:MOST]
    )  # fmt: skip
    header = ("true class", "predicted class", "true class is", "predicted is", "images",
              "% of the true class")  # fmt: skip
    note = (
        f"At {found.labels_per_class:g} labels per class, among all classes, images of "
        f"{found.runs} run(s) together; {_across(found)}The most frequent of many: noisy at the "
        "end of the list."
    )
    title = f"What {' · '.join(found.handle)} confuses most"
    return Table(title, header, body, note, n_names=4)


def confusion_figure(source: Source) -> Figure | None:
    """Return the matrix of shares of the true class, classes grouped as in pretraining."""
    found = confusion(source)
    if found is None:
        return None
    names, n = _names(source, found), len(found.classes)
    size = float(np.clip(4.6 + 0.06 * n, 4.8, 9.5))
    sheet, (axes,) = canvas(1, width=size + 1.6, height=size + 0.4)
    scale = PowerNorm(0.5, 0, 100 * found.shares.max())  # small shares of many classes show
    drawn = axes.imshow(100 * found.shares, cmap="cividis", norm=scale)
    axes.grid(False)
    letters = float(np.clip(0.62 * 72 * size / n, 4.2, 9))
    axes.set_yticks(range(n), list(map(text, names)), fontsize=letters)
    axes.set_xticks(range(n) if n <= NAMED else [])
    if n <= NAMED:
        axes.set_xticklabels(list(map(text, names)), fontsize=letters, rotation=90)
    axes.tick_params(length=0)
    for edge in np.flatnonzero(np.diff(found.group)) + 0.5:
        axes.axvline(edge, color="white", lw=1.2)
        axes.axhline(edge, color="white", lw=1.2)
    axes.set_xlabel(f"predicted class{'' if n <= NAMED else ', in the order of the true ones'}")
    axes.set_ylabel("true class")
    bar = sheet.colorbar(drawn, ax=axes, shrink=0.7, pad=0.02, label="% of the true class")
    bar.ax.tick_params(labelcolor=INK)
    return Figure("confusion", _title(found), png(sheet), _alt(found, names))


def _pairs(found: Confusion) -> list[tuple[int, int]]:
    """Confusions from the most frequent one; the stable order of classes decides ties."""
    off = np.where(np.eye(len(found.counts), dtype=bool), 0, found.counts)
    order = np.argsort(-off, axis=None, kind="stable")[: np.count_nonzero(off)]
    lines, columns = np.unravel_index(order, off.shape)
    return list(zip(lines.tolist(), columns.tolist(), strict=True))


def _names(source: Source, found: Confusion) -> list[str]:
    return [source.class_name(label) for label in found.classes]


def _across(found: Confusion) -> str:
    """How often a class of one group is taken for one of the other, where both are there."""
    shares = []
    for a, b in ((0, 2), (2, 0)):
        block = found.counts[found.group == a]
        told = block[:, found.group == b].sum() / max(1, block.sum())
        shares.append(f"{100 * told:.1f} % of images of {GROUPS[a]} classes are taken for one of "
                      f"the {(found.group == b).sum()} {GROUPS[b]}")  # fmt: skip
    return f"{'; '.join(shares)}. " if {0, 2} <= set(found.group) else ""


def _title(found: Confusion) -> str:
    there = [GROUPS[group] for group in sorted(set(found.group))]
    order = f"; classes {', then '.join(there)}" if len(there) > 1 else ""
    return f"Confusions of {' · '.join(found.handle)}{order}"


def _alt(found: Confusion, names: list[str]) -> str:
    counts = [f"{(found.group == g).sum()} {GROUPS[g]}" for g in sorted(set(found.group))]
    right = 100 * np.trace(found.counts) / max(1, found.counts.sum())
    told = [f"{names[i]} as {names[j]} {100 * found.shares[i, j]:.0f} %" for i, j in _pairs(found)]
    return (
        f"Matrix of {len(names)} true by predicted classes ({', '.join(counts)}), in % of the true "
        f"class. On the diagonal, told rightly: {right:.1f} % of images. Most frequent off it: "
        f"{'; '.join(told[:5]) or 'nothing'}."
    )
