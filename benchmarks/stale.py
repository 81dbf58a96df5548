"""Rows that the current code, configuration and data would no longer make, as far as files tell.

A record's key is the hash of what made it. run.json holds the parts that rows do not: the hashes of
the code by stage and the fingerprint of the images; config.yaml and the command hold the rest.
"""

import shlex
from collections import Counter
from typing import Any

from omegaconf import DictConfig, OmegaConf

from benchmarks.command import spelled_out
from benchmarks.errors import ColorprobeError
from benchmarks.run_files import RunFiles
from benchmarks.settings import build, load_config, plain
from benchmarks.verify import OK, SKIPPED, STALE, Finding

PROBED = ("encoders", "latents", "probes")  # stages of code behind a probe's row
SHARED = ("pretrain", "max_features", "selection", "split")


def stale(run: RunFiles) -> Finding:
    """STALE with the records that have other keys now, and why; OK if none has."""
    reasons, unknown = changes(run)
    old = {key: why for key, why in reasons.items() if why}
    left = f"; not checked: {', '.join(unknown)}" if unknown else ""
    if old:
        counts = Counter(reason for why in old.values() for reason in why)
        told = ", ".join(f"{reason} ({n})" for reason, n in counts.most_common())
        keys = ", ".join(list(old)[:3])
        return Finding(STALE, f"{len(old)} of {len(reasons)} records would have other keys now, "
                       f"by changes of {told}; such as {keys}{left}", run.again)  # fmt: skip
    if unknown:
        return Finding(SKIPPED, f"whether rows are stale: {', '.join(unknown)}")
    return Finding(OK, f"{len(reasons)} records are what current code, configuration, data make")


def changes(run: RunFiles) -> tuple[dict[str, list[str]], list[str]]:
    """What has changed of the inputs of each record, by key, and what files cannot tell."""
    changed, config, unknown = _changed_code(run), _current(run), []
    if changed is None:
        unknown.append("code (run.json has no hashes of it)")
    if config is None:
        unknown.append("configuration (the command no longer composes)")
    data = _changed_data(run, config)
    if data is None:
        unknown.append("data (its images are not in the cache)")
    reasons: dict[str, list[str]] = {}
    for row in run.rows.drop_duplicates("key").to_dict("records"):
        why = _why(row, run.config, changed or set(), config)
        reasons[row["key"]] = why + (["data"] if data else [])
    return reasons, unknown


def _changed_code(run: RunFiles) -> set[str] | None:
    """Stages whose code is other than in the run; None where the run does not tell."""
    from benchmarks.code_stages import stages

    told = run.facts.get("code")
    if not told:
        return None
    return {stage for stage, value in stages().items() if told.get(stage) != value}


def _current(run: RunFiles) -> DictConfig | None:
    """What the run's command composes to today, on the run's device; None if it does not."""
    saved, words = run.config, shlex.split(str(run.facts.get("command", "")))[2:]
    replaced = ("data.path=", "split.path=", "split=")
    overrides = [word for word in words if not word.startswith(replaced)]
    paths = {"data.path": saved.get("data", {}).get("path")}
    paths["split.path"] = saved.get("split", {}).get("path")
    overrides += [word for word in words if word.startswith("split=") and "/" not in word]
    if paths["split.path"] and "split=manifest" not in overrides:
        overrides.append("split=manifest")
    overrides += [f"{key}='{path}'" for key, path in paths.items() if path]
    try:
        config = load_config(spelled_out(overrides))
        config.device = saved.device
        OmegaConf.resolve(config)
    except Exception:  # whatever it is, today's configuration is not the run's
        return None
    return config


def _changed_data(run: RunFiles, config: DictConfig | None) -> bool | None:
    """Whether the images are others now; None where the cache does not tell."""
    from benchmarks.data import load_images
    from benchmarks.planned import AbsentRecordError, ReadingStore

    told = run.facts.get("fingerprint")
    if config is None or not told:
        return None
    try:
        store = ReadingStore(run.store.root)
        return bool(load_images(build(config.data), store=store).fingerprint != told)
    except (AbsentRecordError, ColorprobeError, OSError):
        return None


def _why(row: dict[Any, Any], saved: Any, code: set[str], now: DictConfig | None) -> list[str]:
    """What changed of all that is in a row's key, but for the data."""
    pixels = row["classifier"] == "pixels"
    stages = ("baselines",) if pixels else PROBED
    why = [f"code of {stage}" for stage in stages if stage in code]
    if now is None:
        return why
    if pixels:
        nodes = [("baselines", row["method"])]
    else:
        nodes = [("methods", row["method"]), ("probes", row["classifier"].split("@")[0])]
    for group, name in nodes:
        if plain(saved[group].get(name)) != plain(now[group].get(name)):
            why.append(f"{group}.{name}")
    shared = SHARED[2:] if pixels else SHARED
    return why + [key for key in shared if plain(saved.get(key)) != plain(now.get(key))]
