"""A stack of matrices that stay, multiplied again and again by a few rows each."""

import functools
from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.backends import mkldnn
from torch.nn import functional

# Numbers in a matrix from which oneDNN pays: as a convolution where there are several of them, and
# prepared where there is one.
_SEVERAL, _ONE = 2**15, 2**20

_Multiply = Callable[[Float[Tensor, "b c k"]], Float[Tensor, "b c m"]]


class Products:
    """Products of rows with `matrices`, each with rows of its own.

    Of so few rows MKL makes most of what Intel's CPUs can do, and less than half of what others
    can. There oneDNN makes most of it: of several large matrices by a convolution over their
    columns, a group for each, and of a single one from a copy in the layout that it wants.
    """

    def __init__(self, matrices: Float[Tensor, "b k m"]) -> None:
        self.matrices = matrices
        self._of_all = _fastest(matrices)

    def __call__(
        self, rows: Float[Tensor, "a c k"], which: Int64[Tensor, " a"]
    ) -> Float[Tensor, "a c m"]:
        """Return rows @ matrix for the matrices `which`, none of them copied."""
        n_matrices = len(self.matrices)
        if len(which) == n_matrices:
            return self._of_all(rows)
        if 2 * len(which) > n_matrices:
            padded = rows.new_zeros(n_matrices, *rows.shape[1:])
            padded[which] = rows
            return self._of_all(padded)[which]
        pairs = zip(rows, which.tolist(), strict=True)
        return torch.stack([part @ self.matrices[i] for part, i in pairs])


def _fastest(matrices: Float[Tensor, "b k m"]) -> _Multiply:
    """Return the product of all matrices with rows of each."""
    size = matrices[0].numel()
    on_cpu = matrices.device.type == "cpu" and matrices.dtype == torch.float32
    onednn = on_cpu and mkldnn.is_available() and not _of_intel()
    if onednn and len(matrices) > 1 and size >= _SEVERAL:
        return _grouped(matrices)
    if onednn and len(matrices) == 1 and size >= _ONE:
        return _prepared(matrices[0])
    return lambda rows: rows @ matrices


@functools.cache
def _of_intel() -> bool:
    """Whether the processor is known to be Intel's."""
    info = Path("/proc/cpuinfo")
    return info.exists() and "GenuineIntel" in info.read_text()


def _grouped(matrices: Float[Tensor, "b k m"]) -> _Multiply:
    n_matrices, _, columns = matrices.shape
    channels = matrices.flatten(0, 1).unsqueeze(0)

    def multiply(rows: Tensor) -> Tensor:
        kernels = rows.flatten(0, 1).unsqueeze(2)
        products = functional.conv1d(channels, kernels, groups=n_matrices)
        return products.view(n_matrices, -1, columns)

    return multiply


def _prepared(matrix: Float[Tensor, "k m"]) -> _Multiply:
    turned = matrix.T.contiguous().to_mkldnn()
    return lambda rows: functional.linear(rows[0].to_mkldnn(), turned).to_dense().unsqueeze(0)
