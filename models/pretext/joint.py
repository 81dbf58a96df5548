"""L -> ab and the class by one network: Shestakov's "Coloring-Images-Network"."""

from collections.abc import Iterable
from typing import Any

import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn

from ..color import Images, network_input, rgb_to_lab
from ..outputs import Regression
from .colorization import AB_SCALE, Colorization

SCALE = 128
LABELS = ("true", "shuffled", "constant")


class JointColorization(nn.Module):
    """Predict ab from L / 100, and the class, for a model that returns (raw ab, class logits).

    The loss is the mean squared error of ab / 128 through tanh plus the cross-entropy of the
    class, 1 : 1. `labels` says what the training loop hands over: the "true" labels, "shuffled"
    ones (permuted over the pretrain images) or a "constant". `label_free` is False for the true
    ones alone: permuted labels tell no more than how often each class occurs, a constant nothing.
    """

    n_draws = 0

    def __init__(self, labels: str = "true") -> None:
        super().__init__()
        if labels not in LABELS:
            raise ValueError(f"unknown labels {labels!r}: use one of {', '.join(LABELS)}")
        # Colorization measures ab / 110 whatever the output's scale.
        units = (AB_SCALE / SCALE) ** 2
        self.colorization = Colorization(Regression(2, SCALE), {"l2": units}, inputs="L/100")
        self.inputs = self.colorization.inputs
        self.in_channels = self.colorization.in_channels
        self.out_channels = self.colorization.out_channels
        self.labels, self.label_free = labels, labels != "true"

    def prepare(self, images_batches: Iterable[Images]) -> None:
        """Read nothing: no statistics are needed."""

    def losses(
        self,
        model: nn.Module,
        images: Images,
        draws: Float[Tensor, "n k"],
        labels: Int64[Tensor, " n"],
    ) -> dict[str, Float[Tensor, ""]]:
        """Return l2 (of ab / 128) and class_cross_entropy; their sum is the loss.

        Raises ValueError for a label that the model has no logit for, TypeError for a model
        without a branch.
        """
        lab = rgb_to_lab(images)
        raw, logits = self._outputs(model, images, lab)
        low, high = (int(bound) for bound in labels.aminmax())
        if low < 0 or high >= logits.shape[1]:
            raise ValueError(
                f"expected labels from 0 to {logits.shape[1] - 1}, got {low} to {high}: raise "
                "n_classes of the model's branch to the number of pretrain classes"
            )
        terms = self.colorization.losses_of(raw, images, lab)
        return {**terms, "class_cross_entropy": F.cross_entropy(logits, labels)}

    def decode(
        self, model: nn.Module, images: Images, *, clip: bool = True
    ) -> Float[Tensor, "n 3 h w"]:
        """Return RGB of the true L and the predicted ab; the class logits are dropped."""
        lab = rgb_to_lab(images)
        return self.colorization.decode_of(self._outputs(model, images, lab)[0], lab, clip=clip)

    def _outputs(self, model: nn.Module, images: Tensor, lab: Tensor) -> Any:
        outputs = model(network_input(images, self.inputs, lab=lab))
        if isinstance(outputs, Tensor):
            raise TypeError(
                "the model returns no class logits: give it a branch, or use Colorization"
            )
        return outputs
