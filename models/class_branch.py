"""The classifier beside Shestakov's colorizer: L to a code of the class, and to class logits."""

from pathlib import Path
from types import MappingProxyType

from jaxtyping import Float
from torch import Tensor, nn

from .classifiers import SmallResNet
from .inception_block import glorot, scaled
from .weights_file import copy_weights, read_weights

CODE = 512
# The colorizer beside it sees L / 100; the original gives its ImageNet trunk L in [0, 100].
LIGHTNESS = 100.0
PUBLISHED_WEIGHTS = MappingProxyType(
    {
        "resnet50": "ResNet50_Weights.IMAGENET1K_V1",
        "resnet18": "ResNet18_Weights.IMAGENET1K_V1",
    }
)
SMALL = (32, 64, 128)


class ClassBranch(nn.Module):
    """L / 100 to a code of `code_channels` numbers and the logits of `n_classes` on top of it.

    L in [0, 100] passes a 3 x 3 convolution to 3 channels, a residual trunk (resnet50, resnet18,
    or small: SmallResNet) and a hidden layer, the code. `weights` of the trunk: "none" (its own
    random ones), "torchvision" (ImageNet, downloaded) or a .safetensors file with the trunk's
    names. The original has ImageNet weights, `frozen`, without ImageNet's normalisation.
    `label_free` says whether the weights it starts from have seen no label of any images.
    """

    def __init__(
        self,
        n_classes: int = 100,
        *,
        trunk: str = "resnet50",
        weights: str | Path = "none",
        frozen: bool = False,
        width: float = 1.0,
    ) -> None:
        """`width` scales the code and the small trunk; resnets keep their published widths.

        A frozen trunk stays in evaluation mode; the layers around it train.
        """
        super().__init__()
        self.label_free, self.frozen = weights == "none", frozen
        self.code_channels = scaled(CODE, width)
        self.to_trunk = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU(inplace=True))
        self.trunk, features = _trunk(trunk, width)
        self.code = nn.Sequential(nn.Linear(features, self.code_channels), nn.ReLU(inplace=True))
        self.classify = nn.Linear(self.code_channels, n_classes)
        for part in (self.to_trunk, self.code, self.classify):
            part.apply(glorot)
        if weights == "torchvision":
            _load(self.trunk, _published(trunk), f"torchvision's {trunk}")
        elif weights != "none":
            _load(self.trunk, read_weights(Path(weights)), str(weights))
        self.trunk.requires_grad_(not frozen)
        self.train()

    def train(self, mode: bool = True) -> "ClassBranch":
        """Return self in the mode, a frozen trunk's batch statistics staying as they are."""
        super().train(mode)
        if self.frozen:
            self.trunk.train(False)
        return self

    def forward(
        self, x: Float[Tensor, "n 1 h w"]
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n classes"]]:
        """Return (code, logits) of L / 100; the code is not negative."""
        code = self.code(self.trunk(self.to_trunk(LIGHTNESS * x)))
        return code, self.classify(code)


def _trunk(name: str, width: float) -> tuple[nn.Module, int]:
    """Return a residual network that ends in averaged features, and their number."""
    if name == "small":
        # Under 16 channels torch 2.15 crashes on CPUs in the backward pass of 1 x 1 convolutions
        # with stride 2, where maps lie channels last.
        widths = [max(16, scaled(channels, width)) for channels in SMALL]
        small = SmallResNet(1, widths=widths)
        small.linear = nn.Identity()  # type: ignore[assignment]
        return small, widths[-1]
    if name not in PUBLISHED_WEIGHTS:
        known = ", ".join((*PUBLISHED_WEIGHTS, "small"))
        raise ValueError(f"unknown trunk {name!r}: use one of {known}")
    from torchvision.models import get_model  # here, because it is slow to import

    network = get_model(name, weights=None)
    features = network.fc.in_features
    network.fc = nn.Identity()
    return network, features


def _published(trunk: str) -> dict[str, Tensor]:
    if trunk not in PUBLISHED_WEIGHTS:
        raise ValueError(
            f"torchvision has no weights of the trunk {trunk!r}: use weights=none or a file, or "
            f"one of {', '.join(PUBLISHED_WEIGHTS)}"
        )
    from torchvision.models import get_weight

    published = get_weight(PUBLISHED_WEIGHTS[trunk])
    try:
        return dict(published.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except (OSError, RuntimeError) as error:
        raise ValueError(
            f"the trunk {trunk!r} needs {published.url.rsplit('/', 1)[-1]}, which could not be "
            f"downloaded from {published.url}: save its state dict as safetensors elsewhere and "
            "give weights=FILE, or use weights=none"
        ) from error


def _load(trunk: nn.Module, given: dict[str, Tensor], source: str) -> None:
    """Copy `given` into the trunk; its own classifier, if any, is left over."""
    copy_weights(
        trunk.state_dict().items(), given, misfit=f"{source} does not fit",
        remedy="give the weights of this trunk",
    )  # fmt: skip
