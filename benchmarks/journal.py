"""The losses of a training, read from the device seldom: reading waits for all that it computes."""

from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from benchmarks.errors import IntegrityError

LOG_EVERY = 20  # updates averaged into one entry of the history, and read together
GRADIENT = "gradient of "  # begins the name under which an update tells its gradient's norm


@dataclass
class Journal:
    """`history` has an entry of mean losses every LOG_EVERY updates; `window` those since then.

    Both hold plain numbers and are the caller's own lists, which a checkpoint holds; `unread` is
    still on the device.
    """

    history: list[dict[str, float]]
    window: list[dict[str, float]]
    unread: list[tuple[int, dict[str, Tensor], Int64[np.ndarray, " b"]]] = field(
        default_factory=list
    )

    def note(
        self,
        step: int,
        terms: dict[str, Tensor],
        samples: Int64[np.ndarray, " b"],
        *,
        images: int,
        lr: float,
        last: bool,
    ) -> None:
        """Take the losses of update `step`, made on `samples` at rate `lr`, after `images` images.

        Raises IntegrityError as `read` does, at the LOG_EVERYth update and at the last.
        """
        self.unread.append((step, terms, samples))
        if len(self.window) + len(self.unread) < LOG_EVERY and not last:
            return
        self.read()
        means = {name: np.mean([w[name] for w in self.window]).item() for name in self.window[0]}
        self.history.append({"step": step + 1, "images": images, "lr": lr, **means})
        self.window.clear()

    def read(self) -> None:
        """Move what is unread into `window`, by one transfer.

        IntegrityError names the first update whose loss or gradient was not finite: call this
        before anything of it is kept.
        """
        if not self.unread:
            return
        values = torch.stack([torch.stack(list(terms.values())) for _, terms, _ in self.unread])
        for (step, terms, samples), row in zip(self.unread, values.tolist(), strict=True):
            found = dict(zip(terms, row, strict=True))
            bad = [name for name, value in found.items() if not np.isfinite(value)]
            if bad:
                raise IntegrityError(
                    f"step {step}: {', '.join(bad)} is not finite, "
                    f"batch of pretrain images {samples[:8].tolist()}...; nothing of it was kept",
                    "lower the method's pretrain.lr, or set pretrain.precision=32-true",
                )
            losses = {name: v for name, v in found.items() if not name.startswith(GRADIENT)}
            self.window.append(losses)
        self.unread = []
