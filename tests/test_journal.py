"""Losses are read together, seldom, and never kept if they are not finite."""

import numpy as np
import pytest
import torch

from benchmarks.errors import IntegrityError
from benchmarks.journal import GRADIENT, LOG_EVERY, Journal
from tests.counters import Readings


def note(journal, step, value=1.0, *, gradient=1.0, last=False):
    terms = {"smooth_l1": torch.tensor(value), GRADIENT + "model": torch.tensor(gradient)}
    journal.note(step, terms, np.arange(3) + step, images=8 * step + 8, lr=0.1, last=last)


def test_means_of_the_losses_enter_the_history_without_the_gradient():
    journal = Journal([], [])
    for step in range(LOG_EVERY + 3):
        note(journal, step, float(step), last=step == LOG_EVERY + 2)
    first, second = journal.history
    assert first == {
        "step": LOG_EVERY, "images": 8 * LOG_EVERY, "lr": 0.1,
        "smooth_l1": np.mean(range(LOG_EVERY)).item(),
    }  # fmt: skip
    assert second["smooth_l1"] == LOG_EVERY + 1
    assert second["step"] == LOG_EVERY + 3
    assert not journal.window
    assert not journal.unread


def test_nothing_is_read_before_an_entry_is_due():
    journal = Journal([], [])
    with Readings() as readings:
        for step in range(LOG_EVERY - 1):
            note(journal, step)
        assert readings.count == 0
        assert len(journal.unread) == LOG_EVERY - 1


def test_a_window_from_a_checkpoint_goes_on():
    whole, window = Journal([], []), list[dict[str, float]]()
    first, history = Journal([], window), list[dict[str, float]]()
    for step in range(LOG_EVERY):
        note(whole, step, float(step))
    for step in range(7):
        note(first, step, float(step))
    assert not window
    first.read()
    assert len(window) == 7
    second = Journal(history, window)
    for step in range(7, LOG_EVERY):
        note(second, step, float(step))
    assert history == whole.history
    assert not window


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_first_update_that_is_not_finite_is_named(value):
    journal = Journal([], [])
    note(journal, 0)
    note(journal, 1, value)
    note(journal, 2, float("nan"))
    with pytest.raises(IntegrityError, match=r"step 1: smooth_l1 is not finite.*\[1, 2, 3\]"):
        journal.read()


def test_a_gradient_that_is_not_finite_is_named():
    journal = Journal([], [])
    note(journal, 4, gradient=float("inf"))
    with pytest.raises(IntegrityError, match="step 4: gradient of model is not finite"):
        journal.read()
