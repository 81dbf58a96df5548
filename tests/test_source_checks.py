"""Data and split are refused before an image is made, as far as they can be."""

import pytest

from benchmarks.errors import ConfigError, DataError
from benchmarks.settings import load_config, resolve, resolve_images

REFUSED = {
    "data.n_classes=x": "give a whole number",
    "data.n_classes=true": "give a whole number",
    "data.color=3": "give text",
    "data.train_per_class=0": ">= 2",
    "data.size=x": ">= 8",
    "split.n_folds=9": "9 of 8 classes",
    "split.n_folds=2.5": "give a whole number",
    "split.pool_fraction=x": "give a number",
    "split.pool_fraction=1": "between 0 and 1",
    "split.seed=-1": ">= 0",
    "folds=[4]": "give 0 to 3",
}


@pytest.mark.parametrize("added", REFUSED)
def test_what_no_data_can_have_is_refused(tiny, added):
    with pytest.raises(ConfigError, match=REFUSED[added]):
        tiny(added)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["split=held_out", "split.unseen=class"], "a list of texts"),
        (["split=held_out", "split.unseen=[class]", "folds=[1]"], "fixed classes"),
        (["split=manifest", "split.path=7"], "give text"),
    ],
)
def test_other_splits_too(asked, said):
    with pytest.raises(ConfigError, match=said):
        resolve(load_config(["device=cpu", *asked]))


def test_the_files_of_all_folds_are_read(tmp_path):
    def ask(*more):
        return resolve(
            load_config(["split=manifest", f"split.path={tmp_path}", "device=cpu", *more])
        )

    with pytest.raises(ConfigError, match=r"no split of fold 0\ngive the folder of a run"):
        ask()
    lines = "seen\t0\nunseen\t1\npretrain\t0\ta\npool\t1\tb\ntest\t2\tc\n"
    (tmp_path / "split-0.tsv").write_text(lines)
    assert ask().folds == [0]
    with pytest.raises(ConfigError, match=r"no split of fold 1\nit has split-0.tsv"):
        ask("folds=[0,1]")
    for torn, said in ((lines + "test\t0\ta\n", "image twice"), (b"\xff", "is no text")):
        file = tmp_path / "split-0.tsv"
        file.write_bytes(torn if isinstance(torn, bytes) else torn.encode())
        with pytest.raises(DataError, match=said):
            ask()


def test_a_command_that_reads_images_alone_asks_nothing_of_methods():
    asked = load_config(["data.size=16", "methods=[]", "baselines=[]", "device=cpu"])
    assert resolve_images(asked).data.size == 16
    with pytest.raises(ConfigError, match="nothing competes"):
        resolve(asked)
    with pytest.raises(ConfigError, match="out=None"):
        resolve_images(load_config(["out=null"]))
