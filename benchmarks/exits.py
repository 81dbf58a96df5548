"""How a command ends: what a user can mend is a line of cause, one of remedy, and an exit code.

0 done, 1 a bug, 2 configuration, 3 data, 4 resources (disk, memory), 5 integrity, 130 interrupted.
"""

import errno
import sys
from collections.abc import Callable

from benchmarks.errors import ColorprobeError, ResourceError

FULL = (errno.ENOSPC, errno.EDQUOT)
BLOCKED = (
    errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR,
    errno.ENAMETOOLONG, errno.ELOOP,
)  # fmt: skip


def resource_error(
    error: OSError | MemoryError,
    *,
    place: str = "out=DIR",
    memory: str = "lower data.size or pretrain.batch_size",
) -> ResourceError | None:
    """The failure in a command's words if disk, memory or a place to write is what is missing.

    `place` is how the command line says where results go, `memory` how to need less of it.
    """
    if isinstance(error, MemoryError):
        return ResourceError("out of memory", memory)
    file = error.filename2 or error.filename  # where a file could not be put
    if error.errno in FULL:
        return ResourceError(f"no space left for {file}", f"free some, or give {place}")
    if error.errno == errno.EPIPE:
        return ResourceError("the reader of the output has gone", "write it to a file")
    if error.errno in BLOCKED:
        return ResourceError(
            f"cannot use {file}: {error.strerror}", f"mend the path, or choose a writable {place}"
        )
    return None


def exit_code(
    action: Callable[[], int],
    *,
    interrupted: str = "interrupted",
    resource: Callable[[OSError | MemoryError], ResourceError | None] = resource_error,
) -> int:
    """What `action` returns; foreseen failures are printed, and their code is returned.

    `resource` puts a failure of the system into a command's own words; what it has none for is a
    bug, and rises.
    """
    try:
        return action()
    except ColorprobeError as error:
        return say(error)
    except (OSError, MemoryError) as error:
        told = resource(error)
        if told is None:
            raise
        return say(told)
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return 130


def say(error: ColorprobeError) -> int:
    """Print cause and remedy; the exit code of the failure."""
    print(f"error: {error.cause}\n  try: {error.remedy}", file=sys.stderr)
    return error.exit_code
