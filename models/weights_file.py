"""Weights that a user gives as a file: safetensors alone, checked before they are copied."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor


def read_weights(
    path: Path, *, instead: str = "none, torchvision", saved: str = "model"
) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name; ValueError if `path` is no such file.

    `instead` names what else could have been given, `saved` the module whose state dict a
    converted file should hold.
    """
    if path.suffix != ".safetensors" or not path.is_file():
        raise ValueError(
            f"expected weights {instead} or an existing .safetensors file, got {path}: "
            f"convert a .pth with safetensors.torch.save_file({saved}.state_dict(), FILE)"
        )
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file: make it again") from error


def copy_weights(
    places: Iterable[tuple[str, Tensor]], given: Mapping[str, Tensor], *, misfit: str, remedy: str
) -> None:
    """Copy into every (name, tensor) of `places` what `given` has under its name.

    What is left over in `given` is not read. ValueError, which begins with `misfit` and ends with
    `remedy`, where something is missing or of another shape.
    """
    for name, tensor in places:
        value = given.get(name)
        if value is None and name.endswith("num_batches_tracked"):
            continue  # which older files do not have, and no fixed momentum reads
        if value is None or value.shape != tensor.shape:
            shape = None if value is None else tuple(value.shape)
            raise ValueError(
                f"{misfit}: {name} should have shape {tuple(tensor.shape)}, got {shape}: {remedy}"
            )
        tensor.copy_(value)
