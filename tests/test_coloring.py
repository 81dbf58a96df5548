"""Any size and aspect, no colour of the picture itself, temperature, and who may colorize."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import lab2rgb, rgb2lab
from torch import nn

from benchmarks.coloring import PictureColorizer, colors_lightness, predicted_ab
from benchmarks.errors import ConfigError, IntegrityError, ResourceError
from benchmarks.trained import Trained
from models.alexnet import HalfAlexNet
from models.block_autoencoder import BlockAutoencoder
from models.color import as_images
from models.outputs import ColorBins, LightnessBins, Regression
from models.pretext.autoencoding import Autoencoding
from models.pretext.colorization import Colorization
from models.pretext.cross_channel import CrossChannel
from models.pretext.gray_to_rgb import GrayToRgb
from models.pretext.lightness import Lightness
from models.pretext.translation import Translation
from models.splitbrain import SplitBrain

# Out of the gamut scikit-image clips as we do, and says so.
pytestmark = pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB:UserWarning")
RNG = np.random.default_rng(0)
SIDE, NEAR = 16, {"atol": 0.02, "rtol": 0}


def blocks(channels, out, levels=3):
    return BlockAutoencoder(
        channels, out, block_channels=[8] * levels, norm_groups=4, layers_per_block=1,
        attention=False,
    )  # fmt: skip


def half(channels, out):
    return HalfAlexNet(channels, out, stride=1, fc_width=8, width=0.1)


def split(channels, out):
    return SplitBrain(channels, out, half=half)


def trained(pretext, model=blocks, side=SIDE):
    torch.manual_seed(0)
    made = model(pretext.in_channels, pretext.out_channels)
    return Trained("some", 0, 0, side, made.eval(), pretext.eval())


def picture(height, width):
    return RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)


class Fixed(nn.Module):
    """A network for squares of one side alone, as those with fully connected layers are."""

    def __init__(self, channels, out):
        super().__init__()
        self.conv = nn.Conv2d(channels, out, 1)

    def forward(self, x):
        if x.shape[-2:] != (SIDE, SIDE):
            raise ValueError(f"expected {SIDE} x {SIDE}, got {x.shape[-2]} x {x.shape[-1]}")
        return self.conv(x)


@pytest.mark.parametrize("size", [(37, 91), (91, 37), (1, 1), (16, 16), (3, 200), (130, 7)])
@pytest.mark.parametrize("model", [blocks, half, Fixed])
def test_pictures_keep_size_and_aspect(size, model):
    pixels = picture(*size)
    out = PictureColorizer(trained(Colorization(), model))(pixels)
    assert out.shape == pixels.shape and out.dtype == np.uint8


def test_a_picture_that_fits_is_predicted_as_in_training():
    made = trained(Colorization())
    pixels = picture(SIDE, SIDE)
    gray = np.array(Image.fromarray(pixels).convert("L").convert("RGB"))
    with torch.no_grad():
        expected = predicted_ab(made, as_images(torch.from_numpy(gray[None])))
    torch.testing.assert_close(PictureColorizer(made).ab(gray), expected, **NEAR)


def test_a_picture_that_does_not_fit_is_continued_and_cut_not_stretched():
    """The network sees 16 x 39 of 37 x 91, mirrored up to 16 x 40."""
    made, seen = trained(Colorization()), []
    made.model.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    ab = PictureColorizer(made).ab(picture(37, 91))
    assert ab.shape == (1, 2, 16, 39) and seen[-1].shape == (1, 1, 16, 40)
    torch.testing.assert_close(seen[-1][..., 39], seen[-1][..., 38])


def test_the_working_size_is_a_choice():
    made = trained(Colorization())
    assert PictureColorizer(made, size=24).ab(picture(40, 60)).shape[-2:] == (24, 36)
    with pytest.raises(ConfigError, match="working size of 0"):
        PictureColorizer(made, size=0)


def test_the_colour_of_the_picture_is_not_looked_at():
    pixels = picture(SIDE, 20)
    neutral = lab2rgb(rgb2lab(pixels) * (1, 0, 0))[..., 0]
    for pretext in (CrossChannel(), GrayToRgb({"l2": 1}, distort=False)):
        whole = isinstance(pretext, CrossChannel)
        made, seen = trained(pretext, split if whole else half), []
        made.model.register_forward_pre_hook(lambda m, inputs, seen=seen: seen.append(inputs[0]))
        PictureColorizer(made)(pixels)
        lightness, ab = seen[0][0, 0].numpy(), seen[0][0, 1:]
        level = rgb2lab(pixels)[..., 0] / 50 - 1 if whole else 2 * neutral - 1
        np.testing.assert_allclose(lightness, level, atol=1e-3)
        assert len(ab) == (2 if whole else 0) and not (ab.abs() > 1e-3).any()


def test_equal_calls_give_equal_pictures():
    first, second = picture(20, 33), picture(33, 20)
    colorizer = PictureColorizer(trained(Colorization(ColorBins())))
    out = colorizer(first)
    colorizer(second)
    np.testing.assert_array_equal(colorizer(first), out)
    np.testing.assert_array_equal(PictureColorizer(trained(Colorization(ColorBins())))(first), out)


def test_white_stays_bright_whatever_the_network_says():
    """A ReLU without bound, as in Abramov's Colorizer, whose uint8 pictures wrap in white sky."""
    output = Regression(3, 40.0, bound="relu")
    colorizer = PictureColorizer(trained(GrayToRgb({"l2": 1}, distort=False, output=output)))
    seen = as_images(torch.full((1, SIDE, SIDE, 3), 255, dtype=torch.uint8))
    with torch.no_grad():
        assert (
            colorizer.trained.pretext.decode(colorizer.trained.model, seen, clip=False).max() > 1.1
        )
    lightness = rgb2lab(colorizer(np.full((30, 40, 3), 255, np.uint8)))[..., 0]
    assert lightness.min() > 60
    black = PictureColorizer(trained(Colorization()))(np.zeros((9, 9, 3), np.uint8))
    assert rgb2lab(black)[..., 0].max() < 20


def test_temperature_sharpens_classes():
    chroma, pixels = {}, picture(9, 9)
    for temperature in (None, 0.38, 0.05, 1):
        colorizer = PictureColorizer(trained(Colorization(ColorBins())), temperature=temperature)
        chroma[temperature] = colorizer.ab(pixels).norm(dim=1).mean().item()
    assert chroma[None] == chroma[0.38] and chroma[0.05] > chroma[0.38] > chroma[1]
    halves = CrossChannel(Colorization(ColorBins()), Lightness(LightnessBins()))
    PictureColorizer(trained(halves, split), temperature=0.5)
    assert halves.colorization.output.temperature == 0.5


@pytest.mark.parametrize(
    ("pretext", "temperature", "said"),
    [
        (Colorization(), 0.5, "predicts values, which have no temperature"),
        *[(Colorization(ColorBins()), bad, "cannot be") for bad in (0, -1.0, float("nan"))],
    ],
)
def test_a_temperature_that_cannot_be_is_refused(pretext, temperature, said):
    with pytest.raises(ConfigError, match=said) as caught:
        PictureColorizer(trained(pretext), temperature=temperature)
    assert caught.value.remedy


def test_a_prediction_out_of_gamut_is_clipped_once_where_it_meets_its_lightness():
    made, told = trained(Colorization()), torch.tensor([0.5, 0.9])
    with torch.no_grad():
        made.model.decoder.conv_out.weight.zero_()
        made.model.decoder.conv_out.bias.copy_(told)
    pixels = np.full((9, 9, 3), 128, np.uint8)
    ab = PictureColorizer(made).ab(pixels)
    torch.testing.assert_close(ab, (110 * told.tanh()).view(1, 2, 1, 1).expand_as(ab), **NEAR)
    lab = np.array([rgb2lab(pixels)[0, 0, 0], *(110 * told.tanh()).tolist()])
    expected = 255 * lab2rgb(np.broadcast_to(lab, (9, 9, 3)))
    assert np.abs(PictureColorizer(made)(pixels) - expected).max() <= 1


@pytest.mark.parametrize(("pretext", "expected"), [
    (Colorization(), True), (Colorization(ColorBins()), True), (CrossChannel(), True),
    (GrayToRgb({"l2": 1}), True), (Autoencoding("L/50-1"), False), (Lightness(), False),
    (Autoencoding("L/50-1,ab/110"), False), (Autoencoding("rgb[-1,1]"), False),
    (Translation(), False),
])  # fmt: skip
def test_who_gives_colour_to_lightness(pretext, expected):
    assert colors_lightness(pretext) is expected


def test_numbers_that_are_not_finite_are_told():
    made = trained(Colorization())
    with torch.no_grad():
        made.model.decoder.conv_out.bias.fill_(torch.nan)
    with pytest.raises(IntegrityError, match="some predicts numbers that are not finite"):
        PictureColorizer(made)(picture(8, 8))


def test_a_network_that_takes_nothing_says_why():
    made = trained(Colorization(), Fixed, side=SIDE + 1)
    with pytest.raises(ConfigError, match="expected 16 x 16, got 17 x 17"):
        PictureColorizer(made)(picture(8, 8))


def test_missing_memory_is_a_resource():
    made = trained(Colorization())

    def full(module, inputs):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    made.model.register_forward_pre_hook(full)
    with pytest.raises(ResourceError, match="out of memory on cpu"):
        PictureColorizer(made)(picture(8, 8))
