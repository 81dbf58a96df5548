"""The questions of configs/claims, each with the differences that decide it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from benchmarks.errors import ConfigError
from benchmarks.settings import ROOT
from benchmarks.store import content_key

DIRECTIONS = ("greater", "less", "equal")
GROUPS = ("all", "seen", "unseen")
CORRELATION = "rank_correlation"
SPLIT_DIGITS = 12


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A difference, a minus b, that is claimed to be greater or less than 0, or equal to it.

    Of top-1 (a fraction) `a` and `b` are (method, classifier); of a measure of colorizations, in
    its unit, they are (method,). Of `rank_correlation`, over systems, each is (quality, measure) or
    (top1, classifier). `smallest` is the smallest difference of interest; "equal" means within it.
    """

    a: tuple[str, ...]
    b: tuple[str, ...]
    direction: str
    classes: str
    smallest: float
    measure: str = "top1"
    labels_per_class: int | None = None

    def __post_init__(self) -> None:
        labels = self.measure == "top1" or "top1" in (self.a[0], self.b[0])
        if self.direction not in DIRECTIONS or self.classes not in GROUPS:
            raise ConfigError(
                f"{self.direction} on {self.classes} classes is no endpoint",
                f"directions: {', '.join(DIRECTIONS)}; classes: {', '.join(GROUPS)}",
            )
        if not self.smallest > 0 or labels != (self.labels_per_class is not None):
            raise ConfigError(
                f"the endpoint {' '.join(self.a)} against {' '.join(self.b)} is not whole",
                "give smallest > 0, and labels_per_class for top-1 and for it alone",
            )

    @property
    def key(self) -> str:
        """Hash of what is measured: what is claimed of it does not matter."""
        return content_key(
            a=self.a, b=self.b, measure=self.measure, classes=self.classes,
            labels_per_class=self.labels_per_class,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Command:
    """Overrides of `python benchmarks/run.py`, and their minutes on two free CPU cores."""

    overrides: tuple[str, ...]
    minutes: int

    @property
    def experiment(self) -> str:
        """The name after `exp=`."""
        return next(o.removeprefix("exp=") for o in self.overrides if o.startswith("exp="))

    @property
    def line(self) -> str:
        """What to type, DIR being the folder of the data."""
        quoted = [f"'{o}'" if "[" in o else o for o in self.overrides]
        return " ".join(["python benchmarks/run.py", *quoted])


@dataclass(frozen=True)
class Run:
    """One fold and seed of an experiment on a split (the first SPLIT_DIGITS of its hash).

    Code and settings do not matter: who has seen the result of one such run expects the next.
    """

    exp: str
    split: str
    fold: int
    seed: int


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A question; its first endpoint is primary, all of them are one family for Holm's correction.

    Runs of the commands' experiments decide, then of those in `also`. `lacks` says what has to be
    written first; of `known_runs` the results were known when this was declared.
    """

    name: str
    question: str
    source: str
    commands: tuple[Command, ...]
    endpoints: tuple[Endpoint, ...]
    declaration: str
    also: tuple[str, ...] = ()
    lacks: str = ""
    known_runs: frozenset[Run] = frozenset()
    notes: str = ""

    @property
    def number(self) -> int:
        """Its place in the list of questions."""
        return int(self.name.split("_")[0])

    @property
    def experiments(self) -> tuple[str, ...]:
        """Experiments whose runs decide, the one to be preferred first."""
        return tuple(dict.fromkeys([*(c.experiment for c in self.commands), *self.also]))


def declared(folder: Path = ROOT / "configs" / "claims") -> list[Claim]:
    """Every claim of a folder, in the order of their numbers; ConfigError for one not whole."""
    return [_claim(path) for path in sorted(folder.glob("*.yaml"))]


def _claim(path: Path) -> Claim:
    said: Any = OmegaConf.to_container(OmegaConf.load(path))
    try:
        endpoints = [_endpoint(end) for end in said["endpoints"]]
        commands = [
            Command(overrides=tuple(c["run"].split()), minutes=c["minutes"])
            for c in said["commands"]
        ]
        lists = {"also": tuple(said.get("also", ())), "endpoints": tuple(endpoints)}
        known = frozenset(Run(**run) for run in said.get("known_runs", ()))
        parts = {**said, **lists, "known_runs": known, "commands": tuple(commands)}
        # How long runs take, and which were known, is no part of what is claimed.
        fixed = {key: said.get(key) for key in ("question", "endpoints", "also")}
        key = content_key(**fixed, runs=[c["run"] for c in said["commands"]])
        return Claim(name=path.stem, declaration=key[:8], **parts)
    except (KeyError, TypeError) as error:
        raise ConfigError(f"{path.name} is no claim: {error}", "see those beside it") from error


def _endpoint(said: dict[str, Any]) -> Endpoint:
    typed = {"a": tuple(said["a"]), "b": tuple(said["b"]), "smallest": float(said["smallest"])}
    return Endpoint(**{**said, **typed})
