"""The command line of run.py: overrides in, exit code out; no traceback for foreseen failures.

Exit codes: 0 done, 1 a bug, 2 configuration, 3 data, 4 resources (disk, memory), 5 integrity,
130 interrupted, 143 terminated. The same command continues where an interrupted one stopped.
"""

import argparse
import errno
import logging
import re
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.errors import ColorprobeError, ResourceError
from benchmarks.settings import load_config, options, resolve
from benchmarks.store import exclusive

GROUPS = ("exp", "preset", "data", "split", "methods", "probes", "baselines")
NOT_IN_NAME = ("exp=", "out=", "device=")  # they do not change what is asked


def command(run: Callable[[Any, Path, str], Path], arguments: list[str] | None = None) -> int:
    """Run the experiment that `arguments` (default: sys.argv) select; the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    options_, overrides = _parser().parse_known_args(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    try:
        config = load_config(overrides)
        if options_.cfg:
            from omegaconf import OmegaConf

            print(OmegaConf.to_yaml(config))
            return 0
        config = resolve(config)
        folder = Path(config.out) / "runs" / run_name(config.name, overrides)
        _make(folder)
        with exclusive(folder / ".lock", wait=False):
            report = run(config, folder, shown(overrides))
        print(f"\nreport: {report}")
    except ColorprobeError as error:
        return _say(error)
    except (OSError, MemoryError) as error:
        resource = _resource(error)
        if resource is None:
            raise
        return _say(resource)
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return 130
    return 0


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
    return f"data.path={Path(override).name}" if override.startswith("data.path=") else override


def _parser() -> argparse.ArgumentParser:
    known = "\n".join(f"  {group:<10}{', '.join(options(group))}" for group in GROUPS)
    parser = argparse.ArgumentParser(
        prog="python benchmarks/run.py",
        usage="%(prog)s [exp=NAME] [preset=NAME] [key=value ...] [--cfg job] [--help]",
        description="Pretrain by colorization, freeze, probe on few labels, compare with scratch.",
        epilog=f"what exists:\n{known}\n\n"
        "often used: out=DIR, data.path=DIR, methods=[a,b], seeds=[0,1], folds=[0], device=cpu\n"
        "exit codes: 0 done, 2 configuration, 3 data, 4 resources, 5 integrity, 130/143 stopped",
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


def _say(error: ColorprobeError) -> int:
    print(f"error: {error.cause}\n  try: {error.remedy}", file=sys.stderr)
    return error.exit_code


def _resource(error: OSError | MemoryError) -> ResourceError | None:
    """The failure in words if disk, memory or permissions are what is missing."""
    if isinstance(error, MemoryError):
        return ResourceError("out of memory", "lower data.size or pretrain.batch_size")
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError(f"no space left for {error.filename}", "free some, or give out=DIR")
    if error.errno == errno.EPIPE:
        return ResourceError("the reader of the output has gone", "write it to a file")
    if error.errno in (errno.EACCES, errno.EROFS, errno.ENOTDIR):
        return ResourceError(f"cannot write {error.filename}", "choose a writable out=DIR")
    return None
