"""A pretext whose pictures must also pass a critic: conditional and plain GANs."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn

from ..color import Images

OBJECTIVES = ("vanilla", "lsgan", "wgan_gp")


class Translated(NamedTuple):
    """What a critic compares: `predicted` and `target` in one range, given `condition`.

    `terms()` gives the wrapped pretext's own weighted losses of the prediction.
    """

    condition: Float[Tensor, "n c h w"]
    predicted: Float[Tensor, "n d h w"]
    target: Float[Tensor, "n d h w"]
    terms: Callable[[], dict[str, Float[Tensor, ""]]]


class Adversarial(nn.Module):
    """`pretext` plus `weight` times the loss of fooling a critic that trains beside the model.

    `critic(in_channels)` makes the critic; it sees the condition and the picture concatenated, or
    the picture alone unless `conditional`. `objective`: "vanilla" (Goodfellow et al. 2014, the
    non-saturating form), "lsgan" (Mao et al. 2017), "wgan_gp" (Gulrajani et al. 2017, `penalty`
    times the mean squared distance of the gradient's norm from 1). `label_noise` moves the vanilla
    targets by up to that much, drawn by image. `weight` 0 is the defect of Abramov's Colorizer: the
    critic trains, and nothing of it reaches the model.
    """

    def __init__(
        self,
        pretext: Any,
        critic: Callable[[int], nn.Module],
        *,
        objective: str = "vanilla",
        weight: float | int = 1.0,
        conditional: bool = True,
        label_noise: float = 0.0,
        penalty: float | int = 10.0,
        critic_turns: int = 1,
    ) -> None:
        super().__init__()
        if objective not in OBJECTIVES:
            raise ValueError(f"unknown objective {objective!r}: use one of {', '.join(OBJECTIVES)}")
        if label_noise and objective != "vanilla":
            raise ValueError("label_noise is for probabilities: use objective=vanilla, or drop it")
        if not hasattr(pretext, "translate"):
            raise ValueError(
                f"{type(pretext).__name__} makes no picture for a critic: wrap a colorization, "
                "gray -> RGB or a paired translation"
            )
        self.pretext, self.objective, self.weight = pretext, objective, float(weight)
        self.conditional, self.label_noise, self.penalty = conditional, label_noise, float(penalty)
        seen = pretext.in_channels if conditional else 0
        self.critic = critic(seen + pretext.picture_channels)
        self.critic_turns = critic_turns
        self.inputs, self.label_free = pretext.inputs, pretext.label_free
        self.colorizes = getattr(pretext, "colorizes", None)
        self.in_channels, self.out_channels = pretext.in_channels, pretext.out_channels
        self.n_draws = pretext.n_draws + 2  # the wrapped pretext reads the first ones

    def prepare(self, images_batches: Iterable[Images]) -> None:
        """Give the pretrain split to the wrapped pretext."""
        self.pretext.prepare(images_batches)

    def losses(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the wrapped pretext's terms and `adversarial`; the critic gets no gradient."""
        made = self.pretext.translate(model, images, draws)
        terms = made.terms()
        if self.weight:
            self.critic.requires_grad_(False)
            verdict = self.critic(self._shown(made, made.predicted))
            self.critic.requires_grad_(True)
            terms["adversarial"] = self.weight * self._fooling(verdict)
        return terms

    def critic_losses(
        self, model: nn.Module, images: Images, draws: Float[Tensor, "n k"]
    ) -> dict[str, Float[Tensor, ""]]:
        """Return the critic's terms on true and on predicted pictures; the model gets no gradient.

        Two passes of the critic, one of each kind, as its batch statistics should be of one kind.
        """
        with torch.no_grad():
            made = self.pretext.translate(model, images, draws)
        on_true = self.critic(self._shown(made, made.target))
        on_false = self.critic(self._shown(made, made.predicted))
        if self.objective == "wgan_gp":
            mixed = torch.lerp(made.predicted, made.target, draws[:, -1, None, None, None])
            penalty = gradient_penalty(lambda p: self.critic(self._shown(made, p)), mixed)
            return {
                "critic_distance": on_false.mean() - on_true.mean(),
                "critic_penalty": self.penalty * penalty,
            }
        measure = self._measure(draws)
        return {"critic_true": measure(on_true, 1) / 2, "critic_false": measure(on_false, 0) / 2}

    def decode(
        self, model: nn.Module, images: Images, *, clip: bool = True
    ) -> Float[Tensor, "n 3 h w"]:
        """Return RGB as the wrapped pretext gives it."""
        return self.pretext.decode(model, images, clip=clip)

    def _shown(self, made: Translated, picture: Tensor) -> Tensor:
        return torch.cat((made.condition, picture), dim=1) if self.conditional else picture

    def _fooling(self, verdict: Tensor) -> Tensor:
        if self.objective == "wgan_gp":
            return -verdict.mean()
        if self.objective == "lsgan":
            return (verdict - 1).square().mean()
        return F.binary_cross_entropy_with_logits(verdict, torch.ones_like(verdict))

    def _measure(self, draws: Tensor) -> Callable[[Tensor, int], Tensor]:
        if self.objective == "lsgan":
            return lambda verdict, truth: (verdict - truth).square().mean()
        return partial(self._cross_entropy, draws)

    def _cross_entropy(self, draws: Tensor, verdict: Tensor, truth: int) -> Tensor:
        noise = self.label_noise * draws[:, truth - 2].view(-1, *[1] * (verdict.ndim - 1))
        targets = (1 - noise if truth else noise).expand_as(verdict)
        return F.binary_cross_entropy_with_logits(verdict, targets)


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], pictures: Float[Tensor, "n c h w"]
) -> Float[Tensor, ""]:
    """Return the mean over pictures of (|gradient of the critic's mean verdict| - 1) squared."""
    pictures = pictures.detach().requires_grad_(True)
    verdicts = critic(pictures).flatten(1).mean(1).sum()
    (slope,) = torch.autograd.grad(verdicts, pictures, create_graph=True)
    # The root's slope is infinite at 0: a critic that is flat there would give NaN.
    norm = (slope.flatten(1).square().sum(1) + 1e-12).sqrt()
    return (norm - 1).square().mean()
