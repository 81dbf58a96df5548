"""The code behind each kind of record, as its hash: what a run writes down, to be held against."""

from benchmarks.encoders import READ_BY, TRAINED_BY
from benchmarks.entrants import SCORED_BY
from benchmarks.provenance import code_hash
from benchmarks.reconstruct import MEASURED_BY


def stages() -> dict[str, str]:
    """Hash of the code of every stage, as it is part of the keys of that stage's records."""
    return {
        "encoders": code_hash("models", *TRAINED_BY),
        "latents": code_hash("models", *READ_BY),
        "probes": code_hash(*SCORED_BY),
        "baselines": code_hash("models", *SCORED_BY),
        "quality": code_hash("models", *MEASURED_BY),
    }
