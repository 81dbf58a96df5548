"""Tests of benchmarks/report/neighbours.py: the figure and its words."""

import io

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.report.neighbours import neighbours_figure
from benchmarks.report.source import Source


def source(neighbours):
    empty = pd.DataFrame()
    return Source(
        rows=empty, run={}, config="", history=empty, cost=empty, selection=empty, quality=empty,
        examples={"class_names": np.array(["apple", "$b$", "c" * 60])}, neighbours=neighbours,
        read_predictions=lambda key: {}, read_quality=lambda key: {}, unseen={},
    )  # fmt: skip


def arrays(label):
    pictures = np.zeros((2, 3, 8, 8, 3), np.uint8)
    pictures[:, 0], pictures[:, 1:] = (200, 30, 40), (30, 160, 200)
    return {"label": np.array(label), "seen": np.array([True, False]), "pictures": pictures,
            "method": np.array("net"), "tap": np.array("mid_block")}  # fmt: skip


def framed(figure):
    """How many of the pixels have the colour of the frame."""
    pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB")).astype(int)
    assert (np.abs(pixels - (30, 160, 200)).max(-1) < 3).mean() > 0.2
    return (np.abs(pixels - (0xD5, 0x5E, 0x00)).max(-1) < 3).mean()


def test_neighbours_of_the_same_class_are_framed_and_counted():
    figure = neighbours_figure(source(arrays([[0, 0, 1], [1, 2, 3]])))
    assert "50 % of seen, 0 % of unseen classes" in figure.title
    assert "apple beside apple, $b$; $b$ (unseen) beside " in figure.alt
    assert figure.alt.endswith(f"{'c' * 60}, class 3.")
    assert framed(figure) > 1e-3
    assert framed(neighbours_figure(source(arrays([[0, 1, 1], [1, 2, 3]])))) == 0


def test_nothing_on_file_nothing_shown():
    assert neighbours_figure(source({})) is None
