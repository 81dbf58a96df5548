"""Nearest neighbours in latent space as a figure."""

import numpy as np
from matplotlib.patches import Rectangle

from benchmarks.report.canvas import INK, Figure, canvas, colour, png, text
from benchmarks.report.source import Source

LABEL = 0.3  # height of the text under a picture, in pictures


def neighbours_figure(source: Source) -> Figure | None:
    """Return test images, each with its nearest images of the pool; None where none are on file.

    Framed and marked with = are neighbours of the query's class.
    """
    found = source.neighbours
    if not found or not len(found["label"]):
        return None
    label, seen, pictures = found["label"], found["seen"].astype(bool), found["pictures"]
    lines, columns = pictures.shape[:2]
    sheet, (axes,) = canvas(1, width=6.4, height=1.06 * (1 + LABEL) * lines + 0.3)
    axes.set_axis_off()
    gap = 1.25  # between a query and its neighbours
    for i in range(lines):
        for j in range(columns):
            x, y = j + (gap - 1 if j else 0), i * (1 + LABEL)
            axes.imshow(pictures[i, j], extent=(x, x + 0.96, y + 0.96, y), interpolation="nearest")
            same = bool(j and label[i, j] == label[i, 0])
            if same:
                axes.add_patch(Rectangle((x, y), 0.96, 0.96, fill=False, ec=colour(1), lw=2.5))
            name = text(("= " if same else "") + _short(source.class_name(label[i, j])))
            under = "" if j or seen[i] else "\n(unseen)"
            axes.text(x, y + 0.98, name + under, fontsize=7, va="top", color=INK)
    axes.set_xlim(-0.03, columns + gap - 1)
    axes.set_ylim(lines * (1 + LABEL), -0.35)
    axes.text(0, -0.08, "test image", fontsize=8, color=INK)
    axes.text(gap, -0.08, "nearest in the labelled pool", fontsize=8, color=INK)
    hits = label[:, 1:] == label[:, :1]
    shares = ", ".join(f"{100 * hits[of].mean():.0f} % of {name}" for name, of in
                       (("seen", seen), ("unseen", ~seen)) if of.any())  # fmt: skip
    title = (
        f"Nearest by cosine in standardised latents of {found['method']}, tap {found['tap']}; "
        f"framed, =: same class ({shares} classes)"
    )
    return Figure("neighbours", title, png(sheet), f"{title}. {_alt(source, label, seen)}")


def _short(name: str) -> str:
    return name if len(name) <= 17 else name[:16] + "\u2026"


def _alt(source: Source, label: np.ndarray, seen: np.ndarray) -> str:
    lines = [
        f"{source.class_name(line[0])}{'' if s else ' (unseen)'} beside "
        + ", ".join(source.class_name(n) for n in line[1:])
        for line, s in zip(label, seen, strict=True)
    ]
    return f"{'; '.join(lines)}."
