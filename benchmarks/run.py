"""Does learning to colorize help when labels are few? The experiment, from images to report.

python benchmarks/run.py                                    the embedded data set, minutes
python benchmarks/run.py exp=food101_holdout preset=cpu data.path=DIR
"""

import sys
from itertools import product
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.command import command


def run(cfg: Any, folder: Path, command_line: str) -> Path:
    """Compute what the experiment `cfg` still lacks in `folder`; the path of its report."""
    from benchmarks import run_folder, splits, tasks
    from benchmarks.contest import Round
    from benchmarks.data import load_images
    from benchmarks.encoders import MethodEncoder
    from benchmarks.entrants import entrants
    from benchmarks.progress import Meter
    from benchmarks.reconstruct import all_quality_rows
    from benchmarks.report import page
    from benchmarks.scoring import score
    from benchmarks.selection import Selection
    from benchmarks.settings import build
    from benchmarks.store import Store

    store = Store(Path(cfg.out) / "cache")
    images = load_images(build(cfg.data), store=store, progress=True)
    rows: list[dict[str, Any]] = []
    quality: list[dict[str, Any]] = []
    trained: list[MethodEncoder] = []
    rounds: list[Round] = []
    for fold, seed in product(cfg.folds, cfg.seeds):
        # Split. The classes of fold `fold` are unseen; no image content stands on two sides.
        split = build(cfg.split)(*images.labelling, fold=fold)
        splits.audit(split, images.labels, images.hashes)
        at = Round(images, split, fold, seed, store, cfg.device)
        rounds.append(at)
        contests = tasks.contests(at, cfg.tasks, cfg.way_matched.draws, max(cfg.budgets))

        # Pretrain on pixels of seen classes, freeze, and take the latents of pool and test once.
        methods = [
            MethodEncoder(name, method, at, recipe=cfg.pretrain, max_features=cfg.max_features)
            for name, method in cfg.methods.items()
        ]
        trained += methods

        # Probes and baselines meet the same labels. Selection sees the pool; then the test opens.
        field = entrants(methods, cfg.probes, cfg.baselines, images)
        cells = tasks.cells(field, contests, cfg.budgets, cfg.draws, cfg.way_matched.classifiers)
        with Meter(f"score fold {fold} seed {seed}", len(cells), "cells") as meter:
            for entrant, contest, budget, draw in cells:
                how = {"labels_per_class": budget, "draw": draw}
                rows += score(entrant, contest, selection=Selection(**cfg.selection), **how)
                meter.advance(1)

        # Colorizations of test pictures, where they are asked for. Nothing is chosen by them.
        quality += all_quality_rows(methods, at, cfg.quality)

    # Report, from the files of the run's folder alone.
    run_folder.write(
        folder, cfg, rows, quality=quality, encoders=trained, rounds=rounds, command=command_line
    )
    report = page.write(folder)
    page.show(folder)
    return report


def main() -> int:
    """Run the experiment that the command line selects; the exit code."""
    return command(run)


if __name__ == "__main__":
    sys.exit(main())
