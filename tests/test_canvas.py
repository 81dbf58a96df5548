"""Tests of benchmarks/report/canvas.py: safe words, distinct lines, PNG bytes."""

import io

import numpy as np
from PIL import Image

from benchmarks.report.canvas import (
    WEBP_MOST,
    canvas,
    colour,
    embedded,
    legend_below,
    marker,
    png,
    text,
)


def test_text_is_one_short_line_without_formulas():
    assert text("a\nb$c$") == r"a b\$c\$"
    assert len(text("x" * 99)) == 40


def test_many_lines_stay_distinct():
    assert len({(colour(i), marker(i)) for i in range(56)}) == 56


def test_a_drawn_sheet_is_a_png_and_equal_when_drawn_again():
    def drawn():
        sheet, panels = canvas(3, width=4.0, height=3.0)
        for axes in panels:
            axes.plot([1, 2], [3, 4], label=text(r"$\frac{色"))
        legend_below(sheet, panels[0])
        return png(sheet)

    assert drawn().startswith(b"\x89PNG") and drawn() == drawn()


def test_a_page_gets_the_same_picture_in_fewer_bytes():
    sheet, (axes,) = canvas(1, width=4.0, height=3.0)
    axes.imshow(np.random.default_rng(0).random((40, 40, 3)))
    drawn = png(sheet)
    form, smaller = embedded(drawn)
    assert form == "webp" and len(smaller) < 0.8 * len(drawn)
    assert embedded(drawn) == (form, smaller)
    before, after = (Image.open(io.BytesIO(part)).convert("RGB") for part in (drawn, smaller))
    assert after.tobytes() == before.tobytes()


def test_an_empty_legend_is_no_error():
    sheet, (axes,) = canvas(1, width=3.0, height=2.0)
    legend_below(sheet, axes)
    assert png(sheet)


def test_a_picture_longer_than_webp_allows_stays_a_png():
    for height, form in ((WEBP_MOST, "webp"), (WEBP_MOST + 1, "png")):
        buffer = io.BytesIO()
        Image.new("RGB", (2, height), "white").save(buffer, format="png")
        found, data = embedded(buffer.getvalue())
        assert found == form and Image.open(io.BytesIO(data)).size == (2, height)
