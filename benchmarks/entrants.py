"""What competes for rows: every probe on every frozen encoder, and every baseline on pixels."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from omegaconf import DictConfig

from benchmarks.data import ImageStore
from benchmarks.encoders import MethodEncoder
from benchmarks.errors import ConfigError
from benchmarks.latents import Latents
from benchmarks.provenance import code_hash
from benchmarks.scoring import Entrant, Pixels
from benchmarks.selection import Features
from benchmarks.settings import build, plain
from benchmarks.views import Views
from models.encoder import EncoderClassifier

CHOICE = "contest draws partition scoring selection splits views"
SCORED_BY = ["probes", *(f"benchmarks/{name}.py" for name in CHOICE.split())]


def entrants(
    methods: list[MethodEncoder], probes: DictConfig, baselines: DictConfig, data: ImageStore
) -> list[Entrant]:
    """Every probe on every encoder, then the baselines.

    ConfigError for a setting that does not fit, before the first encoder is trained.
    """
    for method in methods:
        method.check()
    for method, handle in product(methods, probes.values()):
        _make(handle.probe, _reading(method, str(handle.reads))[1], seed=0)
    on_pixels = list(baseline_entrants(data, baselines))
    on_latents = [entrant for method in methods for entrant in probe_entrants(method, probes)]
    return [*on_latents, *on_pixels]


def probe_entrants(encoder: MethodEncoder, probes: DictConfig) -> Iterator[Entrant]:
    """The entrants of each probe that is meant for this encoder (`methods` may restrict them).

    One a probe, which may choose among taps; one a tap for a probe that `reads: each_tap`.
    """
    for name, handle in probes.items():
        if encoder.name not in (handle.get("methods") or [encoder.name]):
            continue
        if handle.reads == "each_tap":
            for tap in encoder.taps:
                at_tap = partial(_only, encoder, tap), dict[str, Any]()
                yield _entrant(encoder, f"{name!s}@{tap}", handle, at_tap, default_tap=tap)
        else:
            tap = encoder.bottleneck if handle.reads == "bottleneck" else encoder.tap
            reading = _reading(encoder, str(handle.reads))
            yield _entrant(encoder, str(name), handle, reading, default_tap=tap)


def _entrant(
    encoder: MethodEncoder,
    classifier: str,
    handle: Any,
    reading: tuple[Callable[[], Features], dict[str, Any]],
    *,
    default_tap: str,
) -> Entrant:
    features, arguments = reading
    return Entrant(
        method=encoder.name,
        classifier=classifier,
        label_free=encoder.label_free,
        probe=partial(_make, handle.probe, arguments),
        features=features,
        default_tap=default_tap,
        made_of={
            "latents": encoder.latents_key,
            "probe": plain(handle.probe),
            "reads": handle.reads,
            "taps": [encoder.tap, encoder.head_tap],
            "code": code_hash(*SCORED_BY),
        },
        shuffle=bool(handle.get("shuffle_labels", False)),
    )


def baseline_entrants(data: ImageStore, baselines: DictConfig) -> Iterator[Entrant]:
    """An entrant for each baseline: trained from pixels on the same labels."""
    for name, handle in baselines.items():
        _make(handle.baseline, {}, seed=0)
        yield Entrant(
            method=str(name),
            classifier="pixels",
            label_free=True,
            probe=partial(_make, handle.baseline, {}),
            features=lambda: Pixels(data.images),
            default_tap="pixels",
            made_of={
                "data": data.fingerprint,
                "baseline": plain(handle.baseline),
                "code": code_hash("models", *SCORED_BY),
            },
        )


@dataclass(frozen=True)
class _Taps:
    """Latents of which only some taps may be chosen."""

    latents: Latents
    taps: tuple[str, ...]

    def take(self, tap: str, ids: Any) -> Any:
        """Latents of the images `ids` at `tap`."""
        return self.latents.take(tap, ids)


def _reading(encoder: MethodEncoder, reads: str) -> tuple[Callable[[], Features], dict[str, Any]]:
    """Features that a probe `reads`, and what else its constructor is given."""
    if reads == "taps":
        return (lambda: encoder.latents), {}
    if reads == "views":
        return (lambda: Views(encoder.latents, encoder.model)), {}
    if reads in ("tap", "each_tap"):
        return partial(_only, encoder, encoder.tap), {}
    if reads == "bottleneck":
        return partial(_only, encoder, encoder.bottleneck), {}
    if reads == "encoder":
        tap = encoder.head_tap
        network = {
            "network": lambda n_classes: EncoderClassifier(
                encoder.encoder(), tap=tap, n_classes=n_classes
            )
        }
        return (lambda: Pixels(encoder.at.images.images, taps=(tap,))), network
    raise ConfigError(
        f"a probe cannot read {reads}", "known: taps, tap, each_tap, views, bottleneck, encoder"
    )


def _only(encoder: MethodEncoder, tap: str) -> Features:
    return _Taps(encoder.latents, (tap,))


def _make(node: Any, arguments: dict[str, Any], seed: int) -> Any:
    return build(node, **arguments, seed=seed, _partial_=False)
