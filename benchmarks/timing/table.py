"""The measurement as Markdown: units, projected phases, the projection written out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.timing.counts import PHASES, Unit, project
from benchmarks.timing.spread import Spread, ratios, spread
from benchmarks.timing.turns import Turns
from benchmarks.timing.wording import grid_of, ratio, readable

NAIVE = ("N0", "N1")
OURS = "ours"
NAMES = {
    "decode": "decode and store",
    "colour": "colour conversion",
    "soft": "soft encoding",
    "step": "pretraining step",
    "pass": "latents, an image",
    "fit": "probe, a fit",
    "label step": "step on labels",
}
PLURAL = {
    "decode": "images decoded and stored", "start": "starts of a pretraining",
    "step": "pretraining steps", "pass": "images through an encoder", "fit": "probe fits",
    "visit": "images visited by heads", "label start": "starts on labels",
    "label step": "steps on labels", "predict": "images predicted",
}  # fmt: skip
LEGEND = """\
N0: the loop of Oganov's notebook (one process, whole files decoded by Pillow at every visit,
transforms done twice, a loss read and logged every step, heads trained for 10 epochs with the
encoder run in each). N1: fair naive code (Pillow and scikit-image in a Dataset, 2 loader processes,
fp32, NCHW, the encoder run again for each head, scikit-learn's regressions one by one). Ours: the
suite, with its records and checks. N0 and N1 convert colours and encode bins image by image in one
process; converted colours are let go at once, as in training. N0 fits no probe, its heads visit
images. Photos are JPEG of 128 px, large ones of 512 px as in Food-101, both stored at 64 px; of
large ones ours has libjpeg decode a quarter of the side, within a level of the whole. Times are
medians over turns (N0, N1, ours, N0, ...), ratios medians of the turns' own ratios, with their
range."""


def markdown(
    found: Turns,
    counted: Mapping[str, Mapping[Unit, int]],
    *,
    machine: Mapping[str, Any],
    executed: Mapping[str, float],
    sections: Mapping[str, str],
) -> str:
    """The whole page, with what else was measured in `sections`, by title."""
    turns = len(found[OURS])
    parts = [
        f"# Speed\n\n{described(machine)}\n\n{LEGEND}",
        f"From start to writing, this measurement took {machine['minutes']:.1f} minutes.",
        f"## Units, {turns} turns\n\n{_units(found)}",
        f"## The whole table, projected from these units\n\n{_phases(found, counted)}",
        "\n".join(f"- {name}: {_terms(found[name], counted[name])}" for name in counted),
        _executed(found, counted, executed),
        *(f"## {title}\n\n{text}" for title, text in sections.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def totals(turns: Iterable[Mapping[Unit, float]], counted: Mapping[Unit, int], phase: str) -> list:
    """Projected seconds of a phase, or of the "whole table", turn by turn."""
    return [project(counted, turn)[phase] for turn in turns]


def described(facts: Mapping[str, Any]) -> str:
    """The machine in a sentence."""
    versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
    return (
        f"{facts['device']}, {facts['cores']} cores, {facts['memory_gib']} GiB, "
        f"{facts['system']}, Python {facts['python']}, {versions}; {facts['date']}, commit "
        f"{facts['commit']}; load before the start {facts['load_before']}."
    )


def _units(found: Turns) -> str:
    lines = []
    for unit in found[OURS][0]:
        if unit[0] not in NAMES or unit == ("decode", "table"):
            continue
        cells = [_time(spread(turn[unit] for turn in found[OURS]))]
        for name in reversed(NAIVE):
            known = unit in found[name][0]
            cells.insert(0, _time(spread(t[unit] for t in found[name])) if known else "")
        for name in NAIVE:
            known = unit in found[name][0]
            cells.append(ratio(_against(found, name, unit)) if known else "")
        lines.append([f"{NAMES[unit[0]]}: {unit[1]}", *cells])
    return grid_of(["", "N0", "N1", "ours", "N0 / ours", "N1 / ours"], lines)


def _phases(found: Turns, counted: Mapping[str, Mapping[Unit, int]]) -> str:
    lines = []
    for phase in (*PHASES, "whole table"):
        seconds = {name: totals(found[name], counted[name], phase) for name in counted}
        shown = [_time(spread(seconds[name])) if any(seconds[name]) else "" for name in counted]
        more = [
            ratio(ratios(seconds[name], seconds[OURS]))
            if any(seconds[name]) and all(seconds[OURS])
            else ""
            for name in NAIVE
        ]
        lines.append([phase, *shown, *more])
    return grid_of(["projected", *counted, "N0 / ours", "N1 / ours"], lines)


def _terms(turns: list[dict[Unit, float]], counted: Mapping[Unit, int]) -> str:
    """The sum behind a projection: counts times their mean seconds, phase by phase."""
    count: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for unit, n in counted.items():
        count[unit[0]] += n
        seconds[unit[0]] += n * spread(turn[unit] for turn in turns).median
    each = [
        f"{count[kind]:,} {PLURAL[kind]} x {readable(seconds[kind] / count[kind])}"
        for kind in PLURAL
        if count[kind]
    ]
    return f"{' + '.join(each)} = {readable(sum(seconds.values()))}"


def _executed(
    found: Turns, counted: Mapping[str, Mapping[Unit, int]], executed: Mapping[str, float]
) -> str:
    lines = []
    for name, seconds in executed.items():
        guess = spread(totals(found[name], counted[name], "whole table")).median
        lines.append(
            f"Whole table of {name} really made, once: {readable(seconds)}; projected "
            f"{readable(guess)}, {guess / seconds:.2f} times that."
        )
    if OURS not in executed:
        lines.append("No time was left to make the whole table of ours: it is projected, too.")
    return "\n".join(lines)


def _against(found: Turns, name: str, unit: Unit) -> Spread:
    return ratios((t[unit] for t in found[name]), (t[unit] for t in found[OURS]))


def _time(seconds: Spread) -> str:
    return readable(seconds.median)
