"""The whole table really made by a naive pipeline: what the projection is held against."""

from typing import Any

import numpy as np

from benchmarks.timing.cells import labelled_of
from benchmarks.timing.fair import Fair
from benchmarks.timing.notebook import Notebook


def naive_table(pipeline: Notebook | Fair) -> dict[tuple[str, str, int], float]:
    """Top-1 of every row but chance."""
    material = pipeline.material
    contest, cells = material.contest, material.cells
    truth = contest.targets(contest.round.images.labels[contest.test])
    found: dict[tuple[str, str, int], float] = {}

    def note(row: tuple[str, str, int], predicted: Any) -> None:
        found[row] = float((np.asarray(predicted) == truth).mean())

    for reader in dict.fromkeys(cell.reader for cell in cells):
        model = None
        if reader in material.trained:
            model, _ = pipeline.train(reader, material.steps(reader))
        elif reader in material.families:
            model = pipeline.settle(reader)
        for cell in (cell for cell in cells if cell.reader == reader):
            row = (reader, cell.head, cell.labels_per_class)
            note(row, pipeline.head(cell, model, contest.test))
    for name in material.networks:
        for budget in material.cfg.budgets:
            network = pipeline.train_on_labels(name, labelled_of(contest, budget))
            note((name, "pixels", budget), pipeline.predict(name, network, contest.test))
    return found
