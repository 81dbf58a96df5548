"""Losses on values and on pictures: L1, L2, smooth L1, LPIPS."""

import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from .weights_file import copy_weights, read_weights

PIXEL_LOSSES = MappingProxyType({"l1": F.l1_loss, "l2": F.mse_loss, "smooth_l1": F.smooth_l1_loss})
PUBLISHED_WEIGHTS = MappingProxyType(
    {
        "alex": "AlexNet_Weights.IMAGENET1K_V1",
        "vgg": "VGG16_Weights.IMAGENET1K_V1",
        "squeeze": "SqueezeNet1_1_Weights.IMAGENET1K_V1",
    }
)
SMALLEST_SIDE = 64


def pixel_loss(
    kind: str, prediction: Float[Tensor, "n c h w"], target: Float[Tensor, "n c h w"]
) -> Float[Tensor, ""]:
    """Return the mean "l1", "l2" (squared, without the half) or "smooth_l1" (beta 1) loss.

    Both arguments are in normalised units, about [-1, 1].
    """
    if kind not in PIXEL_LOSSES:
        raise ValueError(f"unknown pixel loss {kind!r}: use one of {', '.join(PIXEL_LOSSES)}")
    return PIXEL_LOSSES[kind](prediction, target)


def checked_terms(losses: Mapping[str, float | int], allowed: Collection[str]) -> dict[str, float]:
    """Return `losses` (term: weight) as a dict.

    ValueError if it is empty, names a term outside `allowed`, or a weight is not above 0.
    """
    choice = ", ".join(allowed)
    if not losses:
        raise ValueError(f"expected at least one loss term, got none: use one of {choice}")
    for name, weight in losses.items():
        if name not in allowed:
            raise ValueError(f"unknown loss term {name!r}: use one of {choice}")
        if not 0 < weight < float("inf"):
            raise ValueError(f"expected a weight above 0 for {name}, got {weight}: or leave it out")
    return {name: float(weight) for name, weight in losses.items()}


def check_lpips(lpips: nn.Module | None, terms: Collection[str]) -> None:
    """Raise ValueError unless an Lpips module is given exactly if `terms` has "lpips"."""
    if "lpips" in terms and lpips is None:
        raise ValueError("the loss term lpips needs its module: give lpips=Lpips(...)")
    if "lpips" not in terms and lpips is not None:
        raise ValueError("an Lpips module came without a term: add lpips to losses, or drop it")


class Lpips(nn.Module):
    """LPIPS v0.1 (Zhang et al. 2018) between RGB pictures in [0, 1], with a fixed trunk.

    `weights` is "torchvision" (ImageNet, downloaded: not label-free), "random" (from `seed`), or
    a .safetensors file of the trunk's `features` (names as in torchvision, "features." optional).
    With a random trunk, whose channels are exchangeable, the packaged weights of the channels
    only set the scale. All tensors are non-persistent buffers: no optimiser and no state dict
    sees them, and `train()` leaves dropout off.
    """

    network: Any

    def __init__(
        self, trunk: str = "alex", *, weights: str | Path = "torchvision", seed: int = 0
    ) -> None:
        super().__init__()
        if trunk not in PUBLISHED_WEIGHTS:
            known = ", ".join(PUBLISHED_WEIGHTS)
            raise ValueError(f"unknown LPIPS trunk {trunk!r}: use one of {known}")
        self.label_free = weights == "random"
        self.network = _build(trunk, download=weights == "torchvision", seed=seed)
        if weights not in ("torchvision", "random"):
            _load_trunk(self.network.net, Path(weights))
        _freeze(self.network)
        super().train(False)

    def train(self, mode: bool = True) -> "Lpips":
        """Return self, unchanged: the network stays in evaluation mode."""
        return self

    def forward(
        self, prediction: Float[Tensor, "n 3 h w"], target: Float[Tensor, "n 3 h w"]
    ) -> Float[Tensor, ""]:
        """Return the mean distance; the gradient reaches `prediction` only.

        Pictures with a side under 64 px are enlarged to 64 first (bilinear).
        """
        with torch.no_grad():
            expected = self._features(target)
        pairs = zip(self._features(prediction), expected, self.network.lins, strict=True)
        distances = [weigh((ours - theirs) ** 2).float().mean() for ours, theirs, weigh in pairs]
        return torch.stack(distances).sum()

    def _features(self, images: Tensor) -> list[Tensor]:
        height, width = images.shape[-2:]
        if min(height, width) < SMALLEST_SIDE:
            size = (max(height, SMALLEST_SIDE), max(width, SMALLEST_SIDE))
            images = F.interpolate(images, size=size, mode="bilinear", align_corners=False)
        maps = self.network.net(self.network.scaling_layer(2 * images - 1))
        return [_unit_length(features.float()) for features in maps]


def _unit_length(features: Tensor) -> Tensor:
    """Return features of length 1 at each position; 0 where all are 0, with a finite gradient."""
    squared = (features**2).sum(dim=1, keepdim=True)
    return features / (squared.clamp(min=1e-20).sqrt() + 1e-10)


def _build(trunk: str, *, download: bool, seed: int) -> nn.Module:
    import lpips  # here, because it is slow to import and only this loss needs it

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # The package calls torchvision by arguments that torchvision has renamed.
        warnings.simplefilter("ignore")
        torch.random.default_generator.manual_seed(seed)
        try:
            return lpips.LPIPS(net=trunk, pnet_rand=not download, verbose=False)
        except (OSError, RuntimeError) as error:
            if not download:
                raise
            raise ValueError(_missing_weights(trunk)) from error


def _missing_weights(trunk: str) -> str:
    from torchvision.models import get_weight

    url = get_weight(PUBLISHED_WEIGHTS[trunk]).url
    return (
        f"the LPIPS trunk {trunk!r} needs {url.rsplit('/', 1)[-1]}, which could not be downloaded "
        f"from {url}: save its state dict as safetensors elsewhere and give weights=FILE, "
        "or use weights=random (label-free)"
    )


def _load_trunk(net: nn.Module, path: Path) -> None:
    read = read_weights(path, instead="torchvision, random", saved="model.features")
    given = {name.removeprefix("features."): value for name, value in read.items()}
    # "slice2.3.weight" in lpips is "3.weight" in torchvision.
    places = ((name.split(".", 1)[1], of.data) for name, of in net.named_parameters())
    copy_weights(
        places, given, misfit=f"{path} does not fit", remedy="give the features of this trunk"
    )


def _freeze(network: nn.Module) -> None:
    """Turn all parameters and buffers into non-persistent buffers."""
    for module in network.modules():
        tensors = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
        for name, tensor in tensors:
            delattr(module, name)
            module.register_buffer(name, tensor.detach(), persistent=False)
