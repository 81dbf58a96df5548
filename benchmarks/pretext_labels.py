"""Labels for the pretexts that ask for them; all others see pixels alone."""

import numpy as np
from jaxtyping import Int64

from benchmarks.contest import Round
from benchmarks.draws import generator


def pretext_labels(kind: str | None, at: Round) -> Int64[np.ndarray, " p"] | None:
    """Labels of the pretrain split, 0..c-1, for a pretext that asks for them by `kind`.

    "true", "shuffled" (one permutation of the images, so that classes keep their sizes) or
    "constant"; None where no label goes into pretraining.
    """
    if kind is None:
        return None
    labels = np.searchsorted(at.split.seen, at.images.labels[at.split.pretrain])
    if kind == "shuffled":
        return generator(at.seed, "shuffled pretext labels").permutation(labels)
    return np.zeros_like(labels) if kind == "constant" else labels
