"""Who can be told apart: places by the paired test, and ranks with their critical difference."""

import math
from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd

from benchmarks.many_methods import cliques, critical_difference, friedman, places
from benchmarks.report.canvas import FAINT, INK, Figure, canvas, colour, png, text
from benchmarks.report.render import Table
from benchmarks.report.source import HANDLE, Source
from benchmarks.report.statements import n_runs, p_text, points, where
from benchmarks.significance import Read, compare

MOST = 30  # entrants tested pair by pair


def primary_rows(source: Source) -> pd.DataFrame:
    """Return the top-1 rows at the primary endpoint: one probe, fine-tuning and pixels."""
    top1 = source.endpoint_rows()
    return top1[top1["classifier"].isin([source.probe, "finetune", "pixels"])]


def class_scores(rows: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Return top-1 by test class (lines) and (method, classifier), means over the rows' runs.

    Classes that some entrant was never tested on are left out.
    """
    found = {}
    for names, runs in rows.groupby(HANDLE, sort=True):
        records = [source.images(row) for row in runs.to_dict("records")]
        labels, right = (
            np.concatenate([r[name] for r in records]) for name in ("label", "correct")
        )
        found[names] = pd.Series(right.astype(float)).groupby(labels).mean()
    return pd.DataFrame(found).dropna()


def places_table(source: Source) -> Table | None:
    """Return every entrant's range of places at the primary endpoint, all pairs being tested."""
    rows = primary_rows(source)
    handles = [tuple(h) for h in rows[HANDLE].drop_duplicates().itertuples(index=False)]
    if not 2 <= len(handles) <= MOST or undecidable(source):
        return None
    tested = compare(
        rows, _remembered(source.read_predictions), list(combinations(handles, 2)),
        seed=0, unseen=source.unseen, n_resamples=200,
    )  # fmt: skip
    if not len(tested):
        return None
    found = places(tested)
    means = rows.groupby(HANDLE)["value"].mean()
    body = tuple(
        (
            str(row["method"]),
            str(row["classifier"]),
            f"{row['first']}"
            if row["first"] == row["last"]
            else f"{row['first']} to {row['last']}",
            f"{100 * means[row['method'], row['classifier']]:.1f}",
            points(row["effect"]),
        )
        for row in found.to_dict("records")
    )
    runs = int(tested["runs"].min())
    seeds = "" if runs > 1 else " One run: nothing is known of the places of another seed."
    cell = rows.iloc[0]
    setting = f"{where(cell['classes'], cell['task'])}, {cell['labels_per_class']:g} labels"
    caption = (
        f"A place is 1 plus the entrants that are better, to the number that are not worse, by "
        f"the sign-flip test after Holm over all {len(tested)} pairs: overlapping places are ties. "
        f"Lead: mean difference to all others in points.{seeds}"
    )
    header = ("method", "classifier", "place", "top-1", "lead")
    first = frozenset((i, 2) for i, row in enumerate(found["first"]) if row == 1)
    return Table(f"Places {setting}", header, body, caption, first)


def undecidable(source: Source) -> str:
    """Return why no place could be given, in a sentence; nothing where some could.

    Flips of c classes give no p below 2 ** (1 - c), which Holm multiplies by the number of pairs.
    """
    rows = primary_rows(source)
    groups = [part for _, part in rows.groupby(HANDLE)]
    if len(groups) < 2:
        return ""
    n_pairs, n_classes = math.comb(len(groups), 2), len(class_scores(groups[0], source))
    if n_pairs * 2.0 ** (1 - n_classes) <= 0.05:
        return ""
    return (
        f"No places: {n_classes} test classes are too few to tell any two of {len(groups)} "
        f"entrants apart after Holm over {n_pairs} pairs"
    )


def critical_difference_figure(source: Source) -> Figure | None:
    """Return mean ranks over test classes; None for fewer than 3 entrants or 2 classes."""
    rows = primary_rows(source)
    if rows[HANDLE].drop_duplicates().shape[0] < 3:
        return None
    scores = class_scores(rows, source)
    if len(scores) < 2:
        return None
    test = friedman(scores.to_numpy(), seed=0)
    reach = critical_difference(scores.shape[1], len(scores))
    order = np.argsort(test.mean_ranks, kind="stable")
    ranks = test.mean_ranks[order]
    names = [text(" · ".join(map(str, scores.columns[i]))) for i in order]
    tied = cliques(ranks, reach)
    title = (
        f"Mean ranks over {len(scores)} test classes (Friedman {p_text(test.p)}); bars join what "
        f"Nemenyi's critical difference of {reach:.2f} ranks does not separate"
    )
    shown = "; ".join(f"{name} {rank:.2f}" for name, rank in zip(names, ranks, strict=True))
    groups = "; ".join(f"{names[i]} to {names[j]}" for i, j in tied) or "none"
    runs = min(n_runs(part) for _, part in rows.groupby(HANDLE))
    doubt = "of these trained encoders" if runs == 1 else f"of means over {runs} runs"
    alt = f"Dots of mean ranks {doubt}, 1 is best: {shown}. Not separated: {groups}."
    return Figure("critical_difference", title, _drawing(names, ranks, tied), alt)


def _drawing(names: list[str], ranks: np.ndarray, tied: list[tuple[int, int]]) -> bytes:
    """A dot for each entrant, the best on top; a bar beside each group that is not separated."""
    sheet, (axes,) = canvas(1, width=4.6, height=1.0 + 0.28 * len(names))
    axes.hlines(range(len(names)), 1, ranks, color=FAINT, lw=3)
    axes.scatter(ranks, range(len(names)), color=colour(0), s=45, zorder=2)
    step = 0.03 * len(names)
    for i, (first, last) in enumerate(tied):
        x = float(ranks.max()) + step * (2 + i)
        axes.plot([x, x], [first - 0.25, last + 0.25], color=INK, lw=2.5, solid_capstyle="butt")
    axes.set_yticks(range(len(names)), names, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("mean rank over test classes (1 is best)")
    return png(sheet)


def _remembered(read: Read) -> Read:
    """The reader, which keeps what it has read: every record is in many pairs."""
    return lru_cache(maxsize=None)(read)
