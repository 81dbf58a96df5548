from itertools import product

import pytest
import torch

from probes import products
from probes.products import Products

SMALL, SEVERAL, ONE = (3, 7, 5), (3, 180, 190), (1, 1030, 1025)


@pytest.fixture(params=[True, False], ids=["Intel", "other"], autouse=True)
def intel(request, monkeypatch):
    """The processor's maker, as far as the choice of a way is concerned."""
    monkeypatch.setattr(products, "_of_intel", lambda: request.param)
    return request.param


def _matrices(shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("shape", "which"),
    [*product((SMALL, SEVERAL), ([0], [2], [0, 2], [0, 1, 2])), (ONE, [0])],
)
def test_products_are_those_of_float64_whichever_way(shape, which, turned):
    matrices = _matrices(shape)
    matrices = matrices.mT if turned else matrices
    rows = torch.randn(len(which), 4, matrices.shape[1])
    found = Products(matrices)(rows, torch.tensor(which))
    exact = torch.einsum("ack,akm->acm", rows.double(), matrices[which].double())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-3)


def test_large_matrices_take_the_ways_of_onednn_except_on_intel(monkeypatch, intel):
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this build has no oneDNN")
    taken = []
    for name in ("_grouped", "_prepared"):
        way = getattr(products, name)
        monkeypatch.setattr(
            products, name, lambda m, name=name, way=way: (taken.append(name), way(m))[1]
        )
    for shape in (SMALL, SEVERAL, ONE):
        Products(_matrices(shape))
        Products(_matrices(shape).double())
    assert taken == ([] if intel else ["_grouped", "_prepared"])
