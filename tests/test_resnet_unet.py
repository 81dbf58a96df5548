import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save_file
from torch import nn
from torchvision.models import resnet18

from models.resnet_unet import ResnetUnet


def small(in_channels: int = 1, out_channels: int = 2, **settings) -> ResnetUnet:
    torch.manual_seed(0)
    return ResnetUnet(in_channels, out_channels, **({"width": 4} | settings))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


@pytest.fixture(scope="module")
def classifier() -> nn.Module:
    """Torchvision's ResNet18 as initialised, with batch statistics that do something."""
    torch.manual_seed(1)
    model = resnet18(weights=None).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 1.5)
    return model


@pytest.fixture(scope="module")
def file(classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "resnet18.safetensors"
    save_file(classifier.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def loaded(file):
    return ResnetUnet(3, 2, weights=file).eval()


def test_parameters_are_those_of_fastai_and_torchvision():
    with torch.device("meta"):
        model, classifier = ResnetUnet(1, 2), resnet18(weights=None)
    assert count(model) == 31_099_672  # fastai 2.8.12: DynamicUnet(body, 2, (256, 256))
    in_other_channels = 2 * 64 * 7 * 7
    assert count(model.body) == count(classifier) - count(classifier.fc) - in_other_channels


def test_maps_at_256_px():
    with torch.device("meta"):
        model, x = ResnetUnet(1, 2), torch.empty(1, 1, 256, 256)
        maps = {tap: tuple(value.shape[1:]) for tap, value in model.encode(x).items()}
        assert model(x).shape == (1, 2, 256, 256)
    assert maps == {
        "stem": (64, 128, 128),
        "layer1": (64, 64, 64),
        "layer2": (128, 32, 32),
        "layer3": (256, 16, 16),
        "layer4": (512, 8, 8),
        "bottleneck": (512, 8, 8),
    }


@pytest.mark.parametrize("width", [1, 3, 8])
def test_any_width_runs_and_taps_agree_with_channels(width):
    model, x = small(2, 5, width=width), torch.randn(2, 2, 32, 64)
    maps = model.encode(x)
    assert tuple(maps) == model.taps == tuple(model.channels)
    assert {tap: value.shape[1] for tap, value in maps.items()} == model.channels
    assert model(x).shape == (2, 5, 32, 64)


def test_body_with_weights_of_a_file_is_the_classifier_s(classifier, loaded):
    x, cut = torch.randn(1, 3, 64, 32), nn.Sequential(*list(classifier.children())[:-2])
    with torch.no_grad():
        maps = loaded.encode(x)
        torch.testing.assert_close(maps["layer4"], cut(x))
        torch.testing.assert_close(maps["stem"], cut[:3](x))


def test_first_convolution_answers_to_gray_as_to_rgb(classifier, file):
    model = ResnetUnet(1, 2, weights=str(file))
    gray = torch.randn(1, 1, 32, 32)
    expected = classifier.conv1(gray.expand(-1, 3, -1, -1))
    torch.testing.assert_close(model.body.conv1(gray), expected, atol=1e-5, rtol=1e-4)


def test_only_a_model_without_given_weights_is_label_free(loaded):
    assert small().label_free
    assert not loaded.label_free


def test_published_weights_come_from_the_cache(classifier, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(classifier.state_dict(), folder / "resnet18-f37072fd.pth")
    model = ResnetUnet(2, 2, weights="torchvision")
    assert torch.equal(model.body.layer3[1].conv2.weight, classifier.layer3[1].conv2.weight)
    half_of_gray = classifier.conv1.weight.sum(dim=1) / 2
    torch.testing.assert_close(model.body.conv1.weight[:, 1], half_of_gray)
    assert not model.label_free


def test_without_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"resnet18-f37072fd\.pth.*weights=FILE.*weights=none"):
        small(weights="torchvision")


def test_files_that_do_not_fit_are_refused(tmp_path, file):
    path = tmp_path / "body.safetensors"
    with pytest.raises(ValueError, match=r"existing \.safetensors"):
        small(weights=path)
    pickled = tmp_path / "body.pth"
    pickled.touch()
    with pytest.raises(ValueError, match="save_file"):
        small(weights=str(pickled))
    path.write_bytes(b"not a tensor file")
    with pytest.raises(ValueError, match="not a readable"):
        small(weights=path)
    save_file({"conv1.weight": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"conv1\.weight should have shape \(4, 1, 7, 7\), got"):
        small(weights=path)
    with pytest.raises(ValueError, match=r"got \(64, 1, 7, 7\).*leave width at 64"):
        small(weights=file)


def test_enlargement_starts_as_nearest_neighbour():
    model, x = small(), torch.randn(2, 32, 3, 5)
    conv = model.ups[0].enlarge[0]
    nearest = F.interpolate(conv(x).relu()[:, ::4], scale_factor=2, mode="nearest")
    torch.testing.assert_close(model.ups[0].enlarge(x), nearest)


def test_encode_gives_what_the_up_blocks_are_given():
    model, x, given = small().eval(), torch.randn(1, 1, 32, 32), []
    for up in model.ups:
        up.register_forward_pre_hook(lambda _, args: given.append([a.clone() for a in args]))
    expected = model.encode(x)
    assert not given  # no up-block ran
    model(x)
    assert torch.equal(given[0][0], expected["bottleneck"])
    for tap, (_, skip) in zip(("layer3", "layer2", "layer1", "stem"), given, strict=True):
        assert torch.equal(skip, expected[tap])


def test_decoder_equals_a_walk_by_hand():
    """Fresh batch norm in evaluation mode divides by sqrt(1 + 1e-5); here it subtracts 0.5 too."""
    model, x = small().eval(), torch.randn(2, 1, 32, 32)
    for norm in [model.middle[0], *(up.norm for up in model.ups)]:
        nn.init.constant_(norm.bias, -0.5)
    maps, still = model.encode(x), (1 + 1e-5) ** -0.5
    first, second = convolutions(model.middle)
    last = second(first((maps["layer4"] * still - 0.5).relu()).relu()).relu()
    torch.testing.assert_close(maps["bottleneck"], last)
    for up, tap in zip(model.ups, ("layer3", "layer2", "layer1", "stem"), strict=True):
        enlarge, first, second = convolutions(up)
        larger = F.pixel_shuffle(enlarge(last), 2)
        both = torch.cat((larger, maps[tap] * still - 0.5), dim=1).relu()
        last = second(first(both).relu()).relu()
    enlarge, first, second, out = convolutions(model.head)
    both = torch.cat((F.pixel_shuffle(enlarge(last).relu(), 2), x), dim=1)
    torch.testing.assert_close(model(x), out((both + second(first(both).relu())).relu()))


def test_an_image_alone_gives_the_same_in_evaluation_mode():
    model, x = small(), torch.randn(3, 1, 32, 32)
    with torch.no_grad():
        model(x)  # moves the batch statistics
        batch, alone = model.eval()(x), model(x[1:2])
    torch.testing.assert_close(batch[1:2], alone)


def test_training_lowers_the_loss():
    model, x = small(), torch.randn(2, 1, 32, 32)
    target, losses = torch.cat((x.cos(), -x), dim=1), []
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(12):
        losses.append(F.l1_loss(model(x), target))
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.8 * losses[0]


def test_one_smallest_image_trains_nothing_and_says_so():
    model, x = small(), torch.randn(1, 1, 32, 32)
    with pytest.raises(ValueError, match=r"one image of 32 x 32.*two images or more"):
        model(x)
    assert model(torch.randn(1, 1, 32, 64)).shape == (1, 2, 32, 64)
    assert model.eval()(x).shape == (1, 2, 32, 32)


def test_bfloat16_autocast_and_channels_last_train():
    model = small().to(memory_format=torch.channels_last)
    x = torch.randn(2, 1, 32, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(x)
    output.float().square().mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_output_is_unbounded():
    model = small()
    nn.init.constant_(model.head.out.bias, 5.0)
    assert model(torch.randn(2, 1, 32, 32)).max() > 1.5


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="multiples of 32, got 48 x 32"):
        small().encode(torch.randn(1, 1, 48, 32))
