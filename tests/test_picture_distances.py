"""LPIPS against its package, FID of sets whose distance is known, Inception against its source."""

import math

import lpips
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import inception

from benchmarks.picture_distances import (
    FidInception,
    FrechetDistance,
    _BlockA,
    _BlockE,
    lpips_name,
    lpips_values,
)
from models.losses import Lpips


class Mean(nn.Module):
    """An extractor whose features are known: each channel's mean."""

    num_features, metric = 3, "fid_mean"

    def forward(self, images):
        return images.mean((2, 3))


def rand(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def trunk() -> Lpips:
    return Lpips("squeeze", weights="random", seed=5)


@pytest.mark.filterwarnings("ignore")
def test_lpips_of_each_pair_is_that_of_the_package(trunk):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        package = lpips.LPIPS(net="squeeze", pnet_rand=True, verbose=False)
    predicted, truth = rand(2, 3, 3, 64, 64)
    predicted[2] = truth[2]
    found = lpips_values(trunk, predicted, truth)
    expected = package(predicted, truth, normalize=True).flatten()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert found[2] == 0 < found[:2].min()


def test_a_random_trunk_is_marked(trunk, tmp_path):
    assert lpips_name(trunk) == "lpips_squeeze_random"
    layers = {
        name.split(".", 1)[1]: tensor.clone() for name, tensor in trunk.network.net.named_buffers()
    }
    save_file(layers, tmp_path / "squeeze.safetensors")
    given = Lpips("squeeze", weights=tmp_path / "squeeze.safetensors")
    assert lpips_name(given) == "lpips_squeeze"


def pictures_with(mean, deviation) -> torch.Tensor:
    """40 pictures whose channel means have exactly these moments, and no covariance."""
    features, _ = torch.linalg.qr(torch.cat((torch.ones(40, 1), rand(40, 3)), 1).double())
    features = features[:, 1:] * math.sqrt(39) * torch.tensor(deviation) + torch.tensor(mean)
    return features.float()[..., None, None].expand(-1, -1, 4, 4)


def test_fid_of_gaussians_is_the_closed_form():
    one = pictures_with([0.5, 0.4, 0.3], [0.01, 0.02, 0.03])
    two = pictures_with([0.5, 0.7, 0.1], [0.05, 0.02, 0.01])
    fid = FrechetDistance(Mean(), "cpu")
    for first in (0, 15, 30):  # the last batch is smaller
        fid.update(one[first : first + 15], two[first : first + 15])
    # |difference of means|^2 + sum of squared differences of deviations, for equal axes.
    expected = 0.3**2 + 0.2**2 + 0.04**2 + 0.02**2
    assert fid.compute() == pytest.approx(expected, rel=1e-5)
    assert (fid.count, fid.metric) == (40, "fid_mean")


def test_fid_of_equal_sets_is_zero():
    fid = FrechetDistance(Mean(), "cpu")
    pictures = rand(30, 3, 8, 8)
    fid.update(pictures[:20], pictures.flip(0)[:20])
    fid.update(pictures[20:], pictures.flip(0)[20:])
    assert fid.compute() == pytest.approx(0, abs=1e-6)


def test_one_picture_has_no_fid():
    fid = FrechetDistance(Mean(), "cpu")
    fid.update(rand(0, 3, 8, 8), rand(0, 3, 8, 8))
    fid.update(rand(1, 3, 8, 8), rand(1, 3, 8, 8))
    assert fid.compute() is None


def test_pools_of_fids_blocks_leave_out_the_padding():
    theirs, ours = inception.InceptionA(8, 4), _BlockA(8, 4)
    ours.load_state_dict(theirs.state_dict())
    x = rand(1, 8, 6, 6)
    with torch.no_grad():
        one, two = theirs.eval()(x), ours.eval()(x)
        pooled = ours.branch_pool(_mean_of_neighbours(x))
    torch.testing.assert_close(one[..., 1:-1, 1:-1], two[..., 1:-1, 1:-1])
    torch.testing.assert_close(two[:, -4:], pooled)
    assert not torch.allclose(one[:, -4:, 0], two[:, -4:, 0])


def _mean_of_neighbours(x: torch.Tensor) -> torch.Tensor:
    found = torch.empty_like(x)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            near = x[:, :, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            found[:, :, i, j] = near.mean((2, 3))
    return found


@pytest.fixture(scope="module")
def random_inception() -> FidInception:
    return FidInception("random", seed=1)


def test_only_the_last_block_takes_a_maximum(random_inception):
    network = random_inception.network
    blocks = [module for module in network.modules() if isinstance(module, _BlockE)]
    assert [block.largest for block in blocks] == [False, True]
    assert network.Mixed_7c is blocks[1]


def test_random_inception_is_marked_and_repeatable(random_inception):
    assert random_inception.metric == "fid_random"
    assert not any(p.requires_grad for p in random_inception.parameters())
    assert not random_inception.train().network.training
    other = FidInception("random", seed=2).network.Conv2d_1a_3x3.conv.weight
    assert not torch.equal(random_inception.network.Conv2d_1a_3x3.conv.weight, other)


def by_formula(network: nn.Module) -> dict[str, torch.Tensor]:
    """Weights that any machine can make again: a hash of their positions, uniform in -1 to 1."""
    weights = {}
    for name, tensor in sorted(network.state_dict().items()):
        places = torch.arange(1, tensor.numel() + 1, dtype=torch.float64).view(tensor.shape)
        noise = 2 * (43758.5453 * (12.9898 * places).sin()).frac().abs() - 1
        if tensor.dim() == 4:
            weights[name] = (noise * math.sqrt(6 / tensor[0].numel())).float()
        elif name.endswith(("running_var", "bn.weight")):
            weights[name] = (1 + 0.2 * noise).float()
        elif tensor.is_floating_point():
            weights[name] = (0.1 * noise).float()
    return weights


def test_features_are_those_of_the_reference(random_inception, tmp_path):
    """Expected values: torch-fidelity 0.4.0, inception-v3-compat, with the same weights."""
    weights = by_formula(random_inception.network)
    weights["fc.weight"] = torch.zeros(1008, 2048)
    save_file(weights, tmp_path / "fid.safetensors")
    network = FidInception(tmp_path / "fid.safetensors")
    assert network.metric == "fid"
    rows, columns = np.mgrid[0:299, 0:299]
    picture = np.stack([(rows * 3 + columns) % 256, (columns * 5) % 256, (rows * columns) % 256])
    with torch.no_grad():
        features = network(torch.from_numpy(picture[None] / 255).float())[0]
    parts = [part.norm().item() for part in features.double().split([320, 768, 768, 192])]
    assert parts == pytest.approx(EXPECTED_NORMS, rel=1e-3)


EXPECTED_NORMS = [4.483886, 6.656254, 5.888996, 4.663550]  # of the four branches at the end


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc.weight": torch.zeros(1000, 2048)}, "has one of 1000 classes"),
        ({"fc.weight": None}, "has none"),
        ({"Mixed_6a.branch3x3.conv.weight": None}, "at Mixed_6a.branch3x3.conv.weight"),
        ({"another": torch.zeros(1)}, "at another"),
    ],
)
def test_a_file_of_another_network_is_refused(random_inception, tmp_path, change, message):
    path = tmp_path / "fid.safetensors"
    weights = {**random_inception.network.state_dict(), "fc.weight": torch.zeros(1008, 2048)}
    weights |= change
    save_file({name: of for name, of in weights.items() if of is not None}, path)
    with pytest.raises(ValueError, match=message):
        FidInception(path)


def test_a_missing_file_names_the_remedy(tmp_path):
    for path in (tmp_path / "none.safetensors", "weights.pth"):
        with pytest.raises(ValueError, match=r"expected random or a \.safetensors file for FID"):
            FidInception(path)
