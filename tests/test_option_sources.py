"""Every option of a data source changes the key of its images, of a split its hash.

Options are found in configs/ and in the signatures of what it names.
"""

import inspect
from pathlib import Path

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf
from PIL import Image

from benchmarks import planned
from benchmarks.data import load_images
from benchmarks.partition import manifest
from benchmarks.settings import build, load_config, options
from benchmarks.splits import fold_split

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
OTHER = {  # where one more, or one letter more, will not do
    "color": "independent", "fit": "pad", "test_fraction": 0.3, "pool_fraction": 0.5, "n_folds": 2,
}  # fmt: skip


def found(group):
    """(handle, option) of every target of a group, once."""
    of = {}
    for name in options(group):
        given = OmegaConf.load(CONFIGS / group / f"{name}.yaml")
        target = get_object(given["_target_"])
        known = [p.name for p in inspect.signature(target).parameters.values()
                 if p.default is not p.empty and p.name != "fold"]  # fmt: skip
        for key in sorted({*map(str, given), *known} - {"_target_", "_partial_"}):
            of.setdefault((target, key), (name, key))
    return sorted(of.values())


def another(group, name, option, old):
    """A value that the option may have and has not: not `old`, nor the default."""
    if option in OTHER:
        return OTHER[option]
    target = get_object(OmegaConf.load(CONFIGS / group / f"{name}.yaml")["_target_"])
    old = inspect.signature(target).parameters[option].default if old is None else old
    return old + 1 if isinstance(old, int) else f"{old}x"


@pytest.mark.parametrize(("name", "option"), found("data"))
def test_an_option_of_data_changes_the_key_of_the_images(tmp_path, name, option):
    for side in (8, 9):
        folder = tmp_path / str(side) / "a class"
        folder.mkdir(parents=True)
        Image.new("RGB", (side, side)).save(folder / "1.png")
    cfg = load_config([f"data={name}"] + [f"data.path={tmp_path / '8'}"] * (name == "imagefolder"))
    changed, old = cfg.data.copy(), cfg.data.get(option)
    value = another("data", name, option, old)
    if (name, option) == ("imagefolder", "path"):
        value = str(tmp_path / "9")
    OmegaConf.update(changed, option, value, force_add=True)
    keys = set()
    for source in (build(cfg.data), build(changed)):
        with pytest.raises(planned.AbsentRecordError) as absent:
            load_images(source, store=planned.ReadingStore(tmp_path), progress=False)
        keys.add(str(absent.value))
    assert len(keys) == 2


@pytest.mark.parametrize(("name", "option"), found("split"))
def test_an_option_of_a_split_changes_its_hash(pictures, tmp_path, name, option):
    names, files = pictures.class_names, [tmp_path / "3.tsv", tmp_path / "4.tsv"]
    for n, file in enumerate(files, 3):
        made = fold_split(*pictures.labelling, fold=0, n_folds=n, pool_fraction=0.5)
        file.write_text(manifest(made, pictures.hashes))
    given = {"unseen": [[names[0]], [names[1]]], "path": [str(file) for file in files]}
    needed = {"held_out": "unseen", "manifest": "path"}.get(name)
    cfg = load_config(
        [f"split={name}", *([f"split.{needed}={given[needed][0]}"] if needed else [])]
    )
    changed, old = cfg.split.copy(), cfg.split.get(option)
    value = given[option][1] if option in given else another("split", name, option, old)
    OmegaConf.update(changed, option, value, force_add=True)
    one, other = (build(split)(*pictures.labelling, fold=0) for split in (cfg.split, changed))
    assert one.manifest_hash != other.manifest_hash
