"""The joint task on the real network at tiny size, and on fixed answers by hand."""

import math
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from models.class_branch import ClassBranch
from models.color import lab_to_rgb, rgb_to_lab
from models.inception_unet import InceptionUNet
from models.outputs import Regression
from models.pretext.colorization import Colorization
from models.pretext.joint import JointColorization

METHODS = Path(__file__).resolve().parents[1] / "configs/methods"
DRAWS, LABELS = torch.empty(4, 0), torch.tensor([2, 0, 1, 2])


def pictures() -> torch.Tensor:
    return torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def network(*, branch: bool = True) -> InceptionUNet:
    torch.manual_seed(0)
    made = ClassBranch(3, trunk="small", width=1 / 32) if branch else None
    return InceptionUNet(1, 2, branch=made, width=1 / 32, depth=2)


class Fixed(nn.Module):
    """Answers the same ab everywhere, and the same logits."""

    def __init__(self, ab: tuple[float, float], logits: tuple[float, ...]) -> None:
        super().__init__()
        self.ab, self.logits = torch.tensor(ab), torch.tensor(logits)

    def forward(self, x):
        assert x.min() >= 0 and 0.3 < x.max() <= 1, "L / 100"
        ab = self.ab.view(1, 2, 1, 1).expand(len(x), 2, *x.shape[2:])
        return ab, self.logits.expand(len(x), -1)


def test_losses_of_gray_pictures_by_hand():
    gray, model = torch.full((4, 3, 8, 8), 0.4), Fixed((0.5, -0.2), (1.0, 0.0, 3.0))
    losses = JointColorization().losses(model, gray, DRAWS, LABELS)
    assert list(losses) == ["l2", "class_cross_entropy"]
    expected = (math.tanh(0.5) ** 2 + math.tanh(0.2) ** 2) / 2
    assert losses["l2"].item() == pytest.approx(expected, rel=1e-3)
    total = math.log(math.exp(1) + 1 + math.exp(3))
    chosen = [3.0, 1.0, 0.0, 3.0]
    expected = sum(total - logit for logit in chosen) / 4
    assert losses["class_cross_entropy"].item() == pytest.approx(expected)


def test_l2_is_in_units_of_ab_by_128():
    images, model = pictures(), network()
    raw, _ = model(rgb_to_lab(images)[:, :1] / 100)
    expected = nn.functional.mse_loss(raw.tanh(), rgb_to_lab(images)[:, 1:] / 128)
    found = JointColorization().losses(model, images, DRAWS, LABELS)["l2"]
    torch.testing.assert_close(found, expected)


def test_the_handle_without_branch_has_the_same_colour_loss():
    given = OmegaConf.load(METHODS / "seed000_branch_off.yaml").seed000_branch_off.pretext
    plain = Colorization(
        Regression(given.output.channels, given.output.scale),
        OmegaConf.to_container(given.losses),
        inputs=given.inputs,
    )
    joint, images, answer = JointColorization(), pictures(), Fixed((0.5, -0.2), (0.0, 0.0, 0.0))
    expected = joint.losses(answer, images, DRAWS, LABELS)["l2"]
    answer.register_forward_hook(lambda _model, _x, outputs: outputs[0])
    losses = plain.losses(answer, images, DRAWS)
    torch.testing.assert_close(losses["l2"], expected)


def test_training_lowers_both_losses():
    tint = torch.tensor([1.0, 0.6, 0.2]).view(3, 1, 1)
    pretext, model, images = JointColorization(), network(), tint * pictures()
    solver = torch.optim.Adam(model.parameters(), lr=3e-3)
    history = []
    for _ in range(20):
        losses = pretext.losses(model, images, DRAWS, LABELS)
        solver.zero_grad()
        sum(losses.values()).backward()
        solver.step()
        history.append({name: loss.item() for name, loss in losses.items()})
    assert history[-1]["class_cross_entropy"] < 0.7 * history[0]["class_cross_entropy"]
    assert history[-1]["l2"] < 0.9 * history[0]["l2"]


def test_colours_train_the_code_but_the_class_does_not_train_the_encoder():
    pretext, model = JointColorization(), network()
    losses = pretext.losses(model, pictures(), DRAWS, LABELS)
    losses["class_cross_entropy"].backward(retain_graph=True)
    assert all(p.grad is None for p in model.encoder.parameters())
    assert all(p.grad is not None for p in model.branch.parameters())
    model.zero_grad()
    losses["l2"].backward()
    assert all(p.grad is not None for p in model.branch.code.parameters())
    assert all(p.grad is None for p in model.branch.classify.parameters())


def test_labels_are_used_as_given_whatever_they_are_called():
    images, model = pictures(), network().eval()
    found = [
        JointColorization(kind).losses(model, images, DRAWS, LABELS)
        for kind in ("true", "shuffled", "constant")
    ]
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


def test_only_true_labels_are_not_label_free():
    kinds = {kind: JointColorization(kind) for kind in ("true", "shuffled", "constant")}
    assert [pretext.label_free for pretext in kinds.values()] == [False, True, True]
    assert [pretext.labels for pretext in kinds.values()] == list(kinds)
    pretext = JointColorization()
    assert (pretext.inputs, pretext.labels, pretext.n_draws) == ("L/100", "true", 0)
    assert (pretext.in_channels, pretext.out_channels) == (1, 2)
    with pytest.raises(ValueError, match=r"unknown labels 'permuted'.*true, shuffled, constant"):
        JointColorization("permuted")


def test_decode_joins_true_lightness_and_predicted_colour():
    images, pretext = pictures(), JointColorization()
    lab = rgb_to_lab(images)
    ab = 128 * torch.tensor([0.1, -0.2]).tanh().view(1, 2, 1, 1).expand(4, 2, 8, 8)
    expected = lab_to_rgb(torch.cat((lab[:, :1], ab), dim=1))
    shown = pretext.decode(Fixed((0.1, -0.2), (0.0,)), images)
    torch.testing.assert_close(shown, expected)
    assert pretext.decode(network(), images).shape == images.shape


@pytest.mark.parametrize("wrong", [3, -1])
def test_labels_without_a_logit_are_refused(wrong):
    labels = torch.tensor([0, 1, 2, wrong])
    with pytest.raises(ValueError, match=r"labels from 0 to 2, got .*raise n_classes"):
        JointColorization().losses(network(), pictures(), DRAWS, labels)


def test_a_model_without_branch_is_refused():
    with pytest.raises(TypeError, match="give it a branch, or use Colorization"):
        JointColorization().losses(network(branch=False), pictures(), DRAWS, LABELS)
    with pytest.raises(TypeError, match="no class logits"):
        JointColorization().decode(network(branch=False), pictures())
