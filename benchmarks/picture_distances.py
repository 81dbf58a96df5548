"""Distances between pictures that a network measures: LPIPS of pairs, FID of two sets."""

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from safetensors.torch import load_file
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchvision.models import inception

from models.losses import Lpips

FID_CLASSES = 1008  # of the network that FID is defined by; torchvision's own has 1000
INCEPTION_SIDE = 299


def lpips_name(lpips: Lpips) -> str:
    """Name of the metric: lpips_TRUNK, with _random where the trunk knows no pictures."""
    return f"lpips_{lpips.network.pnet_type}" + ("_random" if lpips.label_free else "")


def lpips_values(
    lpips: Lpips, predicted: Float[Tensor, "n 3 h w"], truth: Float[Tensor, "n 3 h w"]
) -> Float[Tensor, " n"]:
    """LPIPS v0.1 of each pair of pictures in [0, 1] (Zhang et al. 2018); 0 is equal."""
    pairs = zip(predicted.split(1), truth.split(1), strict=True)
    return torch.stack([lpips(ours, theirs) for ours, theirs in pairs])


class FidInception(nn.Module):
    """The Inception v3 by which FID is defined: pictures in [0, 1] to 2048 features.

    `weights` is a .safetensors file of its state dict: that of `pt_inception-2015-12-05.pth` in
    pytorch-fid and torch-fidelity, converted from TensorFlow. It differs from torchvision's
    Inception in that averages leave out the padding and the last block takes a maximum.
    "random" gives a network from `seed`, for machines without the file; `metric`, the name of
    what it measures, says so. Heusel et al. 2017, 1706.08500.
    """

    num_features = 2048

    def __init__(self, weights: str | Path, *, seed: int = 0) -> None:
        super().__init__()
        self.metric = "fid_random" if weights == "random" else "fid"
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(seed)
            self.network = _inception()
            if weights == "random":
                _keep_scale(self.network)
        if weights != "random":
            _load(self.network, Path(weights))
        self.requires_grad_(False)
        super().train(False)

    def train(self, mode: bool = True) -> "FidInception":
        """Return self, unchanged: the network stays in evaluation mode."""
        return self

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n 2048"]:
        """Return the features of images in [0, 1], resized to 299 px (bilinear, antialiased)."""
        size = (INCEPTION_SIDE, INCEPTION_SIDE)
        large = F.interpolate(images, size=size, mode="bilinear", antialias=True)
        # 8-bit values less 128, over 128.
        return self.network((255 * large - 128) / 128)


class FrechetDistance:
    """FID between true and predicted pictures, gathered batch by batch.

    `network` maps pictures in [0, 1] to `num_features` numbers each and has the name `metric`. The
    distance is one of Gaussians (torchmetrics); it falls with the number of pictures, so that only
    values of equally many can be compared.
    """

    def __init__(self, network: nn.Module, device: str) -> None:
        # A module of one's own gets the pictures as they are: no rounding, no resizing.
        self.distance = FrechetInceptionDistance(feature=network, normalize=True).to(device)
        self.metric, self.count = str(network.metric), 0

    def update(self, predicted: Float[Tensor, "n 3 h w"], truth: Float[Tensor, "n 3 h w"]) -> None:
        """Add pictures."""
        if len(truth):
            self.distance.update(truth, real=True)
            self.distance.update(predicted, real=False)
            self.count += len(truth)

    def compute(self) -> float | None:
        """The distance; None of fewer than two pictures, which have no covariance."""
        return float(self.distance.compute()) if self.count > 1 else None


class _OwnPool:
    """Replace the pooled branch, the last, of one of torchvision's blocks."""

    def _forward(self, x: Tensor) -> list[Tensor]:
        *others, _ = super()._forward(x)  # type: ignore[misc]
        return [*others, self.branch_pool(self._pool(x))]  # type: ignore[attr-defined]

    def _pool(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


class _BlockA(_OwnPool, inception.InceptionA):
    pass


class _BlockC(_OwnPool, inception.InceptionC):
    pass


class _BlockE(_OwnPool, inception.InceptionE):
    largest = False

    def _pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, stride=1, padding=1) if self.largest else super()._pool(x)


def _inception() -> nn.Module:
    blocks = [inception.BasicConv2d, _BlockA, inception.InceptionB, _BlockC]
    blocks += [inception.InceptionD, _BlockE, inception.InceptionAux]
    network: Any = inception.Inception3(
        aux_logits=False, inception_blocks=blocks, init_weights=False, transform_input=False
    )
    network.Mixed_7c.largest = True
    network.dropout, network.fc = nn.Identity(), nn.Identity()
    return network


def _keep_scale(network: nn.Module) -> None:
    """Draw weights that pass the scale of a picture on; torch's own would end in zeros."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")


def _load(network: nn.Module, path: Path) -> None:
    remedy = (
        "convert pt_inception-2015-12-05.pth with safetensors.torch.save_file(state_dict, FILE)"
    )
    if path.suffix != ".safetensors" or not path.is_file():
        raise ValueError(f"expected random or a .safetensors file for FID, got {path}: {remedy}")
    given = load_file(path)
    last = given.get("fc.weight")
    if last is None or len(last) != FID_CLASSES:
        found = "none" if last is None else f"one of {len(last)} classes"
        raise ValueError(f"{path} lacks fc.weight of {FID_CLASSES} classes, has {found}: {remedy}")
    kept = {name: value for name, value in given.items() if not name.startswith(("fc.", "Aux"))}
    missing, unexpected = network.load_state_dict(kept, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    for name in [*missing, *unexpected][:1]:
        raise ValueError(f"{path} does not fit FID's Inception, for example at {name}: {remedy}")
