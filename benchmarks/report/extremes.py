"""Test pictures that a method colours best and worst, of seen and of unseen classes."""

import numpy as np

from benchmarks.report.canvas import Figure
from benchmarks.report.pictures import picture_sheet
from benchmarks.report.source import Source


def extremes_figures(source: Source) -> list[Figure]:
    """Return a sheet for each method of extremes.npz: gray, truth, colours, by ab error."""
    methods = source.extremes.get("methods", np.array([], str))
    return [_figure(source, i, str(name)) for i, name in enumerate(methods)]


def _figure(source: Source, i: int, method: str) -> Figure:
    names = ("label", "seen", "error", "best", "gray", "truth", "colored")
    label, seen, error, best, *pictures = (source.extremes[f"{name}_{i}"] for name in names)
    shown = [
        f"{source.class_name(n)}{'' if s else ' (unseen)'} {e:.1f}"
        for n, s, e in zip(label, seen, error, strict=True)
    ]
    groups = (np.flatnonzero(np.diff(2 * seen.astype(int) + best)) + 1).tolist()
    png = picture_sheet(list(zip(("gray", "truth", method), pictures, strict=True)), shown, groups)
    ends = [
        f"{'best' if b else 'worst'} of {'seen' if s else 'unseen'} classes: " + ", ".join(
            f"{source.class_name(n)} {e:.1f}"
            for n, e in zip(label[(seen == s) & (best == b)], error[(seen == s) & (best == b)],
                            strict=True))
        for s in (True, False) for b in (True, False) if ((seen == s) & (best == b)).any()
    ]  # fmt: skip
    alt = (
        f"Sheet of {len(label)} test pictures in gray, in true colour and as {method} colours "
        f"them, with their mean absolute ab error; {'; '.join(ends)}."
    )
    title = f"Best and worst by ab error, {method}: of seen classes, then of unseen ones"
    return Figure(f"extremes_{i + 1}", title, png, alt)
