"""How work grows: a known power is found, points come from processes of their own."""

import mmap
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import speed
from benchmarks.errors import ConfigError
from benchmarks.timing import fresh, growth, stages
from benchmarks.timing.fresh import Peak, apart, measured, resident


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0, 2.0])
def test_the_slope_of_a_power_is_its_exponent(power):
    sizes = [10, 30, 100, 1000]
    assert growth.slope(sizes, [0.3 * n**power for n in sizes]) == pytest.approx(power)


def rows_of(stage, seconds, mib, *, turns=3):
    """Rows as a measurement leaves them, of `seconds(size)` and `mib(size)`."""
    return [
        {"stage": stage, "grows": "images", "size": size, "turn": turn,
         "seconds": seconds(size) * (1 + turn / 10), "added_mib": mib(size)}
        for turn in range(turns)
        for size in (1_000, 10_000, 100_000)
    ]  # fmt: skip


def test_the_page_tells_slopes_points_and_ten_million():
    # 100 us an image, and 1,048.576 bytes an image beyond 8 MiB.
    frame = pd.DataFrame(rows_of("latents", lambda n: n * 1e-4, lambda n: 8 + n / 1000))
    page = growth.markdown(frame, "here")
    assert "| latents | images | 1.00 (1.00 to 1.00) | 1.00 (1.00 to 1.00) |" in page
    assert "| latents | 10,000 | 1.1 s | 18.0 MiB |" in page  # the middle turn of three
    assert "18.3 min" in page and "power 1.00" in page
    assert "by 1049 bytes an image" in page and "9.77 GiB" in page
    quadratic = pd.DataFrame(rows_of("latents", lambda n: n**2, lambda n: 8))
    assert "2.00 (2.00 to 2.00)" in growth.markdown(quadratic, "here")
    assert " 0.00 GiB then" in growth.markdown(quadratic, "here")


def test_memory_is_what_is_added_and_not_what_is_mapped(tmp_path):
    mapped = np.lib.format.open_memmap(tmp_path / "x.npy", "w+", np.uint8, (2**25,))
    with Peak() as nothing:
        mapped[:] = 1
        assert resident() > 0
    with Peak() as peak:
        block = mmap.mmap(-1, 2**28, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        np.frombuffer(block, np.uint8)[:] = 1  # new pages, whatever a heap kept
        time.sleep(5 * fresh.EVERY)
        block.close()
    assert 2**28 <= peak.added < 1.2 * 2**28
    assert nothing.added < 2**23


def test_where_the_system_does_not_tell_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(fresh, "STATUS", tmp_path / "none")
    with pytest.raises(ConfigError, match="does not tell"):
        resident()


@pytest.mark.parametrize("name", stages.STAGES)
def test_every_stage_does_its_work(name, tmp_path):
    stage = stages.STAGES[name]
    found = stage.make(2, tmp_path / "work")()
    if name == "decode and store":
        found = stage.make(40, tmp_path / "more")()
        assert found.images.shape == (40, 16, 16, 3) and not found.bad
        assert len(set(found.hashes)) == stages.FILES
    elif name == "latents":
        assert len(np.load(tmp_path / "work" / "ids.npy")) == 2
    elif name == "latents of taps":
        assert {p.stem for p in (tmp_path / "work").glob("conv*.npy")} == {"conv1", "conv2"}
    else:
        classes = 2 if stage.grows == "classes" else stages.CLASSES
        assert found.shape[1] == classes


def test_a_point_is_its_seconds_and_bytes(monkeypatch):
    monkeypatch.setattr(stages, "IMAGES", 8)
    seconds, added = measured("latents of taps", 2, 1)
    assert seconds > 0 and added >= 0


def test_a_point_comes_from_a_process_that_inherits_nothing():
    held = np.ones(2**28, np.uint8)
    seconds, added = apart("linear probe of classes", 2, 2)
    assert 0 < seconds < 60 and added < held.nbytes // 4


def test_the_command_writes_its_three_files(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(growth, "apart", measured)  # here: another process takes seconds to start
    sizes = {"decode and store": (8, 64)}
    monkeypatch.setattr(growth, "STAGES", {
        name: stages.Stage("images", stages.store, of, memory=True) for name, of in sizes.items()
    })  # fmt: skip
    assert speed.main(["--growth", "--turns=1", f"--out={tmp_path}"]) == 0
    page = (tmp_path / "growth.md").read_text()
    assert page in capsys.readouterr().out
    rows = pd.read_csv(tmp_path / "growth.csv")
    assert rows["size"].tolist() == [8, 64] and rows["seconds"].gt(0).all()
    with Image.open(tmp_path / "growth.png") as drawn:
        assert drawn.width > 800
    assert str(tmp_path) not in page
    assert speed.main(["--growth", "data.size=8", f"--out={tmp_path}"]) == 2
