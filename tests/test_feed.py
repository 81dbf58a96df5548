"""What feeds a step: the very input and targets of the losses, and shares that can be checked."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmarks.batches import Batches
from benchmarks.errors import ConfigError
from benchmarks.precision import Arithmetic
from benchmarks.pretrain import Recipe
from benchmarks.timing import feed
from benchmarks.timing.feed import Fed, feed_seconds, feeding, made_of
from models.alexnet import HalfAlexNet
from models.outputs import ColorBins, LightnessBins
from models.pretext.autoencoding import Autoencoding
from models.pretext.colorization import Colorization
from models.pretext.cross_channel import CrossChannel
from models.pretext.gray_to_rgb import GrayToRgb
from models.pretext.lightness import Lightness
from models.splitbrain import SplitBrain


def classes():
    return CrossChannel(Colorization(ColorBins()), Lightness(LightnessBins()))


def color_classes():
    return Colorization(ColorBins())


def lightness_classes():
    return Lightness(LightnessBins())


PRETEXTS = [Colorization, color_classes, lightness_classes, Autoencoding, classes]


def half(inputs, outputs):
    return HalfAlexNet(inputs, outputs, stride=1, fc_width=8, width=0.1)


def network(pretext):
    torch.manual_seed(0)
    if isinstance(pretext, CrossChannel):
        return SplitBrain(pretext.in_channels, pretext.out_channels, half=half)
    return half(pretext.in_channels, pretext.out_channels)


@pytest.mark.parametrize("make", PRETEXTS)
def test_what_is_timed_is_what_the_losses_use(make):
    """The loss of the network on what was made, written out here, is the pretext's own."""
    pretext = make()
    model, images = network(pretext).eval(), torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        own = sum(pretext.losses(model, images, torch.zeros(3, 0)).values())
        seen, targets = made_of(pretext, images, _raw(model, pretext, images))
        outputs = model(seen)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    loss = 0
    for output, target in zip(outputs, targets, strict=True):
        if target.is_floating_point():
            loss += functional.smooth_l1_loss(output.tanh(), target)
        else:
            loss += functional.cross_entropy(output, target)
    assert float(loss) == pytest.approx(float(own), rel=1e-5)


def _raw(model, pretext, images):
    """An output for its size alone: its values must not matter."""
    shown = torch.zeros(1, int(np.sum(pretext.in_channels)), *images.shape[-2:])
    raw = model(shown)
    return raw


def test_a_pretext_that_no_row_uses_is_refused():
    with pytest.raises(ConfigError, match="GrayToRgb"):
        made_of(
            GrayToRgb(losses={"smooth_l1": 1.0}), torch.rand(1, 3, 8, 8), torch.zeros(1, 3, 8, 8)
        )


def batches(n=24):
    images = np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)
    return Batches(images, np.arange(n), size=8, seed=0, n_draws=0, flip=True, device="cpu")


def test_time_goes_to_the_part_that_took_it(monkeypatch):
    """A second on a clock of its own for each batch, ten for an order, a hundred for colours."""
    clock = [0.0]
    monkeypatch.setattr(feed, "now", lambda device: clock[0])

    class Slow(Batches):
        def at(self, step, layout=torch.contiguous_format):
            clock[0] += 1
            return super().at(step, layout)

        def _begin(self, epoch):
            clock[0] += 10
            super()._begin(epoch)

    class Pretext(Colorization):
        def losses(self, model, images, draws):
            clock[0] += 10_000  # the step itself counts for neither
            return super().losses(model, images, draws)

    def slowly(images):
        clock[0] += 100
        return convert(images)

    convert = feed.rgb_to_lab
    monkeypatch.setattr(feed, "rgb_to_lab", slowly)
    made, pretext = batches(), Pretext()
    slow = Slow(made.images, made.ids, size=8, seed=0, n_draws=0, flip=True, device="cpu")
    found = feed_seconds(
        network(pretext), pretext, slow, recipe=Recipe(epochs=1), way=Arithmetic(), steps=2
    )
    assert found == (pytest.approx(1 + 10 / 3), 100)  # three batches a pass share its order


def test_steps_are_really_taken():
    pretext = Colorization()
    model = network(pretext)
    before = [p.clone() for p in model.parameters()]
    recipe, way = Recipe(epochs=1), Arithmetic("32-true", channels_last=True)
    found = feed_seconds(model, pretext, batches(), recipe=recipe, way=way, steps=2)
    assert all(math.isfinite(seconds) and seconds > 0 for seconds in found)
    assert any(not torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


FED = {
    "a": [Fed(0.100, 0.004, 0.001), Fed(0.200, 0.002, 0.004), Fed(0.100, 0.003, 0.003)],
    "b": [Fed(0.050, 0.0005, 0.002)],
}


def test_shares_are_of_the_same_turn_and_the_aim_is_judged():
    page = feeding(FED, "cpu")
    assert "| a | 100 ms | 3 ms | 3 ms | 3.0% (1.0% to 4.0%) | 2.0% (1.0% to 3.0%) |" in page
    assert "| b | 50 ms | 500 µs | 2 ms | 1.0% | 4.0% |" in page
    assert page.endswith("at most 3% of a step was aimed at: **not kept** by b (4.0%).")
    kept = feeding({"a": FED["a"]}, "cpu")
    assert kept.endswith("at most 3% of a step was aimed at: all keep within it.")


def test_what_a_batch_may_take_is_asked_of_a_gpu_alone():
    assert "For the batch" not in feeding(FED, "cpu")
    assert "at most 2% of a step was aimed at: **not kept** by a (3.0%)." in feeding(FED, "cuda")
