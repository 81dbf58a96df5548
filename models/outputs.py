"""What a network's output channels mean, and how maps of two sizes meet.

An output has `out_channels`, `channels` (of what it decodes to) and `decode(raw)`; those made of
classes have `cross_entropy` too.
"""

from collections.abc import Iterable
from types import MappingProxyType

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from .quantize import AbBins, lightness_bin_centers, lightness_bins

BOUNDS = MappingProxyType({"tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": torch.relu})


class Regression(nn.Module):
    """Channels that are values: `offset + scale * bound(raw)`, unbounded where `bound` is None.

    Regression(2, 110) gives ab, Regression(1, 50, offset=50) gives L; Regression(3, 1,
    bound="sigmoid") and Regression(3, 0.5, offset=0.5) give RGB in [0, 1], bound="relu" any RGB
    above 0.
    """

    def __init__(
        self,
        channels: int,
        scale: float | int,
        bound: str | None = "tanh",
        *,
        offset: float | int = 0.0,
    ) -> None:
        super().__init__()
        if bound is not None and bound not in BOUNDS:
            raise ValueError(f"unknown bound {bound!r}: use one of {', '.join(BOUNDS)}, or None")
        if channels < 1 or scale <= 0:
            raise ValueError(
                f"expected channels >= 1 and scale > 0, got channels={channels}, scale={scale}: "
                "ab is Regression(2, 110), L is Regression(1, 50, offset=50)"
            )
        self.out_channels = self.channels = channels
        self.scale, self.offset, self.bound = float(scale), float(offset), bound

    def decode(self, raw: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        """Return the values in their own units, as float32 or better."""
        raw = _full_precision(raw)
        return self.offset + self.scale * (raw if self.bound is None else BOUNDS[self.bound](raw))


class ColorBins(nn.Module):
    """313 logits, one for each ab bin (Zhang et al. 2016, section 2).

    `soft` encodes the target by its 5 nearest bins, otherwise it is one-hot (Split-Brain).
    `rebalance` is the share of the uniform distribution in the weights of rare colours (0.5 in
    the paper; None: no weights); it needs `prepare`, and its weights are saved.
    """

    out_channels, channels = 313, 2
    weights: Tensor

    def __init__(
        self,
        soft: bool = False,
        rebalance: float | int | None = None,
        *,
        temperature: float | int = 0.38,
    ) -> None:
        super().__init__()
        if rebalance is not None and not 0 < rebalance <= 1:
            raise ValueError(f"expected rebalance None or in (0, 1], got {rebalance}: use 0.5")
        if temperature <= 0:
            raise ValueError(f"expected temperature > 0, got {temperature}: use 0.38")
        self.soft, self.rebalance, self.temperature = soft, rebalance, temperature
        self.bins = AbBins()
        self._weights_checked = False
        if rebalance is not None:
            # NaN until `prepare` or a state dict fills them: never mistaken for weights.
            self.register_buffer("weights", torch.full((self.out_channels,), torch.nan))

    def decode(self, raw: Float[Tensor, "n 313 h w"]) -> Float[Tensor, "n 2 h w"]:
        """Return ab, the annealed mean of the bins."""
        return self.bins.annealed_mean(raw, self.temperature)

    def prepare(self, ab_batches: Iterable[Float[Tensor, "_ 2 _ _"]]) -> None:
        """Set the weights from the ab of the pretrain split; reads nothing without `rebalance`."""
        if self.rebalance is None:
            return
        prior = torch.zeros(self.out_channels, dtype=torch.int64, device=self.weights.device)
        for ab in ab_batches:
            prior += self.bins.prior(ab.to(prior.device))
        self.weights.copy_(self.bins.rebalancing_weights(prior, self.rebalance))

    def cross_entropy(
        self, raw: Float[Tensor, "n 313 h w"], ab: Float[Tensor, "n 2 h w"]
    ) -> Float[Tensor, ""]:
        """Return the mean over pixels, in nats, each weighted by the weight of its nearest bin.

        The weights have mean 1 under the prior. ValueError if `prepare` is still to be called.
        """
        nearest = self.bins.hard(ab)
        if self.soft:
            indices, shares = self.bins.soft(ab)
            losses = -(raw.float().log_softmax(dim=1).gather(1, indices) * shares).sum(dim=1)
        else:
            losses = F.cross_entropy(raw.float(), nearest, reduction="none")
        if self.rebalance is not None:
            losses = losses * self._checked_weights()[nearest]
        return losses.mean()

    def _checked_weights(self) -> Tensor:
        # Looked at once: reading a value on the host stalls an accelerator at every step.
        if not self._weights_checked:
            if not self.weights.isfinite().all():
                raise ValueError(
                    "expected rebalancing weights, got none: call prepare() with the pretrain "
                    "split, or load a state dict that holds them"
                )
            self._weights_checked = True
        return self.weights


class LightnessBins(nn.Module):
    """50 logits, one for each L bin of width 2, with one-hot targets (Split-Brain)."""

    out_channels, channels = 50, 1
    centers: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("centers", lightness_bin_centers(), persistent=False)

    def decode(self, raw: Float[Tensor, "n 50 h w"]) -> Float[Tensor, "n 1 h w"]:
        """Return L, the expectation over the bins."""
        probabilities = raw.float().softmax(dim=1)
        return (probabilities * self.centers.view(-1, 1, 1)).sum(dim=1, keepdim=True)

    def cross_entropy(
        self, raw: Float[Tensor, "n 50 h w"], lightness: Float[Tensor, "n 1 h w"]
    ) -> Float[Tensor, ""]:
        """Return the mean over pixels, in nats."""
        return F.cross_entropy(raw.float(), lightness_bins(lightness))


def shrink(target: Float[Tensor, "n c h w"], like: Tensor) -> Float[Tensor, "n c h2 w2"]:
    """Return `target` averaged over areas to the height and width of `like`."""
    if target.shape[-2:] == like.shape[-2:]:
        return target
    return F.interpolate(target, size=like.shape[-2:], mode="area")


def enlarge(values: Float[Tensor, "n c h w"], like: Tensor) -> Float[Tensor, "n c h2 w2"]:
    """Return `values` interpolated bilinearly to the height and width of `like`."""
    if values.shape[-2:] == like.shape[-2:]:
        return values
    return F.interpolate(values, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _full_precision(raw: Tensor) -> Tensor:
    return raw if raw.dtype == torch.float64 else raw.float()
