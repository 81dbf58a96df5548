"""Which half is given, which is wanted, and that mirroring keeps pairs together."""

import pytest
import torch
from torch import nn

from models.pretext.translation import Translation


def pairs() -> torch.Tensor:
    """Left halves dark and right halves bright, each with a bright left edge; rows in pairs."""
    images = torch.zeros(2, 3, 8, 8)
    images[..., 4:] = 0.5
    images[..., 0] = images[..., 4] = 1.0
    return images


class Copy(nn.Module):
    """Returns what it sees; the pretext bounds it."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen = x
        return x


@pytest.mark.parametrize(("direction", "level"), [("left_to_right", -1.0), ("right_to_left", 0.0)])
def test_the_given_half_is_seen_and_the_other_wanted(direction, level):
    model, pretext = Copy(), Translation(direction=direction, flip=False)
    made = pretext.translate(model, pairs(), torch.zeros(2, 1))
    assert model.seen.shape == made.target.shape == (2, 3, 4, 4)
    assert (model.seen[..., 1:] == level).all()
    assert (made.target[..., 1:] == (0.0 if level else -1.0)).all()


def test_rows_are_averaged_in_pairs():
    images = torch.zeros(1, 3, 4, 4)
    images[:, :, 1] = 1.0
    given, _ = Translation().halves(images)
    assert given[0, 0].tolist() == [[0.5, 0.5], [0.0, 0.0]]


def test_mirroring_turns_both_halves_and_exchanges_none():
    model, pretext = Copy(), Translation()
    draws = torch.tensor([[0.2], [0.8]])
    made = pretext.translate(model, pairs(), draws)
    for half in (model.seen, made.target):
        assert (half[0, ..., -1] == 1).all()  # mirrored: its edge is on the right now
        assert (half[1, ..., 0] == 1).all()


def test_decoding_replaces_the_wanted_half_alone():
    model, images = Copy(), pairs()
    picture = Translation(direction="left_to_right").decode(model, images)
    assert picture.shape == images.shape
    assert torch.equal(picture[..., :4], images[..., :4])
    expected = (torch.tanh(torch.tensor(-1.0)) + 1) / 2
    torch.testing.assert_close(picture[..., 5:], expected.expand_as(picture[..., 5:]))
    other = Translation(direction="right_to_left").decode(model, images)
    assert torch.equal(other[..., 4:], images[..., 4:])


def test_terms_are_weighted():
    model = Copy()
    plain = Translation({"l1": 1.0}).losses(model, pairs(), torch.ones(2, 1))["l1"]
    heavy = Translation({"l1": 100.0}).losses(model, pairs(), torch.ones(2, 1))["l1"]
    assert heavy.item() == pytest.approx(100 * plain.item())


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="left_to_right or right_to_left"):
        Translation(direction="up")
    with pytest.raises(ValueError, match="even side"):
        Translation().halves(torch.zeros(1, 3, 7, 8))
