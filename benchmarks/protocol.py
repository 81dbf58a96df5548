"""The protocol card, protocol.md: under which rules a run's numbers were made, by version and hash.

Whoever changes the card raises its version, in its first line, and adds the hash here: two runs
under one hash stand under the same rules.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CARD = Path(__file__).with_name("protocol.md")
HASHES = {1: "40fcc4a3b50b", 2: "e8f84b2ea56f"}  # of every version of the card that there has been
VERSION = max(HASHES)


def text() -> str:
    """The card, in Markdown."""
    return CARD.read_text(encoding="utf-8")


def card_hash() -> str:
    """The first 12 hexadecimal digits of the SHA-256 of the card's text."""
    return hashlib.sha256(text().encode()).hexdigest()[:12]


def card() -> dict[str, Any]:
    """Version and hash of the card, as run.json keeps them."""
    return {"version": VERSION, "hash": card_hash()}


def shown(run: Mapping[str, Any]) -> str:
    """The card of a run's facts in words; nothing for a run from before there was one."""
    kept = run.get("protocol")
    return f"protocol card {kept['version']} ({kept['hash']})" if kept else ""


def differ(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The sentence on two runs' facts that stand under different cards; nothing if they do not."""
    first, second = shown(one) or "no card", shown(other) or "no card"
    return "" if first == second else f"Different rules: A has {first}, B has {second}."
