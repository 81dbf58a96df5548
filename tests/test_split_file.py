"""A run's split file makes the same split again, and says where the data is other."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from benchmarks.errors import ConfigError, DataError
from benchmarks.partition import manifest
from benchmarks.split_file import manifest_split, overlaps, read_manifest
from benchmarks.splits import audit, fold_split


@pytest.fixture
def written(pictures, tmp_path):
    """A folder with the split files of two folds, and the splits."""
    splits = [fold_split(*pictures.labelling, fold=fold, n_folds=4) for fold in (0, 1)]
    for fold, split in enumerate(splits):
        (tmp_path / f"split-{fold}.tsv").write_text(manifest(split, pictures.hashes))
    return tmp_path, splits


def edited(folder, change):
    """The file of fold 0 with its lines changed, under the same name."""
    file = folder / "split-0.tsv"
    file.write_text("\n".join(change(file.read_text().splitlines())) + "\n")
    return file


def moved(side, to):
    """A change that puts the first image of a side on another side, too."""

    def change(lines):
        line = next(line for line in lines if line.startswith(f"{side}\t") and line.count("\t") > 1)
        return [*lines, to + line.removeprefix(side)]

    return change


def test_a_file_gives_the_split_that_wrote_it(pictures, written):
    folder, splits = written
    for fold, split in enumerate(splits):
        for path in (folder, folder / f"split-{fold}.tsv"):
            again = manifest_split(*pictures.labelling, fold=fold, path=str(path))
            assert again.manifest_hash == split.manifest_hash
            for side in ("pretrain", "pool", "test", "seen", "unseen", "dropped"):
                np.testing.assert_array_equal(getattr(again, side), getattr(split, side))
            audit(again, pictures.labels, pictures.hashes)
    text = (folder / "split-0.tsv").read_bytes()
    assert read_manifest(folder / "split-0.tsv").split.manifest_hash == (
        hashlib.sha256(text).hexdigest()
    )


def test_lines_in_another_order_are_the_same_split(pictures, written):
    folder, splits = written
    file = edited(folder, lambda lines: lines[::-1])
    assert read_manifest(file).split.manifest_hash != splits[0].manifest_hash
    again = manifest_split(*pictures.labelling, fold=0, path=str(file))
    assert again.manifest_hash == splits[0].manifest_hash


def test_a_fold_is_in_its_own_file(pictures, written):
    folder, splits = written
    with pytest.raises(ConfigError, match="not of fold 1"):
        manifest_split(*pictures.labelling, fold=1, path=str(folder / "split-0.tsv"))
    with pytest.raises(ConfigError, match="no split of fold 2"):
        manifest_split(*pictures.labelling, fold=2, path=str(folder))
    with pytest.raises(ConfigError, match="no split at"):
        manifest_split(*pictures.labelling, fold=0, path=str(folder / "absent.tsv"))
    free = folder / "mine.tsv"
    free.write_text((folder / "split-1.tsv").read_text())
    made = manifest_split(*pictures.labelling, fold=0, path=str(free))
    assert made.manifest_hash == splits[1].manifest_hash


def test_contents_that_the_data_does_not_have_are_counted_and_named(pictures, written):
    folder, splits = written
    labels, is_test, hashes, names = pictures.labelling
    other = hashes.copy()
    first, second = splits[0].pretrain[:2]
    other[first] = "0" * 32
    with pytest.raises(DataError, match=rf"1 of \d+ images .* number {first} \({hashes[first]}\)"):
        manifest_split(labels, is_test, other, names, fold=0, path=str(folder))
    other = hashes.copy()
    other[[first, second]] = hashes[[second, first]]
    with pytest.raises(DataError, match=f"2 images .* other numbers .* as {first}"):
        manifest_split(labels, is_test, other, names, fold=0, path=str(folder))
    with pytest.raises(DataError, match="divides 8 classes, the data has 9"):
        manifest_split(labels, is_test, hashes, (*names, "more"), fold=0, path=str(folder))
    with pytest.raises(DataError, match="tests on images that this data trains on"):
        manifest_split(labels, ~is_test, hashes, names, fold=0, path=str(folder))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (moved("pretrain", "test"), "1 image twice.*pretrain, test"),
        (moved("pool", "pool"), "1 image twice.*pool, pool"),
        (lambda lines: [*lines, "unseen\t0", "seen\t0"], "class twice, such as 0: "),
    ],
)
def test_an_overlap_is_found(pictures, written, change, said):
    folder, _ = written
    assert overlaps(read_manifest(folder / "split-0.tsv")) == []
    with pytest.raises(DataError, match=said):
        manifest_split(*pictures.labelling, fold=0, path=str(edited(folder, change)))


def test_one_content_on_two_sides_is_found(pictures, written):
    folder, splits = written
    a, b = splits[0].pretrain[0], splits[0].test[0]
    contents = [str(pictures.hashes[i]) for i in (a, b)]
    file = edited(folder, lambda lines: [line.replace(*contents) for line in lines])
    assert overlaps(read_manifest(file)) == [
        f"contents in both pretrain and test, such as {contents[1]}"
    ]


@pytest.mark.parametrize("line", ["train\t3\tab", "pool\t3", "pool\tx\tab", "seen\t1\t2", ""])
def test_a_line_that_is_of_no_split_is_named(written, line):
    file = edited(written[0], lambda lines: [lines[0], line, *lines[1:]])
    with pytest.raises(DataError, match="line 2 is not of a split"):
        read_manifest(file)


def test_an_image_has_one_content(written):
    file = edited(written[0], lambda lines: [*lines, "test\t0\tab", "test\t0\tcd"])
    with pytest.raises(DataError, match="gives image 0 two contents"):
        read_manifest(file)


def test_a_run_on_the_split_of_another_has_its_split_and_rows(start, finished, tmp_path):
    some = ["methods=[block_untrained]", "baselines=[chance]", "folds=[1]", "budgets=[2]"]
    assert start(tmp_path, f"split={finished / 'split-1.tsv'}", *some) == 0
    (again,) = (tmp_path / "runs").iterdir()
    assert (again / "split-1.tsv").read_bytes() == (finished / "split-1.tsv").read_bytes()
    found, old = (pd.read_csv(folder / "rows.csv") for folder in (again, finished))
    cell = ["method", "classifier", "classes", "labels_per_class", "fold", "metric"]
    both = found.merge(old, on=cell, suffixes=("", "_old"))
    assert len(both) == len(found) == 3 * 9
    for name in ("split", "key", "value", "tap", "n_test"):
        assert both[name].tolist() == both[f"{name}_old"].tolist(), name


def test_a_split_of_other_data_is_refused(start, finished, tmp_path, capsys):
    assert start(tmp_path, f"split={finished}", "data.seed=2") == 3
    assert "are not in the data" in capsys.readouterr().err
    assert start(tmp_path, f"split={finished / 'split-1.tsv'}", "folds=[0]") == 2
    assert "give folds=[1]" in capsys.readouterr().err
