"""N1: what a competent user writes today, before anyone thinks of speed.

Pillow and scikit-image in a Dataset, two loader processes that start once a training, fp32 and
NCHW, a loss read every 20 steps, the encoder run anew for each head, scikit-learn's logistic
regressions one by one over decays and folds.
"""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.utils.data import Dataset

from benchmarks.timing.cells import Cell
from benchmarks.timing.naive import Naive
from benchmarks.timing.objectives import bin_tree, soft_by_tree
from benchmarks.timing.visits import read_rgb, to_lab

MAX_ITER = 1000  # of scikit-learn: its default of 100 does not converge on weak decays


class Fair(Naive):
    """The fair naive pipeline."""

    name = "N1"
    workers = 2

    def note(self, step: int, loss: Tensor) -> None:
        """Read the loss now and then."""
        if step % 20 == 0:
            loss.item()

    def decode(self, files: list[Any], side: int) -> UInt8[np.ndarray, "n s s 3"]:
        """Every file through the loader's processes, collected into one array."""
        loaded = self.loader(_Decoded(files, side), 64)
        return torch.cat(list(loaded)).numpy()

    def colors(self, images: UInt8[np.ndarray, "n h w 3"]) -> Iterator[Float[np.ndarray, "h w 3"]]:
        """Lab by scikit-image, image by image in one process."""
        return (to_lab(image).astype(np.float32) for image in images)

    def soft(self, ab: Float[np.ndarray, "n h w 2"]) -> Float[np.ndarray, "n h w 313"]:
        """Soft targets by scikit-learn's neighbours, image by image."""
        tree = bin_tree()
        return np.stack([soft_by_tree(image, tree) for image in ab])

    def time_heads(self, cell: Cell, X: dict[str, np.ndarray]) -> float:
        """Seconds a fit at the default tap on one fold, with validation, over `timed` decays."""
        latents, y = X[cell.default[0]], cell.labelled[1]
        train, held = cell.folds[0] if cell.folds else (np.arange(len(y)), np.arange(len(y)))
        begun = time.perf_counter()
        for decay in timed(cell.decays):
            fit_logistic(latents[train], y[train], decay).score(latents[held], y[held])
        return (time.perf_counter() - begun) / len(timed(cell.decays))

    def head(self, cell: Cell, model: nn.Module | None, test: Int64[np.ndarray, " t"]) -> Any:
        """Choose by cross-validation, fit on all labels: predicted targets of `test`."""
        (ids, y), choice = cell.labelled, cell.default
        X = self.encode(cell.reader, model, ids, cell.taps)
        if cell.chooses:
            best = -1.0
            for tap in cell.taps:
                for decay in cell.decays:
                    score = np.mean([
                        fit_logistic(X[tap][a], y[a], decay).score(X[tap][b], y[b])
                        for a, b in cell.folds
                    ])  # fmt: skip
                    if score > best:
                        best, choice = float(score), (tap, decay)
        tap, decay = choice
        unseen = self.encode(cell.reader, model, test, (tap,))[tap]
        return fit_logistic(X[tap], y, decay).predict(unseen)


def timed(decays: tuple[float, ...]) -> tuple[float, ...]:
    """Of eight decays four about the middle: the weakest, dearest one is not among them."""
    return tuple(decays[i] for i in (1, 3, 4, 6)) if len(decays) == 8 else decays


def fit_logistic(X: Float[np.ndarray, "n d"], y: Int64[np.ndarray, " n"], decay: float) -> Any:
    """scikit-learn's standardised logistic regression at C = 1 / (n * decay)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    regression = LogisticRegression(C=1 / (len(y) * decay), max_iter=MAX_ITER)
    return make_pipeline(StandardScaler(), regression).fit(X, y)


class _Decoded(Dataset):
    def __init__(self, files: list[Any], side: int) -> None:
        self.files, self.side = files, side

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(read_rgb(self.files[index], self.side).copy())
