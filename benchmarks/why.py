"""Where one number of a run comes from: the chain of its inputs, from its files alone.

python -m benchmarks.why RUN ROW

ROW is a key, or METHOD[/CLASSIFIER[/LABELS[/CLASSES]]]: rows.csv -> choice -> latents -> encoder ->
split -> data -> code.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.exits import exit_code

if TYPE_CHECKING:
    from benchmarks.run_files import RunFiles

NAMED = ("method", "classifier", "labels_per_class", "classes")
SHOWN = 8  # candidates named where a row is not told apart


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the chain that the command line (default: sys.argv) asks for; the exit code."""
    asked = _parser().parse_args(arguments)

    def start() -> int:
        from benchmarks.run_files import RunFiles

        print(chain(RunFiles(asked.run), asked.row))
        return 0

    return exit_code(start)


def chain(run: "RunFiles", name: str) -> str:
    """The inputs of the rows of one record, in lines; ConfigError unless `name` is of one alone."""
    from benchmarks.stale import changes

    rows = find(run, name)
    row = rows[0]
    values = ", ".join(f"{r['metric']} {r['value']:.4f} ({r['classes']})" for r in rows)
    cell = f"{row['labels_per_class']} labels a class, task {row['task']}"
    steps = {
        "row": f"{row['method']} · {row['classifier']}, {cell}, {_names(row)}",
        "values": values,
        "record": f"rows/{row['key']}{_there(run, 'rows', row['key'])}",
        "stale": ", ".join(changes(run)[0][row["key"]]),
        **_choice(run, row),
        **_encoder(run, row),
        **_origin(run, row),
    }
    return "\n".join(f"{term:<10}{text}" for term, text in steps.items() if text)


def find(run: "RunFiles", name: str) -> list[dict[Any, Any]]:
    """The rows of the record that `name` names; ConfigError lists what it could mean."""
    from benchmarks.errors import ConfigError

    rows = [row for row in run.rows.to_dict("records") if row["value"] == row["value"]]
    parts = name.split("/")
    found = [row for row in rows if row["key"] == name]
    if not found and 1 <= len(parts) <= len(NAMED):
        found = [
            row for row in rows if all(f"{row[n]}" == p for n, p in zip(NAMED, parts, strict=False))
        ]
    if not found:
        methods = ", ".join(sorted({row["method"] for row in rows}))
        raise ConfigError(f"{run.folder} has no row {name}", f"give a key, or one of: {methods}")
    keys = {row["key"]: row for row in found}
    if len(keys) > 1:
        told = [f"{'/'.join(f'{r[n]}' for n in NAMED[:3])} {_names(r)} = {k}"
                for k, r in keys.items()]  # fmt: skip
        more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
        raise ConfigError(
            f"{len(keys)} records are called {name}", f"{'; '.join(told[:SHOWN])}{more}"
        )
    return found


def _choice(run: "RunFiles", row: Mapping[Any, Any]) -> dict[str, str]:
    """What selection chose, among what, by which scores."""
    keep = ("method", "classifier", "task", "labels_per_class", "fold", "seed", "draw")
    lines = [
        line for line in run.table("selection.csv") if all(line[n] == str(row[n]) for n in keep)
    ]
    told = f"tap {row['tap']}"
    chosen = [line for line in lines if line["chosen"] == "True"]
    if chosen:
        others = [float(line["score"]) for line in lines if line["chosen"] != "True"]
        told += f", trial {chosen[0]['trial']}: score {float(chosen[0]['score']):.4f}"
        told += f", best of the {len(others)} others {max(others):.4f}" if others else ""
    else:
        told += ", nothing was chosen by scores, or they are not here"
    if run.store.has("rows", str(row["key"])):
        record = run.store.path("rows", str(row["key"]))
        choice = json.loads((record / "choice.json").read_text())
        told += f"; rule: {choice['rule']}; settings: {json.dumps(choice['settings'])}"
    return {"choice": told}


def _encoder(run: "RunFiles", row: Mapping[Any, Any]) -> dict[str, str]:
    """The encoder behind a probe, what made it and its cost; of a baseline its definition."""
    from benchmarks.settings import plain

    method, at = str(row["method"]), (str(row["fold"]), str(row["seed"]))
    name, config = str(row["classifier"]).split("@")[0], run.config
    if row["classifier"] == "pixels":
        return {"pixels": f"trained on labels alone: {json.dumps(plain(config.baselines[method]))}"}
    lines = {
        file: next((e for e in run.table(file) if (e["method"], e["fold"], e["seed"])
                    == (method, *at)), {})
        for file in ("encoders.csv", "cost.csv")
    }  # fmt: skip
    key, cost = lines["encoders.csv"].get("key"), lines["cost.csv"]
    latents = lines["encoders.csv"].get("latents")
    spent = [f"{cost[n]} {n.replace('_', ' ')}" for n in ("parameters", "images_seen", "seconds",
             "precision", "device", "commit") if cost.get(n)]  # fmt: skip
    recipe = {**plain(config.pretrain), **(plain(config.methods[method]).get("pretrain") or {})}
    return {
        "probe": f"{name}: {json.dumps(plain(config.probes[name]))}",
        "latents": _record(run, "latents", latents) + f", at most {config.max_features} a tap",
        "encoder": _record(run, "encoders", key),
        "cost": ", ".join(spent),
        "recipe": json.dumps(recipe),
        "method": json.dumps(plain(config.methods[method])),
    }


def _origin(run: "RunFiles", row: Mapping[Any, Any]) -> dict[str, str]:
    """Split, data and code."""
    from benchmarks.settings import plain

    file = run.folder / f"split-{row['fold']}.tsv"
    facts, data = run.facts, plain(run.config.get("data"))
    code = facts.get("code") or {}
    return {
        "split": f"{row['split']} ({file.name if file.is_file() else 'its file is not here'})",
        "data": f"{facts.get('data')}, fingerprint {facts.get('fingerprint', 'not recorded')}: "
        f"{json.dumps(data)}",
        "code": f"commit {row['commit']}; "
        + (", ".join(f"{stage} {value}" for stage, value in code.items()) or "hashes not recorded"),
        "device": str(row.get("device", "")),
        "command": str(facts.get("command", "")),
    }


def _record(run: "RunFiles", stage: str, key: str | None) -> str:
    return f"{stage}/{key}{_there(run, stage, key)}" if key else "key not recorded"


def _there(run: "RunFiles", stage: str, key: str) -> str:
    return "" if run.store.has(stage, key) else " (not in the cache here)"


def _names(row: Mapping[Any, Any]) -> str:
    return f"fold {row['fold']}, seed {row['seed']}, draw {row['draw']}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.why",
        description="The chain of inputs of one number of a run: choice, latents, encoder, split, "
        "data, code.",
        epilog="exit codes: 0 done, 2 no such run or row, or several, 3 files damaged",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run")
    help_ = "a key of rows.csv, or METHOD[/CLASSIFIER[/LABELS[/CLASSES]]]"
    parser.add_argument("row", metavar="ROW", help=help_)
    return parser


if __name__ == "__main__":
    sys.exit(main())
