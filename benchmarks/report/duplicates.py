"""Pictures that are (nearly) on two sides of a split, and the scores without them."""

from typing import Any

import numpy as np
import pandas as pd

from benchmarks.report.canvas import Figure, canvas, png, text
from benchmarks.report.render import Table
from benchmarks.report.source import Source
from benchmarks.report.statements import points, shown_name, where
from benchmarks.report.tables import kind

SHOWN = 12  # pairs in a report
TRAINING = ("pretrain", "pool")
TOLD = "other size, JPEG quality or light, a slight crop, mirrored"


def leaks(pairs: pd.DataFrame) -> pd.Series:
    """Whether each pair has one end in the test and the other where something is learned."""
    a, b = pairs["side_a"], pairs["side_b"]
    return ((a == "test") & b.isin(TRAINING)) | ((b == "test") & a.isin(TRAINING))


def leaked(pairs: pd.DataFrame, fold: Any) -> set[int]:
    """Ids of a fold's test images that have a near copy in pretrain or pool."""
    found = pairs[leaks(pairs) & (pairs["fold"] == fold)]
    ends = zip(found["side_a"] == "test", found["id_a"], found["id_b"], strict=True)
    return {int(a if first else b) for first, a, b in ends}


def duplicate_facts(source: Source) -> list[tuple[str, str]]:
    """The validity box's lines on copies; a run that was not audited says so."""
    pairs = source.duplicates
    if pairs.empty and not len(pairs.columns):
        return [("Near duplicates", "NOT AUDITED: this run's folder has no duplicates.csv")]
    folds = sorted(source.rows["fold"].unique())
    per_fold = {int(fold): _fold_text(pairs, int(fold)) for fold in folds}
    told = "; ".join(f"fold {fold}: {part}" for fold, part in per_fold.items())
    told = told if len(set(per_fold.values())) > 1 else next(iter(per_fold.values()))
    return [("Near duplicates", f"{told} ({TOLD})")]


def _fold_text(pairs: pd.DataFrame, fold: int) -> str:
    of_fold = pairs[(pairs["fold"] == fold) & (pairs["kind"] == "near")]
    used = of_fold[~of_fold[["side_a", "side_b"]].isin(["dropped", "unused"]).any(axis=1)]
    n_test = len(leaked(used, fold))
    both = sum(set(TRAINING) == {*ends} for ends in used[["side_a", "side_b"]].to_numpy().tolist())
    groups = int((used["seen_a"] != used["seen_b"]).sum())
    return (
        f"{n_test} test image{'' if n_test == 1 else 's'} nearly in pretraining or pool, {both} "
        f"pairs across these two, {groups} across seen and unseen classes, {len(used)} in all"
    )


def contact_sheet(pairs: pd.DataFrame, pictures: np.ndarray) -> Figure:
    """Return pairs of pictures (p, 2, h, w, 3) side by side, four pairs in a row, with sides."""
    columns = 4
    rows = max(1, -(-len(pairs) // columns))
    sheet, (frame,) = canvas(1, width=8.0, height=1.25 * rows + 0.2)
    frame.set_axis_off()
    lines = pairs.to_dict("records")
    for i, (line, (a, b)) in enumerate(zip(lines, pictures, strict=True)):
        width, height = 1 / columns, 1 / rows
        axes = frame.inset_axes((i % columns * width, 1 - (i // columns + 1) * height,
                                 width * 0.96, height * 0.78))  # fmt: skip
        gap = np.full((len(a), max(1, a.shape[1] // 32), 3), 255, np.uint8)
        axes.imshow(np.concatenate([a, gap, b], axis=1), interpolation="nearest")
        axes.set_axis_off()
        axes.set_title(_ends(line), fontsize=6.5, loc="left", pad=2)
    across = int(sum(line["side_a"] != line["side_b"] for line in lines))
    alt = (
        f"{len(pairs)} pairs of pictures that are nearly the same, {across} of them with their "
        f"two pictures on different sides of the split; classes and sides are named above each."
    )
    return Figure("duplicates", "Nearly the same pictures", png(sheet), alt)


def duplicates_figure(source: Source) -> Figure | None:
    """Return the first near pairs of a run with both pictures, or None where there are none."""
    pairs = source.duplicates
    if not len(pairs):
        return None
    shown = pairs.drop_duplicates(["id_a", "id_b"]).head(SHOWN)
    pictures = source.duplicate_pictures.get("pictures")
    if pictures is None:
        return None
    near = (shown["kind"] == "near").to_numpy()
    return contact_sheet(shown[near], pictures[near]) if near.any() else None


def without_duplicates_table(source: Source) -> Table | None:
    """Return top-1 at the primary budget with and without test images nearly seen in training.

    Means over runs, from the predictions on file; None where no test image is concerned, or no row
    has the declared labels a class.
    """
    if not len(source.duplicates):
        return None
    removed = {int(fold): leaked(source.duplicates, fold) for fold in source.rows["fold"].unique()}
    if not any(removed.values()):
        return None
    endpoint = source.endpoint
    scores = [
        _both(source, row, removed[int(row["fold"])])
        for row in source.endpoint_rows().to_dict("records")
    ]
    if not any(score["left_out"] for score in scores):
        return None
    means = pd.DataFrame(scores).groupby(["kind", "method", "classifier", "label_free"]).mean()
    means = means.sort_values(["all"], ascending=False).reset_index()
    body = tuple(
        (shown_name(line["method"], bool(line["label_free"])), str(line["classifier"]),
         f"{100 * line['all']:.1f}", f"{100 * line['without']:.1f}",
         points(line["without"] - line["all"]))
        for line in means.to_dict("records")
    )  # fmt: skip
    n = sorted({score["left_out"] for score in scores})
    note = (
        f"At {endpoint['labels_per_class']:g} labels per class, means over runs. Left out: {n[0]}"
        f"{f' to {n[-1]}' if len(n) > 1 else ''} of these test images a run, which have a near "
        f"duplicate in pretraining or in the labelled pool ({TOLD})."
    )
    header = ("method", "classifier", "all test images", "without", "difference")
    setting = where(endpoint["classes"], endpoint["task"])
    return Table(f"Top-1 (%) {setting}, without near duplicates", header, body, note)


def _both(source: Source, row: dict[Any, Any], removed: set[int]) -> dict[str, Any]:
    """One row's top-1 on all its test images of the group, and on those not in `removed`."""
    images = source.images(row)
    right, kept = images["correct"], ~np.isin(images["ids"], sorted(removed))
    names = {name: row[name] for name in ("method", "classifier", "label_free")}
    return {"kind": kind(row["method"], row["classifier"]), **names,
            "all": right.mean(), "without": right[kept].mean(),
            "left_out": int((~kept).sum())}  # fmt: skip


def _ends(line: dict[Any, Any]) -> str:
    """Classes and sides of a pair in two short lines."""
    a, b = (text(f"{line[f'class_{end}']} · {line[f'side_{end}']}") for end in "ab")
    return f"{a}\n{b}{' (mirrored)' if line['mirrored'] else ''}"
