"""One image a visit, read anew from its file: the data sets behind the naive pipelines."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Shaped, UInt8
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.errors import ConfigError


def read_rgb(file: Path, side: int | None = None) -> UInt8[np.ndarray, "h w 3"]:
    """The whole file decoded by Pillow, then resized to `side` px (bicubic) where that differs."""
    with Image.open(file) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    return pixels if side is None else resize(pixels, side)


def resize(pixels: UInt8[np.ndarray, "h w 3"], side: int) -> UInt8[np.ndarray, "side side 3"]:
    """The image at `side` px by Pillow (bicubic, with antialiasing)."""
    if pixels.shape[:2] == (side, side):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC))


def to_lab(rgb: Shaped[np.ndarray, "h w 3"]) -> Float[np.ndarray, "h w 3"]:
    """scikit-image's Lab of one image, uint8 or in [0, 1]."""
    try:
        from skimage.color import rgb2lab
    except ImportError:
        raise ConfigError("scikit-image is not installed", "pip install -e '.[test]'") from None
    return rgb2lab(rgb)


def lab_of(
    pixels: UInt8[np.ndarray, "_ _ 3"], turned: bool, side: int | None
) -> Float[Tensor, "3 h w"]:
    """Lab of an image, mirrored if `turned`, area-averaged to `side` px before."""
    rgb = _tensor(pixels).div(255)
    rgb = rgb.flip(-1) if turned else rgb
    if side is not None and side != rgb.shape[-1]:
        rgb = F.interpolate(rgb[None], size=(side, side), mode="area")[0]
    lab = to_lab(rgb.permute(1, 2, 0).numpy())
    return torch.from_numpy(np.ascontiguousarray(lab, np.float32)).permute(2, 0, 1).contiguous()


class LabVisits(Dataset):
    """Lab of each file; `copies=2` transforms twice, for input and target, as in the notebook."""

    def __init__(
        self, files: Sequence[Path], turned: np.ndarray, *, side: int | None, copies: int = 1
    ) -> None:
        self.files, self.turned, self.side, self.copies = files, turned, side, copies

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        how = read_rgb(self.files[index]), bool(self.turned[index]), self.side
        return tuple(lab_of(*how) for _ in range(self.copies))


class FeatureVisits(Dataset):
    """Features of each file's pixels: (1, h, w, 3) uint8 in, (d,) out."""

    def __init__(self, files: Sequence[Path], features: Callable[[np.ndarray], Tensor]) -> None:
        self.files, self.features = files, features

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        return (self.features(np.array(read_rgb(self.files[index]))[None]).float(),)


class PixelVisits(Dataset):
    """RGB in [0, 1] at `side` px with its label; shifted and mirrored at random if `augment`."""

    def __init__(
        self, files: Sequence[Path], labels: np.ndarray, *, side: int | None, augment: bool
    ) -> None:
        self.files, self.labels, self.side, self.augment = files, labels, side, augment

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        rgb = _tensor(read_rgb(self.files[index]))
        if self.side is not None and self.side != rgb.shape[-1]:
            rgb = F.interpolate(rgb[None], size=(self.side, self.side), mode="area")[0].round()
        return (_augmented(rgb) if self.augment else rgb) / 255, int(self.labels[index])


def _tensor(pixels: UInt8[np.ndarray, "h w 3"]) -> Float[Tensor, "3 h w"]:
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float()


def _augmented(rgb: Tensor) -> Tensor:
    """A shift of up to an eighth of the side with edges repeated, and a flip."""
    side = rgb.shape[-1]
    reach = side // 8
    top, left = torch.randint(2 * reach + 1, (2,)).tolist()
    padded = F.pad(rgb[None], (reach, reach, reach, reach), mode="replicate")[0]
    view = padded[:, top : top + side, left : left + side]
    return view.flip(-1) if torch.rand(()) < 0.5 else view
