"""Where pictures come from: what references show, and that methods keep what they were given."""

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.batches import load
from benchmarks.contest import Round
from benchmarks.painters import (
    annealed_painters,
    colorizes,
    method_painter,
    on_full_size,
    reference_painters,
)
from models.block_autoencoder import BlockAutoencoder
from models.color import lab_to_rgb, rgb_to_lab
from models.outputs import ColorBins, Regression
from models.pretext.autoencoding import LAB, LIGHTNESS, RGB, Autoencoding
from models.pretext.colorization import Colorization
from models.pretext.gray_to_rgb import GrayToRgb
from models.pretext.lightness import Lightness
from models.quantize import ab_bin_centers


@dataclass
class Trained:
    """A method with random weights."""

    at: Round
    pretext: nn.Module = field(default_factory=Colorization)
    pixels: int | None = None
    name: str = "tiny"
    label_free: bool = True
    colorizer_key: str = "weights"

    def colorizer(self):
        torch.manual_seed(0)
        channels = (self.pretext.in_channels, self.pretext.out_channels)
        return BlockAutoencoder(*channels, block_channels=(4, 4), layers_per_block=1), self.pretext


class Unclipped(Colorization):
    """A pretext that can leave its colours as they are."""

    def decode(self, model, images, clip=True):
        lab = rgb_to_lab(images)
        lab[:, 1:] = 90
        return lab_to_rgb(lab, clip=clip)


class Clipped(Colorization):
    """A pretext that always clips."""

    def decode(self, model, images):
        return super().decode(model, images)


def paint(painter, at, ids):
    with torch.no_grad():
        images = load(at.images.images, ids, "cpu")
        return images, painter.paint(images, ids)


@pytest.fixture
def references(at):
    return {painter.name: painter for painter in reference_painters(at)}


def test_gray_keeps_lightness_and_has_no_colour(references, at):
    images, found = paint(references["gray"], at, at.split.test[:4])
    assert torch.allclose(rgb_to_lab(found)[:, 0], rgb_to_lab(images)[:, 0], atol=1e-2)
    assert rgb_to_lab(found)[:, 1:].abs().max() < 0.01
    assert (found.amax(1) - found.amin(1)).max() < 1e-3


def test_truth_is_the_picture(references, at):
    images, found = paint(references["truth"], at, at.split.test[:4])
    assert torch.equal(images, found)


def test_random_colours_are_those_of_a_pretrain_picture(references, at):
    ids = at.split.test[[3, 0, 7]]
    images, found = paint(references["random_colours"], at, ids)
    lab = rgb_to_lab(found)
    assert torch.allclose(lab[:, 0], rgb_to_lab(images)[:, 0], atol=0.1)
    pretrain = rgb_to_lab(load(at.images.images, at.split.pretrain, "cpu"))[:, 1:]
    distance = (lab[:, None, 1:] - pretrain[None]).abs().amax((2, 3, 4))
    nearest, source = distance.min(1)
    assert nearest.max() < 0.5
    assert len(set(source.tolist())) > 1
    # A picture's partner does not depend on the batch that it is in.
    _, alone = paint(references["random_colours"], at, ids[2:])
    assert torch.equal(alone, found[2:])


def test_only_random_colours_depend_on_the_seed(make_round, tmp_path):
    keys = [
        [painter.key for painter in reference_painters(make_round(tmp_path, seed=seed))]
        for seed in (0, 1)
    ]
    assert [one == two for one, two in zip(*keys, strict=True)] == [True, False, True]


@pytest.mark.parametrize(
    ("pretext", "expected"),
    [
        (Colorization(), True),
        (Colorization(ColorBins()), True),
        (GrayToRgb({"l1": 1}), True),
        (Lightness(), False),
        (Autoencoding(LIGHTNESS), False),
        (Autoencoding(LAB), False),
        (Autoencoding(RGB), False),
    ],
)
def test_what_guesses_colours(pretext, expected, at):
    assert colorizes(pretext) is expected
    assert (method_painter(Trained(at, pretext)) is not None) is expected
    pretext.colorizes = not expected
    assert colorizes(pretext) is not expected


@pytest.mark.parametrize("pretext", [Colorization(), GrayToRgb({"l1": 1}, distort=False)])
def test_a_method_paints_as_its_pretext_decodes(at, pretext):
    method = Trained(at, pretext)
    model, _ = method.colorizer()
    images, found = paint(method_painter(method), at, at.split.test[:3])
    with torch.no_grad():
        assert torch.equal(found.clamp(0, 1), pretext.decode(model.eval(), images).clamp(0, 1))


def test_a_pretext_that_can_is_asked_not_to_clip(at):
    plain, unclipped = (method_painter(Trained(at, p)) for p in (Clipped(), Unclipped()))
    assert (plain.unclipped, unclipped.unclipped) == (False, True)
    _, found = paint(unclipped, at, at.split.test[:2])
    assert found.min() < -0.1


def test_classes_are_painted_at_each_temperature(at):
    method = Trained(at, Colorization(ColorBins()))
    painters = annealed_painters(method, [1, 0.38, 0])
    assert [painter.name for painter in painters] == ["tiny T=1", "tiny T=0.38", "tiny T=0"]
    assert len({painter.key for painter in (*painters, method_painter(method))}) == 4
    (images, mean), (_, own), (_, mode) = (paint(p, at, at.split.test[:3]) for p in painters)
    assert torch.equal(own, paint(method_painter(method), at, at.split.test[:3])[1])
    lab = rgb_to_lab(images)
    with torch.no_grad():
        logits = method.colorizer()[0].eval()(lab[:, :1] / 50 - 1)
    ab = ab_bin_centers()
    mean_ab = torch.einsum("nqhw,qc->nchw", logits.softmax(1), ab)
    mode_ab = ab[logits.argmax(1)].permute(0, 3, 1, 2)
    for found, expected in ((mean, mean_ab), (mode, mode_ab)):
        wanted = lab_to_rgb(torch.cat((lab[:, :1], expected), dim=1), clip=False)
        assert ((found - wanted).abs() < 1e-3).float().mean() > 0.99
    assert method.pretext.output.temperature == 0.38


def test_values_have_no_temperature(at):
    assert annealed_painters(Trained(at), [1, 0.5]) == []


def test_a_smaller_method_keeps_lightness_at_full_size(at):
    method = Trained(at, Colorization(Regression(2, 20)), pixels=8)
    images, found = paint(method_painter(method), at, at.split.test[:4])
    lab = rgb_to_lab(found)
    inside = ((found >= 0) & (found <= 1)).all(1)
    difference = (lab[:, 0] - rgb_to_lab(images)[:, 0]).abs()
    assert inside.float().mean() > 0.5
    assert difference[inside].max() < 0.5
    small = images.reshape(4, 3, 8, 2, 8, 2).mean((3, 5))
    with torch.no_grad():
        expected = rgb_to_lab(method.pretext.decode(method.colorizer()[0].eval(), small))[:, 1:]
    large = nn.functional.interpolate(expected, size=(16, 16), mode="bilinear")
    assert (lab[:, 1:] - large)[inside[:, None].expand(-1, 2, -1, -1)].abs().max() < 0.5


def test_the_error_of_lightness_is_enlarged_not_lost():
    images = load(np.full((1, 8, 8, 3), 120, np.uint8), np.array([0]), "cpu")
    seen = images[..., ::2, ::2]
    lab = rgb_to_lab(seen) + torch.tensor([10.0, 6.0, -4.0]).view(1, 3, 1, 1)
    found = rgb_to_lab(on_full_size(lab_to_rgb(lab), seen, images)) - rgb_to_lab(images)
    expected = torch.tensor([10.0, 6.0, -4.0]).view(1, 3, 1, 1).expand(1, 3, 8, 8)
    torch.testing.assert_close(found, expected, atol=0.02, rtol=0)
