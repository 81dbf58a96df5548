"""Pictures of pretraining as PNG bytes: what was learned, and how the losses fell."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import UInt8
from matplotlib.ticker import EngFormatter, MaxNLocator

from benchmarks.report.canvas import Figure, canvas, colour, png, text


def loss_curves(history: pd.DataFrame) -> Figure:
    """Return each method's loss terms against images seen: runs faint, their mean smoothed."""
    terms = history[history["term"] != "lr"]
    methods = list(terms["method"].unique())
    sheet, panels = canvas(len(methods), width=6.4, height=2.3 * math.ceil(len(methods) / 2) + 0.3)
    texts = []
    for axes, method in zip(panels, methods, strict=False):
        of_method = terms[terms["method"] == method]
        for i, (term, part) in enumerate(of_method.groupby("term", sort=False)):
            mean = part.groupby("images")["value"].mean()
            for _, raw in part.groupby(["fold", "seed"]):
                axes.plot(raw["images"], raw["value"], color=colour(i), alpha=0.25, lw=0.8)
            smooth = mean.rolling(max(1, len(mean) // 20), center=True, min_periods=1).mean()
            axes.plot(smooth.index, smooth, color=colour(i), label=text(str(term)))
            texts.append(f"{method} {term} from {mean.iloc[0]:.3g} to {mean.iloc[-1]:.3g}")
        axes.set_title(text(method), fontsize=10)
        axes.legend(fontsize=8, frameon=False)
        axes.set_xlabel("images seen", fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    alt = f"Pretraining losses: {'; '.join(texts)}."
    return Figure("losses", "Pretraining losses", png(sheet), alt)


def colorizations(examples: Mapping[str, np.ndarray]) -> Figure:
    """Return pictures in gray, in true colour and as each method colours them, seen then unseen."""
    seen, names = examples["seen"].astype(bool), examples["class_names"]
    chosen = [*np.flatnonzero(seen)[:4], *np.flatnonzero(~seen)[:4]]
    methods = [key for key in examples if key.startswith("method__")]
    rows = {"gray": "gray", "truth": "truth"} | {
        key: key.removeprefix("method__") for key in methods
    }
    shown = [
        f"{names[label]}{'' if s else ' (unseen)'}"
        for label, s in zip(examples["label"][chosen], seen[chosen], strict=True)
    ]
    n_seen = int(seen[chosen].sum())
    sheet = [(name, examples[key][chosen]) for key, name in rows.items()]
    alt = (
        f"Sheet of {len(chosen)} pictures, {n_seen} of seen classes, the others of unseen: gray, "
        f"truth, then as coloured by {', '.join(list(rows.values())[2:]) or 'no method'}."
    )
    return Figure("colorizations", "Colorizations", picture_sheet(sheet, shown, [n_seen]), alt)


def picture_sheet(
    rows: Sequence[tuple[str, UInt8[np.ndarray, "e h w 3"]]],
    names: Sequence[str],
    breaks: Iterable[int],
) -> bytes:
    """Return rows of pictures, named at the left, under the names of the columns, as PNG.

    White lines stand left of the columns `breaks`.
    """
    pixels = np.concatenate([np.concatenate(list(pictures), 1) for _, pictures in rows])
    size, width = pixels.shape[0] // len(rows), pixels.shape[1] // max(1, len(names))
    sheet, (axes,) = canvas(1, width=7.0, height=1.4 + 0.72 * len(rows))
    axes.imshow(pixels, interpolation="nearest", aspect=width / size)
    axes.set_xticks(
        width * (np.arange(len(names)) + 0.5), [text(n) for n in names], rotation=45, ha="left"
    )
    axes.set_yticks(size * (np.arange(len(rows)) + 0.5), [text(name) for name, _ in rows])
    axes.tick_params(length=0, labelsize=9, top=False, labeltop=True, labelbottom=False)
    for column in breaks:
        axes.axvline(width * column - 0.5, color="white", lw=4)
    axes.grid(False)
    return png(sheet)
