"""What exists to choose from; and what is said of a choice that does not."""

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from benchmarks.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]


def options(group: str) -> list[str]:
    """Names that exist in a config group, such as `exp` or `methods`."""
    return sorted(path.stem for path in (ROOT / "configs" / group).glob("*.yaml"))


def unknown(key: str, value: Any, known: Collection[str]) -> ConfigError:
    """The error of a value that is none of the `known` ones; its remedy names the nearest."""
    near = difflib.get_close_matches(str(value), known, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    told = f"{hint}known: {', '.join(known) or 'none'}"
    return ConfigError(f"{key}={value} does not exist", told)


def check_choice(key: str, value: Any, known: Collection[str]) -> None:
    """Raise ConfigError unless the value is one of the `known` ones."""
    if str(value) not in known:
        raise unknown(key, value, known)
