"""The command line of run.py: overrides in, exit code out; no traceback for foreseen failures.

Exit codes: 0 done, 1 a bug, 2 configuration, 3 data, 4 resources (disk, memory), 5 integrity,
130 interrupted, 143 terminated. The same command continues where an interrupted one stopped.
"""

import argparse
import logging
import re
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.choices import options
from benchmarks.errors import ResourceError
from benchmarks.exits import exit_code
from benchmarks.freed_memory import keep_freed_memory
from benchmarks.settings import load_config, resolve
from benchmarks.store import exclusive

GROUPS = ("exp", "preset", "data", "split", "methods", "probes", "baselines", "quality")
NOT_IN_NAME = ("exp=", "out=", "device=", "plan=")  # they do not change what is asked


def command(run: Callable[[Any, Path, str], Path], arguments: list[str] | None = None) -> int:
    """Run the experiment that `arguments` (default: sys.argv) select; the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options_, overrides = _parser().parse_known_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)

    def start() -> int:
        config = load_config(spelled_out(overrides))
        if options_.cfg:
            from omegaconf import OmegaConf

            print(OmegaConf.to_yaml(config))
            return 0
        config = resolve(config)
        folder = Path(config.out) / "runs" / run_name(config.name, overrides)
        if config.plan:
            from benchmarks.plan import plan

            print(plan(config, folder))
            return 0
        _make(folder)
        keep_freed_memory()
        with exclusive(folder / ".lock", wait=False):
            report = run(config, folder, shown(overrides))
        print(f"\nreport: {report}")
        return 0

    return exit_code(start, interrupted="interrupted; the same command continues")


def spelled_out(overrides: list[str]) -> list[str]:
    """The overrides with `split=FILE` as Hydra reads it: the handle of files, the path in quotes.

    Names of run folders have commas and equality signs, which mean something else to Hydra.
    """
    found = []
    for override in overrides:
        key, _, value = override.partition("=")
        bare = value.strip("'\"")
        if key == "split" and (bare.endswith(".tsv") or "/" in bare):
            found.append("split=manifest")
            key = "split.path"
        escaped = bare.replace("'", r"\'")
        found.append(f"split.path='{escaped}'" if key == "split.path" else override)
    return found


def shown(overrides: list[str]) -> str:
    """The command as a report tells it: without the folders of the machine it ran on."""
    told = [_without_folder(o) for o in overrides if not o.startswith("out=")]
    return shlex.join(["python", "benchmarks/run.py", *told])


def run_name(name: str, overrides: list[str]) -> str:
    """Folder name of a run: the experiment and what differs from it, safe for any file system."""
    changed = [_without_folder(o) for o in overrides if not o.startswith(NOT_IN_NAME)]
    slug = re.sub(r"[^A-Za-z0-9_.=,-]+", "-", ",".join([name, *changed]))
    if len(slug) <= 120:
        return slug
    from benchmarks.store import content_key

    return f"{slug[:100]}-{content_key(overrides=changed)}"


def _without_folder(override: str) -> str:
    """The override without folders of the machine; a split keeps the name of the run it is of."""
    key, _, value = override.partition("=")
    if key == "data.path":
        return f"{key}={Path(value).name}"
    if key == "split.path" or (key == "split" and "/" in value):
        parts = Path(value.strip("'\"")).parts
        return f"{key}={'/'.join(parts[-2:])}"
    return override


def _parser() -> argparse.ArgumentParser:
    known = "\n".join(f"  {group:<10}{', '.join(options(group))}" for group in GROUPS)
    parser = argparse.ArgumentParser(
        prog="python benchmarks/run.py",
        usage="%(prog)s [exp=NAME] [preset=NAME] [key=value ...] [--cfg job] [--help]",
        description="Pretrain by colorization, freeze, probe on few labels, compare with scratch.",
        epilog=f"what exists:\n{known}\n\n"
        "often used: out=DIR, data.path=DIR, methods=[a,b], seeds=[0,1], folds=[0], device=cpu\n"
        "plan=true says what would be computed, and computes nothing; split=RUN/split-0.tsv (or a "
        "run's\nfolder) divides the data as that run did\n"
        "exit codes: 0 done, 1 a bug, 2 configuration, 3 data, 4 resources, 5 integrity,\n"
        "130 interrupted, 143 terminated",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--cfg", choices=["job"], help="print the composed configuration and stop")
    return parser


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:  # where no folder can be made at all, such as /proc
        raise ResourceError(f"cannot make {folder}", "choose a writable out=DIR") from error


def _terminate(signum: int, frame: FrameType | None) -> None:
    print("terminated; the same command continues", file=sys.stderr)
    raise SystemExit(143)
