"""Pixel losses by hand, LPIPS against its package, and what a fixed trunk promises."""

import lpips
import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import alexnet

from models.losses import Lpips, check_lpips, checked_terms, pixel_loss


def picture_pair(size: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    both = torch.rand(4, 3, size, size, generator=torch.Generator().manual_seed(0))
    return both[:2], both[2:]


@pytest.fixture(scope="module")
def distance() -> Lpips:
    return Lpips("alex", weights="random")


@pytest.mark.parametrize(
    ("kind", "expected"), [("l1", 1.75 / 2), ("l2", 2.3125 / 2), ("smooth_l1", 1.03125 / 2)]
)
def test_pixel_losses_by_hand(kind, expected):
    prediction, target = torch.tensor([0.25, 1.5]), torch.zeros(2)
    found = pixel_loss(kind, prediction.view(1, 2, 1, 1), target.view(1, 2, 1, 1))
    assert found.item() == pytest.approx(expected)


def test_unknown_pixel_loss_names_the_known():
    with pytest.raises(ValueError, match="l1, l2, smooth_l1"):
        pixel_loss("huber", *picture_pair(2))


def test_terms_are_checked():
    assert checked_terms({"l1": 2}, ("l1", "l2")) == {"l1": 2.0}
    with pytest.raises(ValueError, match="at least one"):
        checked_terms({}, ("l1",))
    with pytest.raises(ValueError, match="unknown loss term 'l3'"):
        checked_terms({"l3": 1.0}, ("l1",))
    for weight in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="weight above 0"):
            checked_terms({"l1": weight}, ("l1",))


def test_lpips_module_and_term_come_together(distance):
    check_lpips(distance, ["lpips"])
    check_lpips(None, ["l1"])
    with pytest.raises(ValueError, match="lpips=Lpips"):
        check_lpips(None, ["lpips"])
    with pytest.raises(ValueError, match="without a term"):
        check_lpips(distance, ["l1"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trunk", ["alex", "vgg", "squeeze"])
@pytest.mark.parametrize("size", [(64, 64), (70, 66)])
def test_lpips_equals_its_package(trunk, size):
    ours = Lpips(trunk, weights="random", seed=5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        package = lpips.LPIPS(net=trunk, pnet_rand=True, verbose=False)
    a, b = torch.rand(2, 2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = package(a, b, normalize=True).mean()
    torch.testing.assert_close(ours(a, b), expected, rtol=0, atol=1e-6)
    assert expected > 1e-3


def test_lpips_of_small_pictures_is_that_of_the_enlarged(distance):
    a, b = picture_pair(24)
    large = [torch.nn.functional.interpolate(x, size=(64, 64), mode="bilinear") for x in (a, b)]
    torch.testing.assert_close(distance(a, b), distance(*large))
    assert distance(a, a).item() == 0


def test_lpips_gradient_reaches_the_prediction_only(distance):
    prediction, target = (x.requires_grad_() for x in picture_pair())
    distance(prediction, target).backward()
    assert prediction.grad.isfinite().all()
    assert prediction.grad.abs().sum() > 0
    assert target.grad is None


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_lpips_gradient_is_finite_on_flat_pictures(distance, level):
    prediction = torch.full((1, 3, 64, 64), level, requires_grad=True)
    distance(prediction, torch.zeros(1, 3, 64, 64)).backward()
    assert prediction.grad.isfinite().all()


def test_lpips_gradient_is_finite_where_all_features_are_zero():
    network = Lpips("alex", weights="random")
    for name, tensor in network.network.net.named_buffers():
        tensor.fill_(-1.0 if name.endswith("bias") else 0.0)
    prediction, target = picture_pair()
    prediction.requires_grad_()
    network(prediction, target).backward()
    assert (prediction.grad == 0).all()


def test_lpips_owns_no_parameters_and_saves_nothing(distance):
    holder = torch.nn.ModuleDict({"lpips": distance})
    assert not list(holder.parameters())
    assert not holder.state_dict()
    holder.load_state_dict({})
    holder.train()
    assert not any(module.training for module in distance.modules())
    assert all(t.dtype == torch.float64 for t in Lpips(weights="random").double().buffers())


def test_random_trunk_depends_on_its_seed_alone():
    pair = picture_pair()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = Lpips(weights="random", seed=7)(*pair)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(Lpips(weights="random", seed=7)(*pair), first)
    assert not torch.equal(Lpips(weights="random", seed=8)(*pair), first)


@pytest.mark.parametrize("prefix", ["", "features."])
def test_trunk_from_a_file(tmp_path, prefix):
    torch.manual_seed(0)
    features = alexnet(weights=None).features
    path = tmp_path / "alexnet.safetensors"
    save_file({prefix + name: value for name, value in features.state_dict().items()}, path)
    given = Lpips("alex", weights=path)
    assert not given.label_free
    x, _ = picture_pair()
    scaled = given.network.scaling_layer(2 * x - 1)
    torch.testing.assert_close(given.network.net(scaled)[-1], features[:12](scaled))


def test_files_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "trunk.safetensors"
    with pytest.raises(ValueError, match=r"existing \.safetensors"):
        Lpips("alex", weights=path)
    pickled = tmp_path / "trunk.pth"
    pickled.touch()
    with pytest.raises(ValueError, match="save_file"):
        Lpips("alex", weights=str(pickled))
    path.write_bytes(b"not a tensor file")
    with pytest.raises(ValueError, match="not a readable"):
        Lpips("alex", weights=path)
    save_file({"0.weight": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"0\.weight should have shape \(64, 3, 11, 11\), got"):
        Lpips("alex", weights=path)


def test_without_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"alexnet-owt-7be5be79\.pth.*weights=FILE.*random"):
        Lpips("alex")


def test_label_free_and_unknown_trunk(distance):
    assert distance.label_free
    with pytest.raises(ValueError, match="alex, vgg, squeeze"):
        Lpips("resnet")
