"""Randomness as a function of (seed, purpose, epoch, sample): no generator has a history.

Order and augmentation are therefore the same whatever the number of workers, and wherever a run
was interrupted.
"""

import hashlib

import numpy as np
from jaxtyping import Float32, Int64


def generator(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """A fresh generator that depends on nothing but its arguments."""
    word = int.from_bytes(hashlib.sha256(purpose.encode()).digest()[:8], "big")
    return np.random.default_rng([seed, word, *index])


def order(seed: int, epoch: int, n: int) -> Int64[np.ndarray, " n"]:
    """The order in which epoch `epoch` visits `n` samples: always of the original numbering."""
    return generator(seed, "order", epoch).permutation(n)


def uniforms(seed: int, epoch: int, n: int, k: int) -> Float32[np.ndarray, "n k"]:
    """`k` numbers in [0, 1) for each of `n` samples: what augmentation in this epoch reads.

    The first columns do not depend on `k`: two methods that read other numbers flip alike.
    """
    return generator(seed, "augmentation", epoch).random((k, n), dtype=np.float32).T
