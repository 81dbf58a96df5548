"""A model with its input normalisation: trainable, frozen, or under a classifier."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from .color import Images, as_floats, network_input


class Encoder(nn.Module):
    """RGB images to the taps of `model`, which sees them as `inputs` (a name of color.py).

    Probing and fine-tuning go through this class, so that none of them can feed the model another
    range or size than it was trained on: `size` is the side in pixels, None for images as they are.
    """

    def __init__(self, model: nn.Module, inputs: str, size: int | None = None) -> None:
        super().__init__()
        # nn.Module's attributes are untyped, and any model with the attributes below fits.
        self.model = cast(Any, model)
        self.inputs, self.size = inputs, size
        self.taps: tuple[str, ...] = self.model.taps
        self.bottleneck: str = self.model.bottleneck
        self.channels: dict[str, int] = self.model.channels

    def forward(self, images: Images) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return every tap of images."""
        return self.model.encode(network_input(resized(images, self.size), self.inputs))


def resized(
    images: Float[Tensor, "n 3 _h _w"] | UInt8[Tensor, "n 3 _h _w"], size: int | None
) -> Float[Tensor, "n 3 _size _size"] | UInt8[Tensor, "n 3 _size _size"]:
    """Return images area-averaged to `size` x `size` pixels, as floats, or as they are."""
    if size is None or size == images.shape[-1]:
        return images
    return F.interpolate(as_floats(images), size=(size, size), mode="area")


class FrozenEncoder(nn.Module):
    """RGB images to taps, without gradients and in evaluation mode for good.

    The wrapped encoder is frozen in place; fine-tuning needs a copy of its own.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(False)
        self.taps = encoder.taps
        self.bottleneck = encoder.bottleneck
        self.channels = encoder.channels
        self.train(False)

    def train(self, mode: bool = True) -> "FrozenEncoder":
        """Return self, still in evaluation mode: batch statistics and weights stay as they are."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, images: Images) -> dict[str, Float[Tensor, "n _c _h _w"]]:
        """Return every tap of images, detached."""
        return self.encoder(images)


class EncoderClassifier(nn.Module):
    """RGB images to class logits: one tap of an encoder, averaged over the map, and a linear layer.

    Everything trains; with a fresh encoder it is the supervised control, with a pretrained one
    fine-tuning. All taps are computed, whichever is used.
    """

    def __init__(self, encoder: Encoder, *, tap: str, n_classes: int) -> None:
        super().__init__()
        if tap not in encoder.channels:
            raise ValueError(
                f"expected a tap of the encoder, got {tap!r}; choose one of {encoder.taps}"
            )
        self.encoder = encoder
        self.tap = tap
        self.linear = nn.Linear(encoder.channels[tap], n_classes)

    def forward(self, images: Images) -> Float[Tensor, "n classes"]:
        """Return the logits of images."""
        return self.linear(self.encoder(images)[self.tap].mean((2, 3)))


def weights_hash(module: nn.Module) -> str:
    """Return the sha256 (hex) of all parameters and buffers: names, types, shapes and bytes.

    Equal before and after probing proves that nothing trained; device and memory layout do not
    enter, so a moved module keeps its hash.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}\n".encode())
        # Flat, since a scalar cannot be seen as bytes; bytes, since numpy knows no bfloat16.
        flat = tensor.detach().cpu().contiguous().flatten()
        digest.update(flat.view(torch.uint8).numpy())
    return digest.hexdigest()


def start_from(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy into `model` all of `weights` that have a place of the same name and shape in it.

    What has none keeps its initial values: the head of another output. ValueError if nothing fits.
    """
    places = model.state_dict()
    fitting = {k: v for k, v in weights.items() if k in places and v.shape == places[k].shape}
    if not fitting:
        raise ValueError("no weight fits: `start` must name a method of the same network")
    model.load_state_dict(fitting, strict=False)


def fresh_classifier(
    model: Callable[[], nn.Module], *, inputs: str, tap: str, n_classes: int
) -> EncoderClassifier:
    """Return an untrained encoder under a linear layer: the from-scratch twin of a method.

    `model()` makes the network anew at every call, so that no two trainings share weights.
    """
    return EncoderClassifier(Encoder(model(), inputs), tap=tap, n_classes=n_classes)
