"""Rows of quality, end to end: a tiny method, the references, one record each."""

from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import reconstruct as module
from benchmarks.contest import Round
from benchmarks.errors import DataError
from benchmarks.instruments import Instruments
from benchmarks.judge import Judge
from benchmarks.painters import reference_painters
from benchmarks.reconstruct import even_subset, quality_rows, reference_rows, seconds_per_image
from models.block_autoencoder import BlockAutoencoder
from models.classifiers import SmallResNet
from models.color import lab_to_rgb, rgb_to_lab
from models.losses import Lpips
from models.outputs import ColorBins
from models.pretext.autoencoding import Autoencoding
from models.pretext.colorization import Colorization
from probes.training import Training

FORMULAS = {
    "ab_mae", "ab_mse", "psnr", "ssim", "auc", "auc_rebalanced", "colourfulness", "ab_width",
    "edge_agreement", "gamut_edge",
}  # fmt: skip
NETWORKS = {"lpips_squeeze_random", "fid_mean", "recoloured_top1"}
SPEED = {"ms_per_image", "images_per_second"}


class Mean(nn.Module):
    """Each channel's mean, as an extractor of features."""

    num_features, metric = 3, "fid_mean"

    def forward(self, images):
        return images.mean((2, 3))


@dataclass
class Trained:
    """A method with random weights, and a count of how often it was asked for them."""

    at: Round
    pretext: nn.Module = field(default_factory=Colorization)
    name: str = "tiny"
    pixels: int | None = None
    label_free: bool = True
    colorizer_key: str = "weights"

    def colorizer(self):
        torch.manual_seed(0)
        channels = (self.pretext.in_channels, self.pretext.out_channels)
        return BlockAutoencoder(*channels, block_channels=(4, 4), layers_per_block=1), self.pretext


@pytest.fixture(scope="module")
def instruments():
    training = Training(steps=120, max_epochs=120, batch_size=16, lr=1e-2, weight_decay=1e-2)
    return Instruments(
        lpips=Lpips("squeeze", weights="random"),
        fid=Mean(),
        judge=Judge(network=partial(SmallResNet, widths=(8, 16, 16)), training=training),
    )


@pytest.fixture(scope="module")
def where(make_round, tmp_path_factory):
    """A round that the tests of one table share."""
    return make_round(tmp_path_factory.mktemp("quality"))


@pytest.fixture(scope="module")
def table(where, instruments):
    """Rows of the references and of a method, by method, classes and metric."""
    rows = reference_rows(where, instruments=instruments)
    rows += quality_rows(Trained(where), instruments=instruments)
    found = {(row["method"], row["classes"], row["metric"]): row for row in rows}
    assert len(found) == len(rows)
    return found


def value(table, method, metric):
    return table[method, "unseen", metric]["value"]


def test_every_measure_has_a_row_on_seen_and_on_unseen_classes(table):
    for method in ("gray", "random_colours", "truth", "tiny"):
        found = {key[1:] for key in table if key[0] == method}
        # A pretext that clips cannot tell what was out of gamut.
        measured = FORMULAS | NETWORKS | {"out_of_gamut"}
        expected = {(c, m) for c in ("seen", "unseen") for m in measured}
        expected |= {("all", m) for m in SPEED} if method == "tiny" else set()
        assert found == expected


def test_rows_say_where_they_come_from(table, where):
    row = table["tiny", "unseen", "psnr"]
    assert (row["fold"], row["seed"], row["n_test"]) == (0, 0, 8)
    assert table["tiny", "seen", "fid_mean"]["n_test"] == 24
    assert row["split"] == where.split.manifest_hash
    assert (where.store.path("quality", row["key"]) / "values.npz").is_file()


def test_the_truth_is_perfect_and_gray_has_no_colour(table):
    perfect = {
        "ab_mae": 0, "ab_mse": 0, "psnr": 58.92, "ssim": 1, "auc": 100, "auc_rebalanced": 100,
        "lpips_squeeze_random": 0, "fid_mean": 0, "out_of_gamut": 0,
    }  # fmt: skip
    found = {metric: value(table, "truth", metric) for metric in perfect}
    assert found == pytest.approx(perfect, abs=0.01)
    for metric in ("colourfulness", "ab_width", "edge_agreement"):
        assert value(table, "gray", metric) < 0.05 < 0.1 * value(table, "truth", metric)
    for metric in ("ab_mse", "lpips_squeeze_random", "fid_mean"):
        assert 0 < value(table, "gray", metric) < value(table, "random_colours", metric)
    gray, truth = (table[m, "seen", "recoloured_top1"]["value"] for m in ("gray", "truth"))
    assert 0.5 < truth > gray  # of eight classes


def test_rows_are_means_of_the_pictures_of_their_classes(table, where):
    record = np.load(
        where.store.path("quality", table["tiny", "seen", "auc"]["key"]) / "values.npz"
    )
    assert np.array_equal(record["ids"], where.split.test)
    assert np.array_equal(record["label"], where.images.labels[where.split.test])
    for classes in ("seen", "unseen"):
        among = np.isin(record["label"], getattr(where.split, classes))
        for metric in ("auc", "psnr", "recoloured_top1"):
            expected = record[metric][among].mean()
            assert table["tiny", classes, metric]["value"] == pytest.approx(expected)


def test_a_record_is_made_once(table, where, instruments, monkeypatch):
    def never(*_, **__):
        raise AssertionError("measured again")

    monkeypatch.setattr(module, "_record", never)
    again = quality_rows(Trained(where), instruments=instruments)
    assert {(r["classes"], r["metric"]): r for r in again} == {
        key[1:]: row for key, row in table.items() if key[0] == "tiny"
    }
    for changed in (replace(Trained(where), colorizer_key="others"), Trained(where)):
        fewer = replace(instruments, max_images=8 if changed.colorizer_key == "weights" else None)
        with pytest.raises(AssertionError, match="measured again"):
            quality_rows(changed, instruments=fewer)


def test_batches_do_not_weigh(table, make_round, tmp_path, instruments, monkeypatch):
    """32 pictures as 6 batches of 5 and one of 2, seen and unseen mixed."""
    monkeypatch.setattr(module, "BATCH", 5)
    at = make_round(tmp_path)
    for row in quality_rows(Trained(at), instruments=instruments):
        if row["classes"] != "all":
            expected = table["tiny", row["classes"], row["metric"]]["value"]
            assert row["value"] == pytest.approx(expected, rel=1e-4, abs=1e-6), row["metric"]


def test_what_guesses_no_colour_has_no_row(where):
    assert quality_rows(Trained(where, Autoencoding()), instruments=Instruments()) == []


def test_classes_have_rows_at_every_temperature(where):
    method = Trained(where, Colorization(ColorBins()), "classes", colorizer_key="classes")
    rows = quality_rows(method, instruments=Instruments(max_images=8, temperatures=(1, 0)))
    found = {
        (row["method"], row["metric"]): row["value"] for row in rows if row["classes"] == "seen"
    }
    assert {name for name, _ in found} == {"classes", "classes T=1", "classes T=0"}
    widths = [found[f"classes{suffix}", "ab_width"] for suffix in (" T=1", "", " T=0")]
    assert widths == sorted(widths) and widths[2] > 2 * widths[0]


class Loud(Colorization):
    """Colours far out of gamut, or no numbers at all."""

    shift = 200.0

    def decode(self, model, images, clip=True):
        lab = rgb_to_lab(images)
        lab[:, 1:] += self.shift
        return lab_to_rgb(lab, clip=clip)


def test_out_of_gamut_is_measured_before_clipping(where):
    rows = quality_rows(Trained(where, Loud(), "loud", colorizer_key="loud"),
                        instruments=Instruments())  # fmt: skip
    found = {row["metric"]: row["value"] for row in rows if row["classes"] == "seen"}
    assert found["out_of_gamut"] > 0.9
    assert found["out_of_gamut"] <= found["gamut_edge"]
    assert found["ab_mae"] < 200  # as clipped, not as painted


def test_pictures_without_numbers_are_refused(where):
    broken = Loud()
    broken.shift = float("nan")
    with pytest.raises(DataError, match="32 of 32 pictures of broken have pixels that are not"):
        quality_rows(Trained(where, broken, "broken", colorizer_key="broken"),
                     instruments=Instruments())  # fmt: skip


def test_a_subset_is_even_over_classes_and_nested():
    labels = np.repeat(np.arange(5), [4, 9, 9, 2, 9])
    ids = np.arange(33)[::-1].copy()
    previous: set[int] = set()
    for size in range(1, 34):
        chosen = even_subset(ids, labels, size)
        assert len(chosen) == size
        assert (np.diff(chosen) > 0).all()
        assert previous < set(chosen.tolist())
        previous = set(chosen.tolist())
        full = np.bincount(labels)
        counts = np.bincount(labels[chosen], minlength=5)
        open_ = counts < full  # classes with pictures left lie within one of the largest
        assert (counts[open_] >= counts.max() - 1).all()
    assert np.array_equal(even_subset(ids, labels, None), np.arange(33))
    assert np.array_equal(even_subset(ids, labels, 100), np.arange(33))


def test_few_pictures_are_measured_if_few_are_asked_for(where):
    rows = quality_rows(Trained(where), instruments=Instruments(max_images=8))
    assert {row["n_test"] for row in rows if row["classes"] != "all"} == {6, 2}


def test_speed_is_the_median_of_warm_batches(at, monkeypatch):
    clock = iter([0, 90, 100, 101, 200, 204, 300, 302, 400, 450, 500, 503])
    monkeypatch.setattr(module.time, "perf_counter", lambda: float(next(clock)))
    painter = reference_painters(at)[2]
    images = torch.zeros(4, 3, 16, 16)
    # 90 s to warm up, then 1, 4, 2, 50 and 3 s for four pictures.
    assert seconds_per_image(painter, images, np.arange(4)) == 0.75
