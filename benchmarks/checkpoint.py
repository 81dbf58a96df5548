"""State of a training run as one checked safetensors file; no pickles.

Two generations are kept: a file that fails its checksum is passed over for the one before it.
"""

import contextlib
import json
import struct
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from benchmarks.errors import IntegrityError
from benchmarks.store import read_checked, write_checked

KEEP = 2


def save_checkpoint(
    folder: Path,
    *,
    modules: dict[str, nn.Module],
    optimizers: dict[str, torch.optim.Optimizer],
    notes: dict[str, Any],
) -> None:
    """Write weights, buffers, optimiser state and `notes` (JSON with the `step` reached)."""
    tensors = {
        f"{name}/{key}": value.detach().cpu().contiguous()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    for name, optimizer in optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                kept = torch.as_tensor(value).detach().cpu().contiguous()
                tensors[f"optimizer of {name}/{index}/{key}"] = kept
    metadata = {"notes": json.dumps(notes)}
    write_checked(folder / f"step-{notes['step']:09d}.checkpoint", save(tensors, metadata))
    for old in sorted(folder.glob("step-*.checkpoint"))[:-KEEP]:
        old.unlink()


def load_checkpoint(
    folder: Path, *, modules: dict[str, nn.Module], optimizers: dict[str, torch.optim.Optimizer]
) -> dict[str, Any] | None:
    """Restore the newest sound checkpoint in place; its notes, or None at the start.

    Raises IntegrityError where there are checkpoints but none is sound.
    """
    found = sorted(folder.glob("step-*.checkpoint"), reverse=True)
    for path in found:
        with contextlib.suppress(IntegrityError, SafetensorError, struct.error):
            content = read_checked(path)
            tensors = load(content)
            for name, module in modules.items():
                module.load_state_dict(_below(tensors, name))
            for name, optimizer in optimizers.items():
                _restore(optimizer, _below(tensors, f"optimizer of {name}"))
            return json.loads(_metadata(content)["notes"])
    if found:
        raise IntegrityError(f"no checkpoint in {folder} is sound", "delete that folder")
    return None


def follow_layout(optimizer: torch.optim.Optimizer) -> None:
    """Give the state of every weight the weight's layout in memory, which a checkpoint forgets.

    Fused updates walk both as they lie: in another layout, a weight would meet another's moments.
    """
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == weight.shape:
                state[name] = torch.empty_like(weight, requires_grad=False).copy_(value)


def _below(tensors: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    start = f"{name}/"
    return {key.removeprefix(start): t for key, t in tensors.items() if key.startswith(start)}


def _restore(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _metadata(content: bytes) -> dict[str, str]:
    # safetensors' layout: a little-endian length, then a JSON header of that length.
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length])["__metadata__"]
