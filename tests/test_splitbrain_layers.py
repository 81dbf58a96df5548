"""The experiment that repeats Split-Brain's table 2: its rows are what they say, and they learn."""

from functools import cache

import pytest
import torch

from benchmarks.latents import grid
from benchmarks.settings import build, load_config

SMALL = "scale.alexnet={stride:2,fc_width:8,width:0.05}"


@cache
def config(*dials: str):
    """The experiment's configuration; composing it is slow."""
    return load_config(["exp=splitbrain_layers", *dials])


METHODS = list(config().methods)


def made(name: str, *dials: str):
    """Pretext and model of a method, as pretraining makes them."""
    handle = config(*dials).methods[name]
    torch.manual_seed(0)
    pretext = build(handle.pretext)
    channels = {"in_channels": pretext.in_channels, "out_channels": pretext.out_channels}
    return pretext, build(handle.model, **channels)


def test_table_2_is_complete():
    rows = {
        "gaussian_untrained", "lab_to_lab", "lab_drop50", "l_to_ab_cl", "l_to_ab_reg",
        "ab_to_l_cl", "ab_to_l_reg", "shared", "shared_lab", "ensemble",
    }  # fmt: skip
    assert set(METHODS) == {f"table2_{row}" for row in rows} | {"splitbrain_cl", "splitbrain_reg"}


@pytest.mark.parametrize("name", METHODS)
def test_all_rows_have_the_features_of_the_paper(name):
    with torch.device("meta"):
        model = made(name)[1]
    assert list(model.channels.values()) == [96, 256, 384, 384, 256]
    most = config().max_features
    sides = {"conv1": 45, "conv2": 23, "conv3": 12, "conv4": 12, "conv5": 12}  # at 180 px, table 6
    grids = {tap: grid(model.channels[tap], side, most) for tap, side in sides.items()}
    assert list(grids.values()) == [10, 6, 5, 5, 6]
    features = [model.channels[tap] * grids[tap] ** 2 for tap in grids]
    assert features == [9600, 9216, 9600, 9600, 9216]


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("table2_l_to_ab_cl", "L/50-1", 313),
        ("table2_l_to_ab_reg", "L/50-1", 2),
        ("table2_ab_to_l_cl", "ab/110", 50),
        ("table2_ab_to_l_reg", "ab/110", 1),
        ("table2_lab_to_lab", "L/50-1,ab/110", 3),
        ("table2_lab_drop50", "L/50-1,ab/110", 3),
        ("table2_shared", "L/50-1,ab/110", 3),
        ("table2_shared_lab", "L/50-1,ab/110", 3),
        ("table2_ensemble", "L/50-1", (313, 2)),
    ],
)
def test_a_row_sees_and_predicts_what_its_name_says(name, inputs, outputs):
    pretext, model = made(name, SMALL)
    assert (pretext.inputs, pretext.out_channels) == (inputs, outputs)
    assert pretext.label_free
    terms = pretext.losses(model, torch.rand(2, 3, 16, 16), torch.rand(2, 1))
    wanted = {"table2_ensemble": {"cl_cross_entropy", "reg_l2"}, "table2_shared": {"ab_l2", "L_l2"},
              "table2_shared_lab": {"ab_l2", "L_l2", "Lab_l2"}}  # fmt: skip
    alone = {"cross_entropy" if name.endswith("_cl") else "l2"}
    assert set(terms) == wanted.get(name, alone)


def test_the_rows_that_differ_by_one_setting():
    methods = config().methods
    plain, dropping = methods.table2_lab_to_lab.pretext, methods.table2_lab_drop50.pretext
    assert dropping == {**plain, "drop": 0.5}
    assert build(methods.table2_shared.pretext).whole == 0
    assert build(methods.table2_shared_lab.pretext).whole == pytest.approx(1 / 3)


@pytest.mark.parametrize("name", METHODS)
def test_steps_lower_the_loss(name):
    """On the same eight images; the untrained row learns too, if it is let."""
    pretext, model = made(name, SMALL)
    generator = torch.Generator().manual_seed(0)
    colors = torch.rand(8, 3, 1, 1, generator=generator)
    images = (0.7 * colors + 0.3 * torch.rand(8, 3, 16, 16, generator=generator)).clamp(0, 1)
    draws = torch.rand(8, pretext.n_draws, generator=generator)
    solver = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(9):
        loss = torch.stack(list(pretext.losses(model, images, draws).values())).sum()
        losses.append(loss.item())
        solver.zero_grad()
        loss.backward()
        solver.step()
    assert losses[1] < losses[0] and losses[-1] < 0.97 * losses[0], losses
