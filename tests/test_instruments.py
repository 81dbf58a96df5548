"""Instruments say what is missing, are part of a record's key, and count colours themselves."""

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from benchmarks.batches import load
from benchmarks.instruments import Instruments, Measures, ab_prior
from benchmarks.judge import Judge
from benchmarks.settings import build
from models.classifiers import SmallResNet
from models.color import rgb_to_lab
from models.losses import Lpips
from models.quantize import ab_bin_centers
from probes.training import Training


class Mean(nn.Module):
    """Each channel's mean, as an extractor of features."""

    num_features, metric = 3, "fid_mean"

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, images):
        return self.scale * images.mean((2, 3))


def judge(**changes) -> Judge:
    settings = {"steps": 4, "max_epochs": 4, "batch_size": 16, "lr": 1e-3, "weight_decay": 1e-2}
    return Judge(network=SmallResNet, training=Training(**{**settings, **changes}))


@pytest.fixture(scope="module")
def lpips():
    return Lpips("squeeze", weights="random")


def test_notes_say_what_is_missing_or_stands_in(lpips):
    assert [note.split()[0] for note in Instruments().notes] == ["LPIPS", "FID", "recoloured"]
    full = Instruments(lpips=lpips, fid=Mean(), judge=judge(), max_images=1200)
    assert full.notes == [
        "lpips_squeeze_random is not LPIPS as published: its trunk is random",
        "fid_mean is not FID as published: its network is another",
        "quality was measured on at most 1,200 test pictures",
    ]


def test_no_picture_is_too_few():
    with pytest.raises(ValueError, match="max_images of 1 or more"):
        Instruments(max_images=0)


@pytest.mark.parametrize("temperature", [-0.1, float("nan"), float("inf")])
def test_a_temperature_that_cannot_be_is_refused(temperature):
    with pytest.raises(ValueError, match="temperatures of 0 or more"):
        Instruments(temperatures=[1, temperature])


def test_whatever_changes_values_changes_the_key(lpips, at):
    made = [
        Instruments(), Instruments(lpips=lpips), Instruments(fid=Mean()),
        Instruments(lpips=Lpips("squeeze", weights="random", seed=1)),
        Instruments(fid=Mean(2.0)), Instruments(judge=judge()), Instruments(judge=judge(steps=5)),
        Instruments(max_images=5),
    ]  # fmt: skip
    assert len({str(instruments.made_of(at)) for instruments in made}) == len(made)
    assert Instruments(fid=Mean()).made_of(at) == Instruments(fid=Mean()).made_of(at)


def test_the_prior_counts_the_pretrain_split_alone(at):
    lab = rgb_to_lab(load(at.images.images, at.split.pretrain, "cpu"))
    ab = lab[:, 1:].permute(0, 2, 3, 1).reshape(-1, 2)
    nearest = torch.cdist(ab, ab_bin_centers()).argmin(1).numpy()
    expected = np.bincount(nearest, minlength=313)
    found = ab_prior(at).numpy()
    assert found.sum() == expected.sum() == 256 * len(at.split.pretrain)
    # Pixels half way between two bins may fall to either.
    assert np.abs(found - expected).sum() < 0.001 * found.sum()


def test_the_judge_is_right_where_it_says_the_label(lpips, at):
    instruments = Instruments(lpips=lpips, judge=judge())
    ids = at.split.test[:6]
    truth = load(at.images.images, ids, "cpu")
    predicted = truth.flip(1)
    found = Measures(instruments, at)(predicted, truth, at.images.labels[ids])
    said = instruments.judge.trained(at).predict(at.images.images[ids][..., ::-1])
    assert found["recoloured_top1"].tolist() == (said == at.images.labels[ids]).tolist()
    assert found["lpips_squeeze_random"].min() > 0
    assert all(of.dtype == torch.float64 and of.shape == (6,) for of in found.values())


def test_without_networks_only_formulas_measure(at):
    truth = load(at.images.images, at.split.test[:2], "cpu")
    found = Measures(Instruments(), at)(truth, truth, at.images.labels[at.split.test[:2]])
    assert "psnr" in found
    assert not [name for name in found if name.startswith(("lpips", "recoloured", "fid"))]


CONFIG = """
_target_: benchmarks.instruments.Instruments
max_images: 6
fid: {_target_: benchmarks.picture_distances.FidInception, weights: random}
judge:
  _target_: benchmarks.judge.Judge
  network: {_target_: models.classifiers.SmallResNet, _partial_: true, widths: [8, 8]}
  training:
    {_target_: probes.training.Training, steps: 4, max_epochs: 4, batch_size: 16, lr: 1.0e-3,
    weight_decay: 1.0e-2}
"""


def test_a_config_can_give_them(at):
    made = build(OmegaConf.create(CONFIG))
    assert [note.split()[0] for note in made.notes] == ["LPIPS", "fid_random", "quality"]
    assert len(made.judge.trained(at).network.units) == 2
    again = build(OmegaConf.create(CONFIG))
    assert made.made_of(at) == again.made_of(at)
    wider = build(OmegaConf.create(CONFIG.replace("[8, 8]", "[8, 16]")))
    assert wider.judge.key(at) != made.judge.key(at)
