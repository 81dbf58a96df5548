"""What colorizations are measured by: formulas, and networks that may be left out."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from benchmarks.batches import in_order
from benchmarks.contest import Round
from benchmarks.judge import Judge, TrainedJudge
from benchmarks.picture_distances import lpips_name, lpips_values
from benchmarks.picture_metrics import PictureMetrics, ab_counts
from benchmarks.progress import Meter
from benchmarks.provenance import code_hash
from benchmarks.store import content_key
from models.losses import Lpips
from models.quantize import AbBins

PRIOR_BATCH = 128
PRIOR_BY = [
    *("models/cie.py", "models/color.py", "models/quantize.py"),
    *("benchmarks/batches.py", "benchmarks/instruments.py", "benchmarks/picture_metrics.py"),
]


@dataclass(frozen=True, kw_only=True)
class Instruments:
    """What measures beside formulas; what is None is left out, and `notes` says so.

    `fid` maps pictures in [0, 1] to `num_features` numbers and has the name of what it measures,
    `metric`. `max_images` test pictures are looked at, evenly over classes; None is all. What
    predicts classes of colour is measured at each of `temperatures` of their annealed mean, too;
    at 0 it is their mode.
    """

    lpips: Lpips | None = None
    fid: nn.Module | None = None
    judge: Judge | None = None
    max_images: int | None = None
    temperatures: Sequence[float | int] = ()

    def __post_init__(self) -> None:
        if self.max_images is not None and self.max_images < 1:
            raise ValueError(f"expected max_images of 1 or more, or None, got {self.max_images}")
        if any(not 0 <= temperature < math.inf for temperature in self.temperatures):
            raise ValueError(f"expected temperatures of 0 or more, got {list(self.temperatures)}")

    @property
    def notes(self) -> list[str]:
        """What a reader of the table must know."""
        found = []
        if self.lpips is None:
            found.append("LPIPS was not measured: no trunk was given")
        elif self.lpips.label_free:
            found.append(f"{lpips_name(self.lpips)} is not LPIPS as published: its trunk is random")
        if self.fid is None:
            found.append("FID was not measured: no network was given")
        elif self.fid.metric != "fid":
            found.append(f"{self.fid.metric} is not FID as published: its network is another")
        if self.judge is None:
            found.append("recoloured pictures were not classified: no judge was given")
        if self.max_images is not None:
            found.append(f"quality was measured on at most {self.max_images:,} test pictures")
        return found

    def made_of(self, at: Round) -> dict[str, Any]:
        """What the values depend on, for a record's key."""
        return {
            "lpips": self.lpips and [lpips_name(self.lpips), _tensors_hash(self.lpips)],
            "fid": self.fid and [str(self.fid.metric), _tensors_hash(self.fid)],
            "judge": self.judge and self.judge.key(at),
            "max_images": self.max_images,
        }


class Measures:
    """The instruments in place for one round: its judge is trained, its colours are counted."""

    def __init__(self, instruments: Instruments, at: Round) -> None:
        self.formulas = PictureMetrics(ab_prior(at), at.device)
        self.lpips = instruments.lpips.to(at.device) if instruments.lpips else None
        self.judge: TrainedJudge | None = None
        if instruments.judge:
            self.judge = instruments.judge.trained(at)

    def __call__(
        self,
        predicted: Float[Tensor, "n 3 h w"],
        truth: Float[Tensor, "n 3 h w"],
        labels: Int64[np.ndarray, " n"],
    ) -> dict[str, Float[Tensor, " n"]]:
        """Values of each pair of clipped pictures; `recoloured_top1` is 1 where the judge is right.

        Names with a dot in them are for picture_metrics.pooled to combine.
        """
        found = self.formulas(predicted, truth)
        if self.lpips:
            found[lpips_name(self.lpips)] = lpips_values(self.lpips, predicted, truth).double()
        if self.judge:
            right = self.judge.predict(_as_stored(predicted)) == labels
            found["recoloured_top1"] = torch.from_numpy(right).double()
        return found


def ab_prior(at: Round) -> Int64[Tensor, " 313"]:
    """Pixels of the pretrain split in each ab bin, from their record, made if it is missing."""
    data, split = at.images.fingerprint, at.split.manifest_hash
    key = content_key(stage="priors", data=data, split=split, code=code_hash(*PRIOR_BY))
    with at.store.writing("priors", key) as folder:
        if folder is not None:
            bins, ids = AbBins(neighbours=1).to(at.device), at.split.pretrain
            counts = torch.zeros(len(bins.centers), dtype=torch.int64, device=at.device)
            with Meter(f"colours of the pretrain split (fold {at.fold})", len(ids)) as meter:
                for batch in in_order(at.images.images, ids, size=PRIOR_BATCH, device=at.device):
                    counts += ab_counts(batch, bins)
                    meter.advance(len(batch))
            np.save(folder / "counts.npy", counts.cpu().numpy())
    return torch.from_numpy(np.load(at.store.path("priors", key) / "counts.npy"))


def _as_stored(pictures: Float[Tensor, "n 3 h w"]) -> UInt8[np.ndarray, "n h w 3"]:
    return (255 * pictures).round().byte().permute(0, 2, 3, 1).cpu().numpy()


def _tensors_hash(network: nn.Module) -> str:
    """SHA-256 of all tensors, those that no state dict holds included."""
    digest = hashlib.sha256()
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
