import pytest
import torch
from torch import nn

from models.classifiers import SmallFoodClassifier, SmallResNet


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("in_channels", "expected"), [(3, 325_093), (4, 326_245)])
def test_food_classifier_has_the_published_parameters(in_channels, expected):
    with torch.device("meta"):
        assert count(SmallFoodClassifier(101, in_channels)) == expected


def test_food_classifier_sees_five_by_five_pixels():
    torch.manual_seed(0)
    model, x = SmallFoodClassifier(4).eval(), torch.rand(1, 3, 15, 15, requires_grad=True)
    model.maps(x)[0, :, 7, 7].abs().sum().backward()
    rows, columns = x.grad.abs().sum((0, 1)).nonzero(as_tuple=True)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (5, 9, 5, 9)


def test_food_classifier_averages_maps_without_a_last_relu():
    torch.manual_seed(0)
    model, x = SmallFoodClassifier(4).eval(), torch.rand(2, 3, 8, 8)
    maps = model.maps(x)
    pooled = torch.stack([maps[:, :, i, j] for i in range(8) for j in range(8)]).sum(0) / 64
    expected = pooled @ model.linear.weight.T + model.linear.bias
    torch.testing.assert_close(model(x), expected, atol=1e-5, rtol=1e-4)
    assert maps.min() < 0


def test_resnet_has_the_parameters_counted_by_hand():
    stem = 3 * 32 * 9
    first = 64 + 32 * 32 * 9 + 64 + 32 * 32 * 9
    second = 64 + 32 * 64 * 9 + 128 + 64 * 64 * 9 + 32 * 64
    third = 128 + 64 * 128 * 9 + 256 + 128 * 128 * 9 + 64 * 128
    head = 256 + 128 * 10 + 10
    with torch.device("meta"):
        assert count(SmallResNet(10)) == stem + first + second + third + head


@pytest.mark.parametrize(("size", "blocks"), [(32, 1), (64, 2)])
def test_resnet_halves_the_map_twice(size, blocks):
    model = SmallResNet(6, 1, widths=(4, 8, 8), blocks=blocks)
    x = torch.rand(2, 1, size, size)
    assert model.units(model.stem(x)).shape == (2, 8, size // 4, size // 4)
    assert len(model.units) == 3 * blocks
    assert model(x).shape == (2, 6)


def test_unit_without_residual_is_the_identity():
    torch.manual_seed(0)
    unit = SmallResNet(2, widths=(4,)).units[0]
    nn.init.zeros_(unit.conv2.weight)
    x = torch.randn(2, 4, 8, 8)
    assert torch.equal(unit(x), x)


@pytest.mark.parametrize("model_class", [SmallFoodClassifier, SmallResNet], ids=["food", "resnet"])
def test_classifier_learns_a_colour(model_class):
    torch.manual_seed(0)
    model = model_class(2)
    labels = torch.arange(16) % 2
    images = 0.2 * torch.rand(16, 3, 8, 8)
    images[labels == 1, 0] += 0.5
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(15):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
    assert (model(images).argmax(1) == labels).all()
