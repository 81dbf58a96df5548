"""N0: the loop of Oganov's notebook, "Self-supervision: image colorization", on this table's work.

One process; whole files decoded by Pillow at every visit; input and target transformed apart, so
that resizing, flips and colour are done twice; the loss read and logged at every step; heads
trained by AdamW for ten epochs with the encoder run again in each, the best epoch counting. Colour
is Lab, as in the table, where the notebook's was RGB.
"""

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from benchmarks.timing.cells import Cell
from benchmarks.timing.naive import Naive
from benchmarks.timing.objectives import soft_by_distances
from benchmarks.timing.visits import read_rgb, resize, to_lab

RATE = 3e-4


class Notebook(Naive):
    """The loop of the notebook."""

    name = "N0"
    copies = 2
    epochs = 10  # of a head

    def note(self, step: int, loss: Tensor) -> None:
        """Read the loss and write a line of log, at every step."""
        line = json.dumps({"step": step, "loss": loss.item(), "time": time.time()})
        with (self.material.root / "log.jsonl").open("a") as file:
            file.write(line + "\n")

    def decode(self, files: list[Any], side: int) -> UInt8[np.ndarray, "n s s 3"]:
        """Every file in one process, resized for the input and again for the target."""
        whole = (read_rgb(file) for file in files)
        pairs = [(resize(pixels, side), resize(pixels, side)) for pixels in whole]
        return np.stack([target for _, target in pairs])

    def colors(self, images: UInt8[np.ndarray, "n h w 3"]) -> Iterator[Float[np.ndarray, "h w 3"]]:
        """Lab by scikit-image, image by image, for the input and again for the target."""
        pairs = ((to_lab(image), to_lab(image)) for image in images)
        return (target.astype(np.float32) for _, target in pairs)

    def soft(self, ab: Float[np.ndarray, "n h w 2"]) -> Float[np.ndarray, "n h w 313"]:
        """Soft targets by the distances of every pixel to every bin, image by image."""
        return np.stack([soft_by_distances(image) for image in ab])

    def time_heads(self, cell: Cell, model: nn.Module | None) -> float:
        """Seconds a visited image: one epoch of one head on the first fold."""
        n = len(cell.labelled[1])
        fold = cell.folds[0] if cell.folds else (np.arange(n), np.arange(n))
        begun = time.perf_counter()
        self._train_head(cell, model, cell.default, fold, epochs=1)
        return (time.perf_counter() - begun) / (len(fold[0]) + len(fold[1]))

    def head(self, cell: Cell, model: nn.Module | None, test: Int64[np.ndarray, " t"]) -> Any:
        """Train a head for every tap, decay and fold, then the best: predicted targets."""
        choice, best = cell.default, -1.0
        if cell.chooses:
            for tap in cell.taps:
                for decay in cell.decays:
                    found = [self._train_head(cell, model, (tap, decay), f)[1] for f in cell.folds]
                    if np.mean(found) > best:
                        best, choice = float(np.mean(found)), (tap, decay)
        everything = np.arange(len(cell.labelled[1]))
        layer, _ = self._train_head(cell, model, choice, (everything, everything[:0]))
        batches = self.read(cell.reader, model, test, (choice[0],))
        return torch.cat([layer(batch[choice[0]]).argmax(1) for batch in batches]).cpu().numpy()

    def _train_head(
        self, cell: Cell, model: nn.Module | None, choice: tuple[str, float],
        fold: tuple[np.ndarray, np.ndarray], *, epochs: int | None = None,
    ) -> tuple[nn.Module, float]:  # fmt: skip
        """A linear layer after its epochs, and its best share of right answers in validation."""
        (ids, y), (tap, decay), (train, held) = cell.labelled, choice, fold
        torch.manual_seed(0)
        layer, best = nn.LazyLinear(int(y.max()) + 1).to(self.device), 0.0
        solver = None
        for epoch in range(epochs or self.epochs):
            train = np.random.default_rng(epoch).permutation(train)
            done = 0
            for batch in self.read(cell.reader, model, ids[train], (tap,)):
                target = torch.from_numpy(y[train][done : done + len(batch[tap])])
                loss = F.cross_entropy(layer(batch[tap]), target.to(self.device))
                if solver is None:  # the layer knows its size once it has seen a batch
                    solver = torch.optim.AdamW(layer.parameters(), lr=RATE, weight_decay=decay)
                solver.zero_grad()
                loss.backward()
                solver.step()
                self.note(done, loss)
                done += len(target)
            if len(held):
                batches = self.read(cell.reader, model, ids[held], (tap,))
                found = torch.cat([layer(b[tap]).argmax(1) for b in batches]).cpu().numpy()
                best = max(best, float((found == y[held]).mean()))
        return layer, best
