"""The drawing surface of every figure: colours, sizes, safe text, bytes as PNG and WebP.

Colours are those of Okabe and Ito (2008), told apart with every common colour blindness; lines also
differ by marker and dash. Sizes are for a picture shrunk to the width of a phone.
"""

import io
import math
import warnings
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet
from PIL import Image

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX*"
INK, FAINT = "#222222", "#dddddd"
WEBP_MOST = 16383  # pixels a side


@dataclass(frozen=True)
class Figure:
    """A picture: the stem of its file name, a heading, PNG bytes, alternative text."""

    name: str
    title: str
    png: bytes
    alt: str


def canvas(n_panels: int, *, width: float, height: float) -> tuple[Sheet, list[Axes]]:
    """Return a sheet of that many inches with its panels, two in a row."""
    sheet = Sheet(figsize=(width, height), dpi=180, layout="constrained")
    columns = min(2, max(1, n_panels))
    panels = [
        sheet.add_subplot(math.ceil(max(1, n_panels) / columns), columns, i + 1)
        for i in range(n_panels)
    ]
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color("#888888")
        axes.tick_params(color="#888888", labelcolor=INK)
        axes.grid(color=FAINT, lw=0.6)
        axes.set_axisbelow(True)
    return sheet, panels


def colour(i: int) -> str:
    """Return the colour of the i-th line."""
    return COLOURS[i % len(COLOURS)]


def marker(i: int) -> str:
    """Return the marker of the i-th line; with its colour 56 lines differ."""
    return MARKERS[i % len(MARKERS)]


def legend_below(sheet: Sheet, axes: Axes) -> None:
    """Put the legend under the sheet, where it hides nothing at any width."""
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if max(map(len, labels), default=0) > 22 else 2
    sheet.legend(handles, labels, loc="outside lower left", ncols=columns, frameon=False)


def text(name: str) -> str:
    """Return a name that matplotlib draws as it is (no formulas), on one line, not endless."""
    line = "".join(c if c.isprintable() else " " for c in str(name))
    return (line if len(line) <= 40 else line[:39] + "\u2026").replace("$", r"\$")


def png(sheet: Sheet) -> bytes:
    """Return the sheet as PNG; a letter that the font lacks is drawn as a box."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing", category=UserWarning)
        sheet.savefig(buffer, format="png", bbox_inches="tight", metadata={"Software": None})
    return buffer.getvalue()


def embedded(picture: bytes) -> tuple[str, bytes]:
    """Return the format and bytes in which a page carries a PNG: lossless WebP, of half its size.

    What is longer than a WebP may be stays as it is.
    """
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as opened:
        if max(opened.size) > WEBP_MOST:
            return "png", picture
        opened.save(buffer, format="webp", lossless=True)
    return "webp", buffer.getvalue()
