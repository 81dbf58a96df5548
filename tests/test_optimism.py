"""What choosing on the test set adds, from two real runs with one cache of latents."""

import shutil

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import ConfigError
from benchmarks.optimism import MEAN, main, optimism
from benchmarks.run_files import RunFiles


@pytest.fixture(scope="module")
def on_test(finished, start, tmp_path_factory):
    """The finished run again, from its cache, but chosen on the test set."""
    out = tmp_path_factory.mktemp("on_test")
    shutil.copytree(finished.parent.parent / "cache", out / "cache")
    part = ["seeds=[0]", "folds=[0]", "probes=[linear]", "baselines=[pixel_linear]"]
    assert start(out, *part, "selection.on_test=true") == 0
    (folder,) = (out / "runs").iterdir()
    return folder


def test_the_test_set_flatters_itself(finished, on_test):
    found = optimism(RunFiles(on_test), RunFiles(finished)).set_index(["row", "labels_per_class"])
    rows = {"block_regression/linear", "block_untrained/linear", "pixel_linear/pixels"}
    assert {name for name, _ in found.index} >= {*rows, MEAN}
    assert set(found.index.get_level_values(1)) == {2, 3}
    np.testing.assert_allclose(found["effect"], found["on_test"] - found["on_pool"], atol=1e-9)
    assert (found["low"] <= found["effect"]).all() and (found["effect"] <= found["high"]).all()
    written = pd.read_csv(on_test / "rows.csv").query("metric == 'top1' and classes == 'all'")
    value = written.query("method == 'pixel_linear' and labels_per_class == 3")["value"].mean()
    assert found.loc[("pixel_linear/pixels", 3), "on_test"] == pytest.approx(value)
    parts = found.drop(index=MEAN, level=0)["effect"].groupby(level=1).mean()
    np.testing.assert_allclose(found.loc[MEAN]["effect"], parts)
    # Of a few images the best of many settings is luck; a choice on the pool is not above it.
    assert (found.loc[MEAN]["effect"] >= 0).all()


def test_the_table_is_written(finished, on_test, tmp_path, capsys):
    assert main([str(on_test), str(finished), "--out", str(tmp_path / "o")]) == 0
    text = (tmp_path / "o" / "table.md").read_text()
    assert text.strip() == capsys.readouterr().out.strip()
    assert "What choosing on the test set adds" in text and text.count(MEAN) == 2
    assert (
        len(pd.read_csv(tmp_path / "o" / "optimism.csv")) == text.count("\n| ") - 2
    )  # header and rule


def test_other_runs_are_refused(finished, on_test, tmp_path, capsys):
    assert main([str(finished), str(on_test)]) == 2
    assert "selection.on_test=true" in capsys.readouterr().err
    other = shutil.copytree(on_test, tmp_path / "other")
    keys = pd.read_csv(other / "encoders.csv")
    keys.assign(latents="f" * 24).to_csv(other / "encoders.csv", index=False)
    with pytest.raises(ConfigError, match="latents of block_regression are not the same"):
        optimism(RunFiles(other), RunFiles(finished))


def test_a_file_is_no_folder_for_the_table(finished, on_test, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main([str(on_test), str(finished), "--out", str(tmp_path / "file")]) == 4
    told = capsys.readouterr().err
    assert f"cannot use {tmp_path / 'file'}" in told and "--out" in told
