"""Foreseen failures are a code and two lines; bugs are not hidden."""

import errno

import pytest

from benchmarks.errors import ConfigError, IntegrityError
from benchmarks.exits import exit_code, resource_error


def failing(error):
    def action():
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError("a", "b"), 2, "error: a\n  try: b\n"),
        (IntegrityError("a", "b"), 5, "error: a\n  try: b\n"),
        (OSError(errno.ENOSPC, "full", "x.npy"), 4, "error: no space left for x.npy\n  try: "),
        (BrokenPipeError(errno.EPIPE, "pipe"), 4, "error: the reader of the output has gone"),
        (OSError(errno.EEXIST, "there", "o"), 4, "error: cannot use o: there\n  try: "),
        (OSError(errno.ENOTDIR, "no folder", "o"), 4, "error: cannot use o: no folder\n"),
        (OSError(errno.ENAMETOOLONG, "too long", "o"), 4, "error: cannot use o: too long\n"),
        (OSError(errno.EPERM, "not you", "o"), 4, "error: cannot use o: not you\n"),
        (OSError(errno.ELOOP, "loop", "o"), 4, "error: cannot use o: loop\n"),
        (OSError(errno.EISDIR, "a folder", ".o.tmp", None, "o"), 4, "error: cannot use o: a fol"),
        (KeyboardInterrupt(), 130, "stopped\n"),
    ],
)
def test_a_foreseen_failure_has_its_code(capsys, error, code, said):
    assert exit_code(failing(error), interrupted="stopped") == code
    assert capsys.readouterr().err.startswith(said)


def test_the_code_of_the_action_is_returned_and_a_bug_raised():
    assert exit_code(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        exit_code(failing(ZeroDivisionError()))


def test_a_command_says_where_its_results_go():
    told = resource_error(OSError(errno.EEXIST, "there", "o"), place="--out")
    assert "--out" in told.remedy and resource_error(OSError(errno.ENOENT, "no", "o")) is None
    assert resource_error(MemoryError(), memory="lower --size").remedy == "lower --size"
