"""A copied test image is listed with its sides, in a run's folder and by the command."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import audit
from benchmarks.contest import Round
from benchmarks.data import load_images
from benchmarks.near_duplicates import duplicates
from benchmarks.procedural import draw
from benchmarks.report.duplicates import leaked, leaks
from benchmarks.sources import ImageFolderSource
from benchmarks.splits import fold_split
from benchmarks.store import Store

PER_CLASS, N_TEST = 12, 3


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six classes of 9 + 3 drawn pictures; test images 1 and 2 of class 0 also lie in training."""
    root = tmp_path_factory.mktemp("data") / "planted"
    labels = np.repeat(np.arange(6), PER_CLASS)
    pixels = draw(labels * 4, np.arange(len(labels)), size=48, color="lawful", seed=3)
    for i, (label, picture) in enumerate(zip(labels, pixels, strict=True)):
        side = "test" if i % PER_CLASS < N_TEST else "train"
        target = root / side / f"class {label}"
        target.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(target / f"{i:02}.png")
    small = Image.fromarray(pixels[1]).resize((40, 40))
    small.save(root / "train" / "class 0" / "near.jpg", quality=60)
    Image.fromarray(pixels[2]).save(root / "train" / "class 5" / "exact.png", compress_level=1)
    return root


@pytest.fixture(scope="module")
def made(folder, tmp_path_factory):
    """The images, their store, and rounds of all three folds."""
    store = Store(tmp_path_factory.mktemp("cache"))
    images = load_images(ImageFolderSource(str(folder), size=32), store=store, progress=False)
    splits = [fold_split(*images.labelling, fold=f, n_folds=3, pool_fraction=0.4) for f in range(3)]
    return images, [Round(images, split, f, 0, store, "cpu") for f, split in enumerate(splits)]


def test_sides_are_those_of_the_split(made):
    images, rounds = made
    split = rounds[0].split
    side = audit.sides(split, len(images.labels))
    for name in ("pretrain", "pool", "test", "dropped"):
        assert np.flatnonzero(side == name).tolist() == getattr(split, name).tolist()
    unused = images.labels[side == "unused"]
    assert len(unused) and np.isin(unused, split.unseen).all()


def test_planted_copies_are_listed_in_the_run_folder(made, tmp_path):
    images, rounds = made
    audit.write_duplicates(tmp_path, rounds)
    table = pd.read_csv(tmp_path / "duplicates.csv")
    assert list(table) == audit.COLUMNS
    assert sorted(table["fold"]) == [0, 0, 1, 1, 2, 2] and len(table) == 6
    near, exact = table[table["kind"] == "near"], table[table["kind"] == "exact"]
    for names, part in ((("class 0/01.png", "class 0/near.jpg"), near),
                        (("class 0/02.png", "class 5/exact.png"), exact)):  # fmt: skip
        for line in part.to_dict("records"):
            ends = sorted([line["name_a"], line["name_b"]])
            assert ends == [f"test/{names[0]}", f"train/{names[1]}"]
            split = rounds[line["fold"]].split
            for end in "ab":
                side = line[f"side_{end}"]
                unused = np.setdiff1d(np.arange(len(images.labels)), np.concatenate(
                    [split.pretrain, split.pool, split.test, split.dropped]))  # fmt: skip
                assert line[f"id_{end}"] in (unused if side == "unused" else getattr(split, side))
                seen = images.class_names.index(line[f"class_{end}"]) in split.seen
                assert line[f"seen_{end}"] == seen
    assert not leaks(exact).any() and leaks(near).sum() >= 2  # it is unused in one fold at most
    assert leaks(table).tolist() == sorted(leaks(table), reverse=True)
    with np.load(tmp_path / "duplicates.npz") as arrays:
        assert arrays["ids"].tolist()[0] == near[["id_a", "id_b"]].iloc[0].tolist()
        np.testing.assert_array_equal(arrays["pictures"], images.images[arrays["ids"]])


def test_the_leaked_image_is_the_one_of_the_test(made):
    images, rounds = made
    table = audit.pair_table(duplicates(images, rounds[0].store), images, {0: rounds[0].split})
    planted = images.names.index("test/class 0/01.png")
    found = leaked(table, 0)
    assert found <= {planted}
    assert bool(found) == (audit.sides(rounds[0].split, len(images.labels))[
        images.names.index("train/class 0/near.jpg")] != "unused")  # fmt: skip


def test_a_clean_run_says_so_in_its_files(at, tmp_path):
    audit.write_duplicates(tmp_path, [at])
    table = pd.read_csv(tmp_path / "duplicates.csv")
    assert table.empty and list(table) == audit.COLUMNS
    assert np.load(tmp_path / "duplicates.npz")["pictures"].shape == (0, 2, 16, 16, 3)


def test_command_writes_pairs_and_pictures_and_counts(folder, tmp_path, capsys):
    asked = ["data=imagefolder", f"data.path={folder}", "data.size=32", f"out={tmp_path}"]
    assert audit.main([*asked, "device=cpu"]) == 0
    told = capsys.readouterr().out
    assert ["exact", "train", "and", "test", "1", "1"] in [
        line.split() for line in told.split("\n")
    ]
    assert ["near", "train", "and", "test", "1", "0"] in [line.split() for line in told.split("\n")]
    made = tmp_path / "audit" / "planted"
    table = pd.read_csv(made / "pairs.csv")
    assert table["kind"].tolist() == ["exact", "near"]
    assert str(tmp_path) not in (made / "pairs.csv").read_text()
    assert Image.open(io.BytesIO((made / "pairs.png").read_bytes())).width > 400
    assert json.loads(json.dumps(table["mirrored"].tolist())) == [False, False]


def test_command_names_what_is_wrong(tmp_path, capsys):
    asked = ["data=imagefolder", f"data.path={tmp_path}/none", f"out={tmp_path}", "device=cpu"]
    assert audit.main(asked) == 3
    assert "does not exist" in capsys.readouterr().err


def test_command_asks_nothing_of_methods_that_it_never_runs(folder, tmp_path, capsys):
    """At 16 px the quickstart's networks would be refused."""
    asked = ["data=imagefolder", f"data.path={folder}", "data.size=16", f"out={tmp_path}"]
    assert audit.main(asked) == 0
    assert audit.main(["out=null"]) == 2 and "out=None" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert audit.main([*asked[:-1], f"out={tmp_path / 'file'}"]) == 4


def test_command_has_help(capsys):
    with pytest.raises(SystemExit) as stopped:
        audit.main(["--help"])
    told = capsys.readouterr().out
    assert stopped.value.code == 0 and "exit codes: 0 done" in told and "imagefolder" in told
