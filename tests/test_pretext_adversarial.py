"""Adversarial terms against formulas by hand; who gets a gradient; the WGAN penalty by autograd."""

import pytest
import torch
from torch import nn

from models.pretext.adversarial import Adversarial, gradient_penalty
from models.pretext.autoencoding import Autoencoding
from models.pretext.colorization import Colorization
from models.pretext.gray_to_rgb import GrayToRgb

N = 6


def images() -> torch.Tensor:
    return torch.rand(N, 3, 8, 8, generator=torch.Generator().manual_seed(0))


def draws(pretext: nn.Module) -> torch.Tensor:
    return torch.rand(N, pretext.n_draws, generator=torch.Generator().manual_seed(1))


def critic(in_channels: int) -> nn.Module:
    torch.manual_seed(2)
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.LeakyReLU(), nn.Conv2d(4, 1, 3, stride=2))


def make(**how) -> tuple[nn.Module, Adversarial]:
    pretext = Adversarial(Colorization(losses={"l1": 100.0}), critic, **how)
    torch.manual_seed(3)
    return nn.Conv2d(1, 2, 3, padding=1), pretext


def shown(pretext, model):
    """What the critic sees of truth and prediction, put together here by hand."""
    made = pretext.pretext.translate(model, images(), draws(pretext))
    return [torch.cat((made.condition, p), 1) for p in (made.target, made.predicted)]


def test_vanilla_terms_are_minus_log_probabilities():
    model, pretext = make()
    true, false = (pretext.critic(x).sigmoid() for x in shown(pretext, model))
    terms = pretext.critic_losses(model, images(), draws(pretext))
    assert terms["critic_true"].item() == pytest.approx(-true.log().mean().item() / 2, rel=1e-4)
    expected = -(1 - false).log().mean().item() / 2
    assert terms["critic_false"].item() == pytest.approx(expected, rel=1e-4)
    fooling = pretext.losses(model, images(), draws(pretext))["adversarial"].item()
    assert fooling == pytest.approx(-false.log().mean().item(), rel=1e-4)


def test_lsgan_terms_are_squares():
    model, pretext = make(objective="lsgan", weight=2.0)
    true, false = (pretext.critic(x) for x in shown(pretext, model))
    terms = pretext.critic_losses(model, images(), draws(pretext))
    assert terms["critic_true"].item() == pytest.approx(((true - 1) ** 2).mean().item() / 2)
    assert terms["critic_false"].item() == pytest.approx((false**2).mean().item() / 2)
    fooling = pretext.losses(model, images(), draws(pretext))["adversarial"].item()
    assert fooling == pytest.approx(2 * ((false - 1) ** 2).mean().item())


def test_wgan_terms_are_mean_verdicts():
    model, pretext = make(objective="wgan_gp")
    true, false = (pretext.critic(x) for x in shown(pretext, model))
    terms = pretext.critic_losses(model, images(), draws(pretext))
    assert terms["critic_distance"].item() == pytest.approx((false.mean() - true.mean()).item())
    fooling = pretext.losses(model, images(), draws(pretext))["adversarial"].item()
    assert fooling == pytest.approx(-false.mean().item())


def test_penalty_of_a_linear_critic_is_known():
    # The verdict w . x has gradient w everywhere, so the penalty is (|w| - 1)^2 exactly.
    linear = nn.Linear(12, 1)
    expected = (linear.weight.norm() - 1).square()
    found = gradient_penalty(lambda x: linear(x.flatten(1)), torch.rand(5, 3, 2, 2))
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    found.backward()
    slope = 2 * (linear.weight.norm() - 1) * linear.weight / linear.weight.norm()
    torch.testing.assert_close(linear.weight.grad, slope, atol=1e-5, rtol=1e-4)


def test_penalty_of_a_curved_critic_against_autograd_by_hand():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Conv2d(3, 1, 2)).double()
    pictures = torch.rand(4, 2, 6, 6, dtype=torch.float64)
    expected = []
    for picture in pictures:  # one at a time, so that no picture can enter another's gradient
        x = picture[None].clone().requires_grad_(True)
        network(x).mean().backward()
        expected.append((x.grad.norm() - 1) ** 2)
    found = gradient_penalty(network, pictures)
    assert found.item() == pytest.approx(torch.stack(expected).mean().item(), rel=1e-9)


def test_penalty_of_a_flat_critic_is_one_and_finite():
    flat = nn.Linear(4, 1)
    nn.init.zeros_(flat.weight)
    found = gradient_penalty(lambda x: flat(x.flatten(1)), torch.rand(3, 1, 2, 2))
    found.backward()
    assert found.item() == pytest.approx(1, abs=1e-5)
    assert flat.weight.grad.isfinite().all()


@pytest.mark.parametrize("objective", ["vanilla", "lsgan", "wgan_gp"])
def test_each_side_trains_alone(objective):
    model, pretext = make(objective=objective)
    sum(pretext.critic_losses(model, images(), draws(pretext)).values()).backward()
    assert model.weight.grad is None
    assert all(p.grad is not None and p.grad.any() for p in pretext.critic[0].parameters())
    pretext.critic.zero_grad(set_to_none=True)
    pretext.losses(model, images(), draws(pretext))["adversarial"].backward()
    assert model.weight.grad.any()
    assert all(p.grad is None for p in pretext.critic.parameters())
    assert all(p.requires_grad for p in pretext.critic.parameters())


def test_the_pretext_keeps_its_own_terms_and_pictures():
    model, pretext = make()
    plain = pretext.pretext
    terms = pretext.losses(model, images(), draws(pretext))
    assert list(terms) == ["l1", "adversarial"]
    assert torch.equal(terms["l1"], plain.losses(model, images(), draws(plain))["l1"])
    assert torch.equal(pretext.decode(model, images()), plain.decode(model, images()))


def test_a_weight_of_zero_is_the_decorative_critic():
    model, pretext = make(weight=0)
    assert list(pretext.losses(model, images(), draws(pretext))) == ["l1"]
    assert list(pretext.critic_losses(model, images(), draws(pretext)))


def test_an_unconditional_critic_sees_the_picture_alone():
    pretext = Adversarial(GrayToRgb({"l2": 1.0}, distort=False), critic, conditional=False)
    assert pretext.critic[0].in_channels == 3
    assert Adversarial(GrayToRgb({"l2": 1.0}), critic).critic[0].in_channels == 4
    assert make()[1].critic[0].in_channels == 3


def test_label_noise_moves_the_targets_by_image():
    model, pretext = make(label_noise=0.1)
    moved = draws(pretext)
    moved[:, -1], moved[:, -2] = 1.0, 0.5  # targets 0.9 for true, 0.05 for predicted pictures
    true, false = (pretext.critic(x) for x in shown(pretext, model))
    terms = pretext.critic_losses(model, images(), moved)

    def cross_entropy(logits, target):
        p = logits.sigmoid()
        return -(target * p.log() + (1 - target) * (1 - p).log()).mean().item() / 2

    assert terms["critic_true"].item() == pytest.approx(cross_entropy(true, 0.9), rel=1e-4)
    assert terms["critic_false"].item() == pytest.approx(cross_entropy(false, 0.05), rel=1e-4)


def test_distortions_read_the_same_draws_with_and_without_a_critic():
    alone = GrayToRgb({"l2": 1.0})
    pretext = Adversarial(GrayToRgb({"l2": 1.0}), critic)
    torch.manual_seed(3)
    model = nn.Conv2d(1, 3, 3, padding=1)
    given = draws(pretext)
    both = pretext.losses(model, images(), given)["l2"]
    assert torch.equal(both, alone.losses(model, images(), given[:, : alone.n_draws])["l2"])


def test_a_trained_critic_pulls_predictions_towards_the_truth():
    # No pixel term to speak of: what is learned comes through the critic. All pictures are red.
    red = torch.zeros(16, 3, 8, 8)
    red[:, 0] = 0.8
    pretext = Adversarial(Colorization(losses={"l1": 1e-9}), critic, objective="lsgan")
    torch.manual_seed(0)
    model = nn.Conv2d(1, 2, 1)
    given = torch.zeros(16, pretext.n_draws)
    distances = []
    for module, losses in ((pretext.critic, pretext.critic_losses), (model, pretext.losses)):
        made = pretext.pretext.translate(model, red, given)
        distances.append((made.predicted - made.target).norm().item())
        optimizer = torch.optim.Adam(module.parameters(), lr=0.02)
        for _ in range(40):
            optimizer.zero_grad()
            sum(losses(model, red, given).values()).backward()
            optimizer.step()
    made = pretext.pretext.translate(model, red, given)
    distances.append((made.predicted - made.target).norm().item())
    assert distances[0] == distances[1]  # training the critic leaves the model alone
    assert distances[2] < distances[1] / 2


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ({"objective": "hinge"}, "vanilla"),
        ({"objective": "lsgan", "label_noise": 0.1}, "vanilla"),
    ],
)
def test_what_does_not_fit_is_refused(how, match):
    with pytest.raises(ValueError, match=match):
        make(**how)


def test_a_pretext_without_pictures_is_refused():
    with pytest.raises(ValueError, match="no picture"):
        Adversarial(Autoencoding(), critic)
