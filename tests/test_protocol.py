"""The protocol card names files that are there, has a version a text, and stands under tables."""

import json
import re
from pathlib import Path

import pandas as pd

from benchmarks import protocol
from benchmarks.compare import main
from benchmarks.report.statements import caption

ROOT = Path(__file__).resolve().parents[1]
PARTS = [
    "Split", "Pretraining", "Freezing", "Selection", "Test lock", "Controls", "Budgets",
    "Statistics", "Audit", "What a number means",
]  # fmt: skip


def test_a_changed_card_has_a_version_of_its_own():
    said = "the card has changed: raise the version in its first line, and add its hash to HASHES"
    assert protocol.HASHES[protocol.VERSION] == protocol.card_hash(), said
    assert protocol.text().startswith(f"# Protocol card, version {protocol.VERSION}\n"), said
    assert sorted(protocol.HASHES) == list(range(1, protocol.VERSION + 1))
    assert len(set(protocol.HASHES.values())) == protocol.VERSION


def test_any_change_of_the_text_changes_the_hash(tmp_path, monkeypatch):
    before = protocol.card_hash()
    other = tmp_path / "protocol.md"
    other.write_text(protocol.text().replace("nine parts", "ten parts"))
    monkeypatch.setattr(protocol, "CARD", other)
    assert protocol.card_hash() not in (before, *protocol.HASHES.values())


def test_each_rule_names_the_files_that_enforce_it():
    parts = re.split(r"^## (.*)$", protocol.text(), flags=re.MULTILINE)
    assert parts[1::2] == PARTS
    for part in parts[2::2]:
        rules = [line for line in part.splitlines() if line]
        assert rules
        for rule in rules:
            assert re.fullmatch(r"- .+\. \((`[a-z_/]+\.py`(, )?)+\)", rule), rule
            for name in re.findall(r"`([^`]+)`", rule):
                assert (ROOT / name).is_file(), name


def test_a_caption_has_the_card_of_its_run():
    cells = pd.DataFrame({"runs": [1], "n_test_min": [10], "n_test_max": [10]})
    told = caption({"protocol": {"version": 3, "hash": "0123456789ab"}}, cells, marked=False)
    assert told.endswith("; protocol card 3 (0123456789ab).")
    assert "protocol" not in caption({}, cells, marked=False)


def test_a_run_keeps_its_card_and_prints_it_under_its_table(finished):
    kept = json.loads((finished / "run.json").read_text())["protocol"]
    assert kept == {"version": protocol.VERSION, "hash": protocol.card_hash()}
    assert f"; {protocol.shown({'protocol': kept})}." in (finished / "table.md").read_text()


def test_a_comparison_says_that_the_rules_differ(finished, copied, capsys):
    assert main([str(finished), str(copied)]) == 0
    assert "Different rules" not in capsys.readouterr().out
    facts = json.loads((copied / "run.json").read_text())
    (copied / "run.json").write_text(json.dumps({**facts, "protocol": {"version": 9, "hash": "b"}}))
    assert main([str(finished), str(copied)]) == 0
    own = protocol.VERSION
    assert f"Different rules: A has protocol card {own} (" in (out := capsys.readouterr().out)
    assert "B has protocol card 9 (b)." in out
