"""The verdict on a claim: what its declared differences, in the runs at hand, say of it.

Supported: the 95 % interval is clear of zero on the claimed side, and p <= 0.05 after Holm's
correction over the claim's endpoints, measured or not. Contradicted: the same on the other side.
An endpoint claimed "equal" is supported by an interval that lies within the smallest difference of
interest, and contradicted by one that lies outside it. All else is not decided, or not run.
"""

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.claims.declarations import Claim, Endpoint
from benchmarks.claims.evidence import Difference, evidence, records
from benchmarks.claims.runs import RunFolder
from benchmarks.significance import holm

ALPHA = 0.05
SUPPORTED, CONTRADICTED = "supported", "contradicted"
NOT_DECIDED, NOT_RUN = "not decided", "not run"
# What a command may say without asking anything else of a pair: which parts, where, more runs.
FREE = {
    *("exp", "out", "device", "data.path", "methods", "probes", "baselines", "budgets", "tasks"),
    *("folds", "seeds", "draws", "exposure", "primary.labels_per_class", "primary.classes"),
    *("quality", "quality.lpips", "quality.judge", "quality.fid"),
}


@dataclass(frozen=True)
class Part:
    """An endpoint's verdict, and what was `found` in `folder`, where something was."""

    endpoint: Endpoint
    verdict: str
    found: Difference | None = None
    p_holm: float = math.nan
    folder: RunFolder | None = None
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """A claim and the verdicts of its endpoints, the primary one first."""

    claim: Claim
    parts: tuple[Part, ...]

    @property
    def verdict(self) -> str:
        """That of the primary endpoint."""
        return self.parts[0].verdict


Answer = tuple[Difference, RunFolder]


def decide(claim: Claim, folders: Sequence[RunFolder]) -> Decision:
    """The verdicts on a claim from the run folders that have its declared pairs.

    Of several such runs the one that departs least from the declared command decides, then the
    experiment that is declared first, then more runs (folds, seeds, draws); the others are counted.
    """
    answers = [_answers(claim, endpoint, folders) for endpoint in claim.endpoints]
    p_values = [ranked[0][0].p if ranked and ranked[0][0].tested else 1.0 for ranked in answers]
    parts = [
        _part(claim, endpoint, ranked, float(p))
        for endpoint, ranked, p in zip(claim.endpoints, answers, holm(p_values), strict=True)
    ]
    return Decision(claim, tuple(parts))


def verdict_on(endpoint: Endpoint, found: Difference, p_holm: float) -> str:
    """What a measured difference says of its endpoint."""
    low, high, least = found.low, found.high, endpoint.smallest
    if not found.tested:
        return NOT_DECIDED
    sure = p_holm <= ALPHA
    if endpoint.direction == "equal":
        if -least <= low and high <= least:
            return SUPPORTED
        return CONTRADICTED if sure and (low > least or high < -least) else NOT_DECIDED
    if endpoint.direction == "less":
        low, high = -high, -low
    if sure and low > 0:
        return SUPPORTED
    return CONTRADICTED if sure and high < 0 else NOT_DECIDED


def departures(claim: Claim, folder: RunFolder) -> list[str]:
    """In what a run's command asks for something else than the claim's, in its own words.

    Runs of experiments in `also` are declared with preset=cpu and no other change.
    """
    given = {*shlex.split(str(folder.facts.get("command", ""))), f"preset={folder.facts['preset']}"}
    given = {o for o in given if "=" in o and o.split("=")[0] not in FREE}
    found = []
    declared = [c.overrides for c in claim.commands if c.experiment == folder.name]
    for overrides in declared or [("preset=cpu",)]:
        asked = {o for o in overrides if o.split("=")[0] not in FREE}
        found.append([*sorted(given - asked), *(f"without {o}" for o in sorted(asked - given))])
    return min(found, key=len)


def _answers(claim: Claim, endpoint: Endpoint, folders: Sequence[RunFolder]) -> list[Answer]:
    """What the claim's runs say of the endpoint, the one that decides first."""
    answers = [
        (found, folder)
        for folder in folders
        if folder.name in claim.experiments and (found := evidence(folder, endpoint))
    ]

    def rank(answer: Answer) -> tuple[bool, int, int, int, str]:
        found, folder = answer
        place = claim.experiments.index(folder.name)
        return (
            not found.tested,
            len(departures(claim, folder)),
            place,
            -found.runs,
            str(folder.path),
        )

    distinct: list[Answer] = []
    counted: set[str] = set()
    for answer in sorted(answers, key=rank):
        keys = records(answer[1], endpoint)
        if not keys <= counted:  # else the same records again: a copy, or part of a larger run
            distinct.append(answer)
        counted |= keys
    return distinct


def _part(claim: Claim, endpoint: Endpoint, ranked: Sequence[Answer], p_holm: float) -> Part:
    if not ranked:
        return Part(endpoint, NOT_RUN)
    found, folder = ranked[0]
    remarks = _remarks(claim, endpoint, ranked)
    return Part(endpoint, verdict_on(endpoint, found, p_holm), found, p_holm, folder, remarks)


def _remarks(claim: Claim, endpoint: Endpoint, ranked: Sequence[Answer]) -> tuple[str, ...]:
    """What a reader of the verdict must know."""
    (found, folder), others = ranked[0], len(ranked) - 1
    differs = departures(claim, folder)
    repeated, runs = len(folder.runs & claim.known_runs), len(folder.runs)
    small = -endpoint.smallest < found.low and found.high < endpoint.smallest
    told = {
        f"the run departs from the declared command: {', '.join(differs)}": differs,
        "declared after this run was known": repeated == runs,
        f"{repeated} of {runs} runs were known before": 0 < repeated < runs,
        "two values alone, no test: the folder has no single images of this pair": not found.tested,
        "any difference is below the smallest of interest": small and endpoint.direction != "equal",
        f"{others} more run{'s have' if others > 1 else ' has'} this pair": others,
    }
    return tuple(text for text, is_so in told.items() if is_so)
