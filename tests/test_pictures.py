"""Tests of benchmarks/report/pictures.py: losses and colorizations."""

import io

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.report.pictures import colorizations, loss_curves


def pixels(figure):
    return np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB"))


def test_losses_are_told_by_method_and_term():
    history = pd.DataFrame(
        [
            {"method": method, "fold": 0, "seed": seed, "step": step, "images": step * 8,
             "term": term, "value": 4.0 - step / 10 + seed}
            for method in ("split", "block", "third")
            for seed in (0, 1) for step in range(11) for term in ("ab", "lr")
        ]
    )  # fmt: skip
    figure = loss_curves(history)
    assert figure.alt.count("from 4.5 to 3.5") == 3 and "lr" not in figure.alt
    assert pixels(figure).shape[1] > 800


def test_sheet_shows_seen_then_unseen_and_every_method():
    colours = np.zeros((6, 16, 16, 3), np.uint8)
    colours[...] = (250, 10, 20)
    examples = {
        "gray": colours // 2, "truth": colours, "label": np.arange(6),
        "seen": np.array([False, True, True, False, True, True]),
        "class_names": np.array(["$a", "<b>", "c" * 90, "d\n", "e", "f"]),
        "method__split": colours[..., ::-1].copy(),
    }  # fmt: skip
    figure = colorizations(examples)
    assert "6 pictures, 4 of seen classes" in figure.alt and "by split" in figure.alt
    shown = pixels(figure).reshape(-1, 3)
    for colour in ((250, 10, 20), (20, 10, 250), (125, 5, 10)):
        assert (np.abs(shown.astype(int) - colour).max(1) < 3).mean() > 0.05


def test_sheet_of_seen_classes_only():
    grays = np.full((2, 8, 8, 3), 90, np.uint8)
    examples = {"gray": grays, "truth": grays, "label": np.array([0, 1]),
                "seen": np.array([True, True]), "class_names": np.array(["a", "b"])}  # fmt: skip
    assert "no method" in colorizations(examples).alt
