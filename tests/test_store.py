"""Records are whole or absent, checked when read, and built by one process at a time."""

import json
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from benchmarks.errors import ConfigError, IntegrityError
from benchmarks.store import (
    Store,
    atomic_write,
    content_key,
    exclusive,
    read_checked,
    write_checked,
)


def test_key_depends_on_every_part_and_not_on_their_order():
    key = content_key(a=1, b={"c": [1, 2], "d": None})
    assert key == content_key(b={"d": None, "c": [1, 2]}, a=1)
    assert key != content_key(a=1, b={"c": [2, 1], "d": None})
    assert key != content_key(a=1.5, b={"c": [1, 2], "d": None})


def test_record_appears_whole_and_is_not_built_twice(tmp_path):
    store = Store(tmp_path)
    with store.writing("stage", "key") as folder:
        assert folder is not None
        (folder / "a.txt").write_text("one")
        assert not store.has("stage", "key")
    assert (store.path("stage", "key") / "a.txt").read_text() == "one"
    with store.writing("stage", "key") as folder:
        assert folder is None


def test_a_failed_builder_leaves_nothing(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(RuntimeError), store.writing("stage", "key") as folder:
        assert folder is not None
        (folder / "a.txt").write_text("half")
        raise RuntimeError
    assert not store.has("stage", "key")
    with pytest.raises(KeyError):
        store.path("stage", "key")
    with store.writing("stage", "key") as folder:
        assert folder is not None
        assert not list(folder.iterdir())


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_a_damaged_record_is_refused(tmp_path, damage):
    store = Store(tmp_path)
    with store.writing("stage", "key") as folder:
        assert folder is not None
        (folder / "a.bin").write_bytes(bytes(100))
    path = tmp_path / "stage" / "key" / "a.bin"
    if damage == "flip":
        path.write_bytes(bytes(50) + b"\x01" + bytes(49))
    elif damage == "truncate":
        path.write_bytes(bytes(99))
    else:
        path.unlink()
    with pytest.raises(IntegrityError, match=r"a\.bin"):
        store.path("stage", "key")


def _hold(root: Path, started: Path, seconds: float) -> None:
    with Store(root).writing("stage", "key") as folder:
        assert folder is not None
        (folder / "who.txt").write_text("first")
        started.touch()
        time.sleep(seconds)


def test_a_second_builder_waits_and_finds_the_record(tmp_path):
    started = tmp_path / "started"
    first = multiprocessing.Process(target=_hold, args=(tmp_path, started, 0.5))
    first.start()
    while not started.exists():
        time.sleep(0.01)
    with Store(tmp_path).writing("stage", "key") as folder:
        assert folder is None
    first.join()
    assert (Store(tmp_path).path("stage", "key") / "who.txt").read_text() == "first"


def test_what_outlived_interruptions_goes_under_the_lock(tmp_path):
    """So that no two processes that waited for one record delete the same folder at once."""
    store, locked = Store(tmp_path), tmp_path / "locks" / "stage-key.lock"
    with store.writing("stage", "key") as folder:
        (store.unfinished("stage", "key") / "checkpoint").touch()
        assert folder is not None
    assert not (tmp_path / "stage" / "key.partial").exists()
    (store.unfinished("stage", "key") / "checkpoint").touch()
    waiting = threading.Thread(target=_ask, args=(store,))
    with exclusive(locked, wait=True):
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive() and list(tmp_path.rglob("checkpoint"))
    waiting.join()
    assert not (tmp_path / "stage" / "key.partial").exists()


def test_an_interrupted_builder_keeps_what_it_has(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(KeyboardInterrupt), store.writing("stage", "key"):
        (store.unfinished("stage", "key") / "checkpoint").touch()
        raise KeyboardInterrupt
    assert (store.unfinished("stage", "key") / "checkpoint").exists()


def _ask(store: Store) -> None:
    with store.writing("stage", "key") as folder:
        assert folder is None


def test_a_killed_builder_is_taken_over(tmp_path):
    started = tmp_path / "started"
    first = multiprocessing.Process(target=_hold, args=(tmp_path, started, 60))
    first.start()
    while not started.exists():
        time.sleep(0.01)
    os.kill(first.pid or 0, signal.SIGKILL)
    first.join()
    with Store(tmp_path).writing("stage", "key") as folder:
        assert folder is not None
        assert not list(folder.iterdir()), "the dead builder's files are gone"


def test_atomic_write_replaces_and_leaves_no_temporary(tmp_path):
    path = tmp_path / "deep" / "file"
    atomic_write(path, b"one")
    atomic_write(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_checked_bytes_tell_a_torn_file(tmp_path):
    path = tmp_path / "file"
    write_checked(path, b"content")
    assert read_checked(path) == b"content"
    for torn in (b"", path.read_bytes()[:-1], path.read_bytes()[:40] + b"X"):
        path.write_bytes(torn)
        with pytest.raises(IntegrityError):
            read_checked(path)


def test_a_second_run_in_a_folder_is_refused(tmp_path):
    lock = tmp_path / ".lock"
    with (
        exclusive(lock, wait=False),
        pytest.raises(ConfigError, match="another run"),
        exclusive(lock, wait=False),
    ):
        pass
    with exclusive(lock, wait=False):
        pass


def test_manifest_lists_sizes_and_sums(tmp_path):
    store = Store(tmp_path)
    with store.writing("s", "k") as folder:
        assert folder is not None
        (folder / "x").write_bytes(b"abc")
    manifest = json.loads((store.path("s", "k") / "manifest.json").read_text())
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180 example
    assert manifest == {"x": {"size": 3, "sha256": sha}}
