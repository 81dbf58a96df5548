"""A checkpoint gives back everything, keeps two generations, and never a torn one."""

import json

import pytest
import torch
from torch import nn

from benchmarks.checkpoint import load_checkpoint, save_checkpoint
from benchmarks.errors import IntegrityError

SOLVERS = {
    "adamw": lambda parameters: torch.optim.AdamW(parameters, lr=0.01),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.01, momentum=0.9),
}


def make(seed, solver="adamw"):
    """A network with batch statistics, a second module with a buffer alone, an optimiser."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
    prior = nn.Module()
    prior.register_buffer("weights", torch.rand(5))
    return {"model": model, "pretext": prior}, SOLVERS[solver](model.parameters())


def train(modules, optimizer, steps):
    """Update on a fixed batch; the losses on the way."""
    X = torch.linspace(-1, 1, 24).reshape(6, 4)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = modules["model"](X).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def save(folder, modules, optimizer, step, **notes):
    save_checkpoint(
        folder, modules=modules, optimizers={"model": optimizer}, notes={"step": step, **notes}
    )


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("solver", SOLVERS)
def test_weights_buffers_notes_and_optimiser_come_back(tmp_path, solver):
    modules, optimizer = make(0, solver)
    train(modules, optimizer, 3)
    history = [{"step": 1, "loss": 0.1 + 0.2}]
    save(tmp_path, modules, optimizer, 3, history=history)
    again, fresh = make(1, solver)
    notes = load_checkpoint(tmp_path, modules=again, optimizers={"model": fresh})
    assert notes == {"step": 3, "history": history}
    for name, module in modules.items():
        for key, value in module.state_dict().items():
            assert torch.equal(value, again[name].state_dict()[key]), key
    # Equal losses from here on need the moments and step counts too.
    assert train(modules, optimizer, 4) == train(again, fresh, 4)


def test_without_the_optimiser_state_training_would_differ(tmp_path):
    modules, optimizer = make(0)
    train(modules, optimizer, 3)
    save(tmp_path, modules, optimizer, 3)
    again, fresh = make(1)
    load_checkpoint(tmp_path, modules=again, optimizers={"model": fresh})
    forgetful = SOLVERS["adamw"](again["model"].parameters())
    assert train(modules, optimizer, 4) != train(again, forgetful, 4)


def test_at_the_start_there_is_nothing(tmp_path):
    modules, optimizer = make(0)
    assert load_checkpoint(tmp_path, modules=modules, optimizers={"model": optimizer}) is None


def test_two_generations_are_kept_and_the_newest_is_read(tmp_path):
    modules, optimizer = make(0)
    for step in (9, 10, 100, 1000):
        save(tmp_path, modules, optimizer, step)
    assert files(tmp_path) == ["step-000000100.checkpoint", "step-000001000.checkpoint"]
    notes = load_checkpoint(tmp_path, modules=modules, optimizers={"model": optimizer})
    assert notes == {"step": 1000}


def cut(content):
    return content[:-1]


def turn_a_bit(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGE = {"cut": cut, "bit": turn_a_bit, "empty": lambda _: b"", "zeros": lambda c: bytes(len(c))}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_file_falls_back_to_the_one_before(tmp_path, damage):
    modules, optimizer = make(0)
    save(tmp_path, modules, optimizer, 1)
    before = {key: value.clone() for key, value in modules["model"].state_dict().items()}
    train(modules, optimizer, 2)
    save(tmp_path, modules, optimizer, 2)
    newest = tmp_path / "step-000000002.checkpoint"
    newest.write_bytes(damage(newest.read_bytes()))
    again, fresh = make(1)
    assert load_checkpoint(tmp_path, modules=again, optimizers={"model": fresh}) == {"step": 1}
    for key, value in again["model"].state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_nothing_sound_left_is_said_and_changes_nothing(tmp_path, damage):
    modules, optimizer = make(0)
    for step in (1, 2):
        save(tmp_path, modules, optimizer, step)
    for path in tmp_path.iterdir():
        path.write_bytes(damage(path.read_bytes()))
    again, fresh = make(1)
    before = {key: value.clone() for key, value in again["model"].state_dict().items()}
    with pytest.raises(IntegrityError, match=r"no checkpoint in .* is sound"):
        load_checkpoint(tmp_path, modules=again, optimizers={"model": fresh})
    for key, value in again["model"].state_dict().items():
        assert torch.equal(value, before[key]), key


def test_a_checkpoint_of_another_network_is_an_error_not_a_fresh_start(tmp_path):
    modules, optimizer = make(0)
    save(tmp_path, modules, optimizer, 1)
    modules["model"] = nn.Linear(2, 2)
    with pytest.raises(RuntimeError, match="Missing key"):
        load_checkpoint(tmp_path, modules=modules, optimizers={"model": optimizer})


def test_no_pickle_is_in_the_file(tmp_path):
    modules, optimizer = make(0)
    save(tmp_path, modules, optimizer, 7)
    content = (tmp_path / "step-000000007.checkpoint").read_bytes()[32:]
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert json.loads(header.pop("__metadata__")["notes"]) == {"step": 7}
    ends = [entry["data_offsets"][1] for entry in header.values()]
    assert max(ends) == len(content) - 8 - length  # tensors and nothing after them
