"""results/claims.md: the questions, their verdicts, and how to get those that are missing."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.claims.declarations import CORRELATION, Endpoint
from benchmarks.claims.runs import RunFolder
from benchmarks.claims.verdicts import NOT_DECIDED, Decision, Part
from benchmarks.report.quality import COLUMNS
from benchmarks.report.render import plain
from benchmarks.report.statements import p_text

HEAD = """# Claims

<!-- Written by `python -m benchmarks.claims`; do not edit. -->

Questions that the systems and papers reproduced here raise, each with the difference that decides
it, declared in [configs/claims](../configs/claims) before its run; a row says where the run was
known before. An effect is a minus b, in points of top-1 or in the measure's own unit, with its 95 %
interval over test classes and images, and over runs where there are several: one run says nothing
of other seeds, folds or draws of labels. p is by sign flips of classes, after Holm over the claim's
endpoints alone, so that it may be smaller than in a run's table, whose family is larger; of a rank
correlation, interval and p are Fisher's and Student's, over systems. **Supported**: the interval is
clear of zero on the claimed side and p is at most 0.05; where no difference is claimed, it lies
within the smallest difference of interest. **Contradicted**: the same on the other side, or beyond
that difference. **Not decided**: neither, at this budget; *detectable* is the effect that
80 % power would have found.
"""
HOW = """## How to run

Minutes are estimates for two free CPU cores. DIR is a folder of Food-101's parquet files at 64 px.
The verdicts are then renewed by `python -m benchmarks.claims`.
"""
HEADER = ["verdict", "effect", "p", "detectable", "of interest", "run"]


def claims_page(decisions: Sequence[Decision], folder: Path) -> str:
    """Return the page as Markdown; links are relative to `folder`, where it is to lie."""
    counts = Counter(decision.verdict for decision in decisions)
    tally = ", ".join(f"{n} {verdict}" for verdict, n in sorted(counts.items()))
    first, others = (_lines(decisions, folder, primary=primary) for primary in (True, False))
    return "\n".join(
        [
            HEAD,
            f"{len(decisions)} questions: {tally}.\n",
            _table("Questions, by their primary endpoint", "question", first),
            _table("Their other endpoints", "a against b", others),
            HOW,
            *_commands(decisions),
        ]
    )


def pair_text(endpoint: Endpoint) -> str:
    """Return what is compared with what, where, and which way it is claimed, as Markdown."""
    sign = {"greater": "&gt;", "less": "&lt;", "equal": "="}[endpoint.direction]
    where = f"{endpoint.classes} classes"
    if endpoint.labels_per_class is not None:
        where += f", {endpoint.labels_per_class} labels"
    if endpoint.measure == CORRELATION:
        a, b = (plain(" ".join(side)) for side in (endpoint.a, endpoint.b))
        return f"rank correlation of {a} with {b} {sign} 0, {where}"
    a, b = (plain(side[0]) + (f" ({plain(side[1])})" if side[1:] else "")
            for side in (endpoint.a, endpoint.b))  # fmt: skip
    return f"{plain(endpoint.measure)} of {a} {sign} {b}, {where}"


def amount(endpoint: Endpoint, value: float, *, signed: bool = False) -> str:
    """Return a value in the unit that tables show: points of top-1, or the measure's own unit.

    It has as many decimals as the smallest difference of interest needs, and one at least.
    """
    factor = 100.0 if endpoint.measure == "top1" else COLUMNS.get(endpoint.measure, ("", 1.0))[1]
    least, decimals = factor * endpoint.smallest, 1
    while round(least * 10**decimals) < 1 or least * 10**decimals % 1 > 1e-9:
        decimals += 1
    extra = 0 if endpoint.measure == "top1" and least >= 1 else 1
    text = f"{factor * value:{'+' if signed else ''}.{decimals + extra}f}"
    return text.replace("-", "\u2212")


def _table(title: str, first: str, lines: Iterator[list[str]]) -> str:
    header = ["#", first, *HEADER]
    rules = ["---:", "---", "---", "---:", "---:", "---:", "---:", "---"]
    body = "\n".join(f"| {' | '.join(line)} |" for line in [header, rules, *lines])
    return f"## {title}\n\n{body}\n"


def _lines(decisions: Sequence[Decision], folder: Path, *, primary: bool) -> Iterator[list[str]]:
    for decision in decisions:
        claim = decision.claim
        said = f"{plain(claim.question)} ({plain(claim.source)}; declared: `{claim.declaration}`) "
        for part in decision.parts[:1] if primary else decision.parts[1:]:
            text = f"{said}*{pair_text(part.endpoint)}*" if primary else pair_text(part.endpoint)
            yield [str(claim.number), text, *_cells(part, folder)]


def _cells(part: Part, folder: Path) -> list[str]:
    """Verdict, effect, p, detectable effect, that of interest and run of one endpoint."""
    found, endpoint, run = part.found, part.endpoint, part.folder
    least = amount(endpoint, endpoint.smallest)
    if found is None or run is None:
        return [part.verdict, "", "", "", least, ""]
    verdict = f"{part.verdict} at this budget" if part.verdict == NOT_DECIDED else part.verdict
    told = "; ".join([f"**{verdict}**", *map(plain, part.remarks)])
    effect = amount(endpoint, found.effect, signed=True)
    where = _run_cell(part, run, folder)
    if not found.tested:
        return [told, effect, "", "", least, where]
    low, high = (amount(endpoint, x, signed=True) for x in (found.low, found.high))
    detectable = amount(endpoint, found.smallest_detectable)
    shown = f"{effect} ({low} to {high})"
    return [told, shown, p_text(part.p_holm), detectable, least, where]


def _run_cell(part: Part, run: RunFolder, folder: Path) -> str:
    """The run with a link, its preset, data, folds, seeds, and how many images it had."""
    assert part.found is not None
    of = "systems" if part.endpoint.measure == CORRELATION else "test images"
    folds, seeds = (", ".join(map(str, run.facts.get(k, []))) for k in ("folds", "seeds"))
    named = [part.found.metric] if part.found.metric not in (part.endpoint.measure, "top1") else []
    sides = {part.endpoint.a[0], part.endpoint.b[0]}
    trained = max(map(run.images_seen, sides))
    facts = [
        f"preset {run.facts['preset']}", str(run.facts.get("data", "?")), f"fold {folds}",
        f"seed {seeds}", f"{part.found.n_test:,} {of}",
        *([f"{trained:,} images seen in pretraining"] if trained else []), *named,
    ]  # fmt: skip
    return ", ".join([_link(run, folder), *map(plain, facts)])


def _link(run: RunFolder, folder: Path) -> str:
    """A link to the run's folder, or its name alone in results/runs, which is not committed."""
    if run.path.resolve().parent.name == "runs":
        return f"{plain(run.name)} (not committed)"
    path = Path(os.path.relpath(run.path.resolve(), folder.resolve()))
    return f"[{plain(run.name)}]({path.as_posix()})"


def _commands(decisions: Sequence[Decision]) -> Iterator[str]:
    for claim in (decision.claim for decision in decisions):
        lacks = f"Cannot be run yet: it lacks {plain(claim.lacks)}. " if claim.lacks else ""
        yield (
            f"**{claim.number}.** {plain(claim.question)} {lacks}{plain(claim.notes)}".rstrip()
            + "\n"
        )
        for command in claim.commands:
            yield f"    {command.line}    # {command.minutes} minutes\n"
