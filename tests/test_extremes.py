"""Tests of benchmarks/report/extremes.py: sheets of best and worst, told in words, too."""

import io

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.report.extremes import extremes_figures
from benchmarks.report.source import Source


def source(extremes):
    empty = pd.DataFrame()
    return Source(
        rows=empty, run={}, config="", history=empty, cost=empty, selection=empty, quality=empty,
        examples={"class_names": np.array(["apple", "$b$", "<i>"])}, extremes=extremes,
        read_predictions=lambda key: {}, read_quality=lambda key: {}, unseen={},
    )  # fmt: skip


def arrays(i, colour):
    plain = np.full((4, 8, 8, 3), 90, np.uint8)
    colored = np.zeros_like(plain) + np.array(colour, np.uint8)
    return {f"{name}_{i}": value for name, value in {
        "label": np.array([0, 1, 2, 3]), "seen": np.array([True, True, False, False]),
        "error": np.array([1.0, 9.0, 2.0, 8.0]), "best": np.array([True, False, True, False]),
        "gray": plain, "truth": plain + 40, "colored": colored,
    }.items()}  # fmt: skip


def test_each_method_has_its_sheet_and_its_words():
    methods = {"methods": np.array(["net", "truth"])}
    first, second = extremes_figures(
        source(methods | arrays(0, (250, 20, 30)) | arrays(1, (20, 30, 250)))
    )
    assert (first.name, second.name) == ("extremes_1", "extremes_2")
    assert "best of seen classes: apple 1.0; worst of seen classes: $b$ 9.0" in first.alt
    assert "best of unseen classes: <i> 2.0; worst of unseen classes: class 3 8.0" in first.alt
    for figure, colour in ((first, (250, 20, 30)), (second, (20, 30, 250))):
        pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB")).astype(int)
        for shown in (colour, (90, 90, 90), (130, 130, 130)):
            assert (np.abs(pixels - shown).max(-1) < 3).mean() > 0.05


def test_nothing_on_file_nothing_shown():
    assert extremes_figures(source({})) == []
