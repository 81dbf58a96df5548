"""Foreseen failures are a code and two lines; bugs are not hidden."""

import errno

import pytest

from benchmarks.errors import ConfigError, IntegrityError
from benchmarks.exits import exit_code


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
