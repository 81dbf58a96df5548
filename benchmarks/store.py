"""Durable records: content keys, atomic checked writes, one builder at a time.

A record is a folder `ROOT/STAGE/KEY/`. It is written under a temporary name, synced, given a
manifest of sizes and SHA-256 sums, and renamed into place: it is whole or it is absent. A record
is never changed afterwards. Locks are `flock`s, which the system releases when a process dies.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.errors import ConfigError, IntegrityError

MANIFEST = "manifest.json"


def content_key(**parts: Any) -> str:
    """Hash of everything that made a record: 24 hexadecimal digits of canonical JSON's SHA-256."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def atomic_write(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, whole or not at all, and durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync(path.parent)


def write_checked(path: Path, data: bytes) -> None:
    """Write `data` with its SHA-256 in front, so that `read_checked` can tell a torn file."""
    atomic_write(path, hashlib.sha256(data).digest() + data)


def read_checked(path: Path) -> bytes:
    """Bytes of a `write_checked` file; IntegrityError if they are not what was written."""
    content = path.read_bytes()
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        raise IntegrityError(f"{path} is damaged: its checksum does not match", "delete the file")
    return content[32:]


@contextlib.contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold a lock file; where another process holds it, wait for it or raise ConfigError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise ConfigError(
                f"another run is writing to {path.parent}", "wait for it, or choose another out=DIR"
            ) from None
        yield


class Store:
    """Records under one root folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def has(self, stage: str, key: str) -> bool:
        """Whether the record is finished."""
        return (self.root / stage / key / MANIFEST).is_file()

    def path(self, stage: str, key: str) -> Path:
        """Folder of a finished record, every file checked; KeyError if there is none."""
        folder = self.root / stage / key
        if not self.has(stage, key):
            raise KeyError(f"no record {stage}/{key}")
        for name, expected in json.loads((folder / MANIFEST).read_text()).items():
            file = folder / name
            if not file.is_file() or _describe(file) != expected:
                raise IntegrityError(
                    f"record {stage}/{key} is damaged: {name} is not what was written",
                    f"delete the folder {folder} and run again",
                )
        return folder

    @contextlib.contextmanager
    def writing(self, stage: str, key: str) -> Iterator[Path | None]:
        """Folder to fill, renamed into place on success; None if the record is there already.

        A second builder of the same record waits for the first. What outlived interruptions goes
        once the record is there, under the same lock: one process deletes it.
        """
        folder = self.root / stage / key
        with exclusive(self.root / "locks" / f"{stage}-{key}.lock", wait=True):
            if self.has(stage, key):
                yield None
            else:
                temporary = folder.with_name(f"{key}.tmp")
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir(parents=True)
                yield temporary
                _commit(temporary, folder)
            shutil.rmtree(_partial(folder), ignore_errors=True)

    def unfinished(self, stage: str, key: str) -> Path:
        """Folder that outlives an interruption: where a stage keeps its checkpoints."""
        folder = _partial(self.root / stage / key)
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def _partial(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.partial")


def _commit(temporary: Path, folder: Path) -> None:
    files = sorted(path for path in temporary.rglob("*") if path.is_file())
    manifest = {str(path.relative_to(temporary)): _describe(path) for path in files}
    for path in files:
        _sync(path)
    atomic_write(temporary / MANIFEST, json.dumps(manifest, indent=1).encode())
    temporary.replace(folder)
    _sync(folder.parent)


def _describe(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "sha256": file_hash(path)}


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
