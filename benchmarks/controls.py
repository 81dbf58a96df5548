"""Controls that a table must have, told from the configuration; and their exposed twins.

A role is filled by what a method or baseline does, not by its name.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from benchmarks.errors import IntegrityError

EXPOSED = "_exposed"  # ends the name of a twin that is pretrained on all classes
MANDATORY = (
    *("untrained encoder", "trained from scratch", "shuffled labels", "chance"),
    "pixels or colour alone",
)
OTHERS = ("plain autoencoder",)
BASELINES = {  # roles of baselines that learn no network
    "probes.chance.Chance": "chance",
    "probes.pixel_linear.PixelLinear": "pixels or colour alone",
    "probes.color_statistics.ColorStatistics": "pixels or colour alone",
}
AUTOENCODER = "models.pretext.autoencoding.Autoencoding"
PARTS = ("methods=", "probes=", "baselines=")  # overrides that choose a part of an experiment
Roles = dict[str, list[list[str]]]


def add_exposed(config: DictConfig, *, asked: bool) -> None:
    """Give each method that `config.exposure` names a twin, NAME_exposed, which sees all classes.

    What an experiment declares of methods that a run does not choose is dropped, unless the
    command line `asked` for it: then checks.py tells that it does not compete.
    """
    if not asked:
        config.exposure = [name for name in config.exposure if name in config.methods]
    with open_dict(config):
        for name in config.exposure:
            if name in config.methods:
                config.methods[name + EXPOSED] = _exposed(config.methods[name])


def controls(config: DictConfig) -> Roles:
    """The rows, as [method, classifier], that fill each role; a mandatory one may have none."""
    found: Roles = {role: [] for role in MANDATORY}
    for role, method, classifier in _filled(config):
        found.setdefault(role, []).append([method, classifier])
    return found


def lacking(config: DictConfig) -> list[str]:
    """Mandatory roles that nothing in the configuration fills."""
    found = controls(config)
    return [role for role in MANDATORY if not found[role]]


def absent(pairs: Collection[tuple[str, str]], run: Mapping[str, Any]) -> list[str]:
    """Mandatory roles that no row among `pairs` (method, classifier) fills, by run.json."""
    roles: Roles = run.get("controls", {})
    shown = {(method, classifier.split("@")[0]) for method, classifier in pairs}  # PROBE@TAP
    there = {role for role, rows in roles.items() if {(m, c) for m, c in rows} & shown}
    there |= {"chance"} if run.get("chance") is not None else set()
    return [role for role in MANDATORY if role not in there]


def require(pairs: Collection[tuple[str, str]], run: Mapping[str, Any]) -> str:
    """The mark of an exploratory table that lacks a control, or nothing; an empty table passes.

    IntegrityError where a control is missing and the run does not call itself exploratory.
    """
    missing = ", ".join(absent(pairs, run)) if pairs else ""
    if missing and not run.get("exploratory"):
        raise IntegrityError(
            f"a table lacks its controls: {missing}",
            "rerun the experiment with them, or with exploratory=true, which the page will say",
        )
    return f"Exploratory: lacks {missing}. " if missing else ""


def _filled(config: DictConfig) -> Iterator[tuple[str, str, str]]:
    """(role, method, classifier) of every control that competes."""
    for probe, handle in config.probes.items():
        for name, method in config.methods.items():
            if name not in (handle.get("methods") or [name]):
                continue
            role = "shuffled labels" if handle.get("shuffle_labels") else _role(config, method)
            if role:
                yield role, str(name), str(probe)
    for name, handle in config.baselines.items():
        target = str(handle.baseline.get("_target_"))
        yield BASELINES.get(target, "trained from scratch"), str(name), "pixels"


def _role(config: DictConfig, method: Any) -> str | None:
    """The role of a method: its pretext is to copy, or its weights are as initialised."""
    epochs = {**config.pretrain, **method.get("pretrain", {})}["epochs"]
    if epochs == 0 and not method.get("start"):
        return "untrained encoder"
    copies = OmegaConf.select(method, "pretext._target_") == AUTOENCODER
    return OTHERS[0] if copies else None


def _exposed(method: Any) -> dict[str, Any]:
    """The method, and the ones that it starts from, trained on images of all classes."""
    begun = {name: _exposed(first) for name, first in method.get("start", {}).items()}
    return {**method, "exposed": True} | ({"start": begun} if begun else {})
