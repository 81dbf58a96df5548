"""How much of the spread of scores comes from each level: fold, pretraining seed, draw, probe."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Shaped


def variance_components(
    values: Float[np.ndarray, " n"], levels: Mapping[str, Shaped[np.ndarray, " n"]]
) -> pd.DataFrame:
    """Return `level`, `variance` (unit of the values squared), `groups`, one line a level.

    `levels` says by name to which group of a level each value belongs, from the outside in. A level
    whose groups all hold one value is what is left over and comes last, with all that lies within
    it; without such a level the last line is `rest`. Levels with a single group, or with the groups
    of an outer one, cannot be told and are left out.

    Estimates are those quadratic forms' (MINQUE(0), Rao 1971) whose expectations are solved for the
    components: unbiased for nested and crossed levels, equal to analysis of variance where groups
    are equally large. An estimate below zero is returned as it is: it says "not above zero".
    """
    n = len(values)
    groups = {name: np.unique(ids, return_inverse=True)[1] for name, ids in levels.items()}
    kept: dict[str, np.ndarray] = {}
    rest = "rest"
    for name, ids in groups.items():
        size = len(np.unique(ids))
        if size == n:
            rest = name
            break
        if size > 1 and not any(_same(ids, other) for other in kept.values()):
            kept[name] = ids
    names, sizes = [*kept, rest], [*(int(ids.max()) + 1 for ids in kept.values()), n]
    if n < 2:
        return pd.DataFrame({"level": names, "variance": np.nan, "groups": sizes})
    kernels = [_centred(np.equal.outer(ids, ids).astype(float)) for ids in kept.values()]
    kernels.append(_centred(np.eye(n)))
    observed = [float(values @ kernel @ values) for kernel in kernels]
    expected = np.array([[float(np.sum(a * b)) for b in kernels] for a in kernels])
    found = np.linalg.lstsq(expected, np.array(observed), rcond=None)[0]
    return pd.DataFrame({"level": names, "variance": found, "groups": sizes})


def _centred(kernel: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The kernel with the grand mean taken out on both sides."""
    rows = kernel - kernel.mean(0)
    return rows - rows.mean(1, keepdims=True)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two groupings of the same values are one."""
    pairs = np.unique(np.stack([a, b]), axis=1).shape[1]
    return pairs == int(a.max()) + 1 == int(b.max()) + 1
