"""The loop learns, resumes bit for bit, and stops before a non-finite update."""

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks import pretrain as module
from benchmarks.batches import Batches
from benchmarks.errors import IntegrityError
from benchmarks.precision import Arithmetic, remembered
from benchmarks.pretrain import Recipe, pretrain
from models.alexnet import HalfAlexNet
from models.block_autoencoder import BlockAutoencoder
from models.outputs import ColorBins
from models.pretext.adversarial import Adversarial
from models.pretext.colorization import Colorization
from models.pretext.cross_channel import CrossChannel
from models.splitbrain import SplitBrain

RECIPE = Recipe(epochs=2, batch_size=8, precision="32-true")


def pictures(n: int = 32, size: int = 16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


def block() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    pretext = Colorization(losses={"smooth_l1": 1.0})
    return BlockAutoencoder(1, 2, block_channels=(8, 8), norm_groups=4), pretext


def splitbrain() -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    pretext = CrossChannel(
        colorization=Colorization(
            output=ColorBins(soft=True, rebalance=0.5), losses={"cross_entropy": 1.0}
        )
    )
    model = SplitBrain(
        (1, 2),
        pretext.out_channels,
        half=lambda i, o: HalfAlexNet(i, o, stride=1, fc_width=8, width=0.1),
    )
    return model, pretext


def gan(weight: float = 1.0) -> tuple[nn.Module, nn.Module]:
    """A conditional GAN: dropout in the model, batch statistics in the critic."""
    torch.manual_seed(0)
    pretext = Adversarial(
        Colorization(losses={"l1": 1.0}),
        lambda c: nn.Sequential(nn.Conv2d(c, 4, 4, 2), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 3)),
        weight=weight,
        critic_turns=2,
    )
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Dropout(), nn.Conv2d(8, 2, 1)]
    return nn.Sequential(*layers), pretext


def batches(pretext: nn.Module, images: np.ndarray | None = None) -> Batches:
    images = pictures() if images is None else images
    ids = np.arange(len(images))
    return Batches(images, ids, size=8, seed=1, n_draws=pretext.n_draws, flip=True, device="cpu")


class InterruptedRunError(Exception):
    """Stands for a signal between two updates."""


@pytest.mark.parametrize("make", [block, splitbrain, gan])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_resume_gives_the_same_weights_bit_for_bit(
    tmp_path, monkeypatch, make, optimizer, channels_last
):
    for folder in ("a", "b"):
        remembered(
            tmp_path / folder / "arithmetic.json", lambda: Arithmetic("32-true", channels_last)
        )
    recipe = Recipe(epochs=2, batch_size=8, precision="auto", optimizer=optimizer, lr=1e-3)
    whole, first = make()
    straight = pretrain(whole, first, batches(first), recipe=recipe, folder=tmp_path / "a")

    monkeypatch.setattr(module, "CHECKPOINT_EVERY", -1.0)  # after every update
    broken, pretext = make()
    seen = batches(pretext)
    original = seen.at

    def at(step, layout=torch.contiguous_format):
        if step == 5:
            raise InterruptedRunError
        return original(step, layout)

    seen.at = at  # type: ignore[method-assign]
    with pytest.raises(InterruptedRunError):
        pretrain(broken, pretext, seen, recipe=recipe, folder=tmp_path / "b")

    again, pretext = make()
    resumed = pretrain(again, pretext, batches(pretext), recipe=recipe, folder=tmp_path / "b")
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    for name, value in first.state_dict().items():  # a critic, where there is one
        assert torch.equal(value, pretext.state_dict()[name]), name
    assert [e["step"] for e in resumed.history] == [e["step"] for e in straight.history]
    assert resumed.history == straight.history
    assert resumed.channels_last is channels_last


def test_a_critic_trains_in_turn_and_is_logged(tmp_path):
    model, pretext = gan()
    before = {name: value.clone() for name, value in pretext.critic.state_dict().items()}
    history = pretrain(model, pretext, batches(pretext), recipe=RECIPE, folder=tmp_path).history
    assert {"l1", "adversarial", "critic_true", "critic_false"} <= history[-1].keys()
    for name, value in pretext.critic.named_parameters():
        assert not torch.equal(value, before[name]), name


def test_a_critic_without_weight_changes_nothing(tmp_path):
    # Abramov's Colorizer: the discriminator trains, its verdict reaches nobody (claim 19).
    trained = []
    for make in (lambda: gan(weight=0), lambda: (gan()[0], Colorization(losses={"l1": 1.0}))):
        model, pretext = make()
        folder = tmp_path / str(len(trained))
        pretrain(model, pretext, batches(pretext), recipe=RECIPE, folder=folder)
        trained.append(model.state_dict())
    for name, value in trained[0].items():
        assert torch.equal(value, trained[1][name]), name


def test_a_critic_with_weight_changes_the_model(tmp_path):
    trained = []
    for weight in (0.0, 1.0):
        model, pretext = gan(weight)
        folder = tmp_path / str(weight)
        pretrain(model, pretext, batches(pretext), recipe=RECIPE, folder=folder)
        trained.append(model[0].weight)
    assert not torch.equal(*trained)


def test_a_torn_checkpoint_falls_back_one_generation(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_EVERY", -1.0)
    model, pretext = block()
    pretrain(model, pretext, batches(pretext), recipe=RECIPE, folder=tmp_path)
    newest = sorted(tmp_path.glob("*.checkpoint"))[-1]
    newest.write_bytes(newest.read_bytes()[:-7])
    again, pretext = block()
    pretrain(again, pretext, batches(pretext), recipe=RECIPE, folder=tmp_path)
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_all_checkpoints_torn_stops_instead_of_starting_over(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_EVERY", -1.0)
    model, pretext = block()
    pretrain(model, pretext, batches(pretext), recipe=RECIPE, folder=tmp_path)
    for path in tmp_path.glob("*.checkpoint"):
        path.write_bytes(b"torn")
    with pytest.raises(IntegrityError, match="no checkpoint"):
        pretrain(model, pretext, batches(pretext), recipe=RECIPE, folder=tmp_path)


def test_training_lowers_the_loss(tmp_path):
    images = np.zeros((32, 16, 16, 3), np.uint8)
    images[..., 0] = 200  # all red: the colour can be learned as a constant
    model, pretext = block()
    recipe = Recipe(epochs=15, batch_size=8, precision="32-true", lr=3e-3)
    seen = batches(pretext, images)
    history = pretrain(model, pretext, seen, recipe=recipe, folder=tmp_path).history
    assert history[-1]["smooth_l1"] < 0.3 * history[0]["smooth_l1"]


class Spoiled(nn.Module):
    """A real pretext whose loss turns NaN at one step."""

    def __init__(self, pretext: nn.Module, step: int) -> None:
        super().__init__()
        self.pretext, self.n_draws, self.countdown = pretext, pretext.n_draws, step

    def prepare(self, images):
        self.pretext.prepare(images)

    def losses(self, model, images, draws):
        self.countdown -= 1
        terms = self.pretext.losses(model, images, draws)
        if self.countdown < 0:
            return {name: term * float("nan") for name, term in terms.items()}
        return terms


def test_a_non_finite_loss_stops_the_training_and_names_the_batch(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_EVERY", 0.0)
    model, pretext = block()
    spoiled = Spoiled(pretext, step=1)
    with pytest.raises(IntegrityError, match="step 1: smooth_l1, gradient of model is"):
        pretrain(model, spoiled, batches(spoiled), recipe=RECIPE, folder=tmp_path)
    # The checkpoint is that of the update before, so a sound run goes on from there.
    rest = pretrain(*block(), batches(pretext), recipe=RECIPE, folder=tmp_path)
    whole = pretrain(*block(), batches(pretext), recipe=RECIPE, folder=tmp_path / "whole")
    assert rest.history == whole.history


def test_batches_do_not_depend_on_what_was_asked_before():
    _, pretext = block()
    one, two = batches(pretext), batches(pretext)
    for step in range(7):
        one.at(step)
    assert torch.equal(one.at(7)[0], two.at(7)[0])
    assert not torch.equal(one.at(7)[0], one.at(6)[0])


def test_every_image_is_visited_once_an_epoch():
    _, pretext = block()
    seen = batches(pretext)
    seen.at(4)
    visited = np.concatenate([seen.samples(step) for step in range(4, 8)])
    assert sorted(visited) == list(range(32))


def test_rate_rises_then_falls_to_zero():
    recipe = Recipe(epochs=1, lr=2.0)
    rates = [recipe.rate(step, 100) for step in range(100)]
    assert np.argmax(rates) in (4, 5)
    assert max(rates) == pytest.approx(2.0)
    assert rates[-1] < 0.01
    assert Recipe(epochs=1, lr=2.0, schedule="constant").rate(99, 100) == 2.0


def test_a_share_of_a_pass_is_so_many_updates(tmp_path):
    assert [Recipe(epochs=e).steps(10) for e in (0, 0.01, 0.25, 1, 1.5)] == [0, 1, 2, 10, 15]
    model, pretext = block()
    recipe = Recipe(epochs=0.5, batch_size=8, precision="32-true")
    history = pretrain(model, pretext, batches(pretext), recipe=recipe, folder=tmp_path).history
    assert history[-1]["images"] == 16
