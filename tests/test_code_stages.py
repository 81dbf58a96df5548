"""The hashes that a run writes down are those in the keys of its records."""

from benchmarks import encoders, reconstruct
from benchmarks.code_stages import stages
from benchmarks.entrants import baseline_entrants, probe_entrants


def test_hashes_are_those_of_the_keys(at, tiny, make_encoders, monkeypatch):
    asked, real = [], encoders.code_hash

    def recorded(*names):
        asked.append(real(*names))
        return asked[-1]

    monkeypatch.setattr(encoders, "code_hash", recorded)
    (method,) = make_encoders(at, "methods=[block_untrained]")
    cfg = tiny("methods=[block_untrained]")
    (entrant,) = probe_entrants(method, cfg.probes)
    (baseline,) = baseline_entrants(at.images, cfg.baselines)
    found = stages()
    assert asked == [found["encoders"], found["latents"]]
    assert entrant.made_of["code"] == found["probes"]
    assert baseline.made_of["code"] == found["baselines"]
    assert found["quality"] == real("models", *reconstruct.MEASURED_BY)
