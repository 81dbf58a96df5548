"""The store of a plan refuses to write; jobs are those of the run's own code."""

import pytest
from omegaconf import OmegaConf

from benchmarks import planned
from benchmarks.planned import AbsentRecordError, ReadingStore


def test_the_reading_store_makes_nothing(tmp_path):
    store = ReadingStore(tmp_path / "cache")
    with pytest.raises(AbsentRecordError, match="rows/abc"), store.writing("rows", "abc"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_probe_at_each_tap_is_a_cell_a_tap(finished, tiny):
    cfg = tiny("probes=[linear,linear_at]", "budgets=[2,3]", "quality=none")
    rounds, known = planned.rounds(cfg, ReadingStore(finished / "nowhere"))
    assert not known and not (finished / "nowhere").exists()
    found = planned.jobs(cfg, rounds[0], known=False)
    cells = [job for job in found if job.stage == "rows"]
    assert len({job.what for job in cells}) == 1 + 5 + 1  # linear, its five taps, pixels
    assert len(cells) == 2 * 7 and not any(job.there for job in found)


def test_a_start_is_trained_first_and_once(finished, tiny):
    small = "methods.colorful_l2_ft.model.width=0.05"
    cfg = tiny("methods=[colorful_l2_ft]", "data.size=32", "scale.colorful_width=0.05", small)
    at = planned.rounds(cfg, ReadingStore(finished / "nowhere"))[0][0]
    found = [job for job in planned.jobs(cfg, at, known=False) if job.stage == "encoders"]
    assert [job.name for job in found] == ["colorful", "colorful_l2_ft"]


def test_colorizations_that_would_be_measured_are_counted(finished):
    cfg = OmegaConf.load(finished / "config.yaml")
    cfg.quality = {"_target_": "benchmarks.instruments.Instruments", "max_images": 4}
    (at, _), _ = planned.rounds(cfg, ReadingStore(finished.parent.parent / "cache"))
    found = [job for job in planned.jobs(cfg, at, known=True) if job.stage == "quality"]
    names = ["block_regression", "block_untrained", "gray", "random_colours", "truth"]
    assert [job.name for job in found] == names and not any(job.there for job in found)


def test_an_exposed_twin_is_planned_before_any_image_is_known(finished, tiny):
    cfg = tiny("exposure=[block_regression]", "quality=none")
    at = planned.rounds(cfg, ReadingStore(finished / "nowhere"))[0][0]
    found = [job.name for job in planned.jobs(cfg, at, known=False) if job.stage == "encoders"]
    assert "block_regression_exposed" in found
