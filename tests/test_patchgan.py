from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from models.patchgan import PatchGan, ReflectPatchGan

PATCHES = (1, 16, 34, 70, 142, 154, 286)
SMALLEST = {1: 2, 16: 6, 34: 12, 70: 24, 142: 48, 154: 32, 286: 96}


def small(patch: int = 70, in_channels: int = 3, **settings) -> PatchGan:
    torch.manual_seed(0)
    return PatchGan(in_channels, patch=patch, **({"width": 2} | settings))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Conv2d)]


def field(critic: nn.Module, side: int) -> tuple[int, int]:
    """Height and width of the pixels that the middle logit depends on, by its gradient."""
    x = torch.randn(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    logits = critic.double().eval()(x)
    logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2].backward()
    seen = (x.grad != 0).any(dim=1)[0]
    assert not seen[0].any() and not seen[:, 0].any() and not seen[-1].any()  # not cut off
    return int(seen.any(dim=1).sum()), int(seen.any(dim=0).sum())


@pytest.mark.parametrize(
    ("critic", "in_channels", "settings", "parameters", "side"),
    [
        (PatchGan, 3, {"patch": 70}, 2_765_633, 30),
        (PatchGan, 3, {"patch": 154}, 5_899_969, 16),
        (ReflectPatchGan, 6, {}, 2_768_641, 30),
    ],
)
def test_parameters_and_logits_are_those_of_the_published(
    critic, in_channels, settings, parameters, side
):
    with torch.device("meta"):
        built = critic(in_channels, **settings)
        assert count(built) == parameters
        assert built(torch.empty(1, in_channels, 256, 256)).shape == (1, 1, side, side)


@pytest.mark.parametrize(
    ("patch", "kernel", "channels", "side"),
    [
        (1, 1, [3, 64, 128, 1], 256),
        (16, 4, [3, 64, 128, 1], 126),
        (34, 4, [3, 64, 128, 256, 1], 62),
        (142, 4, [3, 64, 128, 256, 512, 512, 1], 14),
        (286, 4, [3, 64, 128, 256, 512, 512, 512, 1], 6),
    ],
)
def test_other_patches_are_the_paper_s_lists_of_layers(patch, kernel, channels, side):
    """Weights of the lists C64-C128-..., biases first and last, two numbers a batch-normed map."""
    weights = sum(a * b * kernel**2 for a, b in pairwise(channels))
    with torch.device("meta"):
        built = PatchGan(3, patch=patch)
        assert count(built) == weights + channels[1] + 1 + 2 * sum(channels[2:-1])
        assert built(torch.empty(1, 3, 256, 256)).shape == (1, 1, side, side)


@pytest.mark.parametrize("patch", PATCHES)
def test_a_logit_sees_its_patch(patch):
    critic = small(patch, width=1, norm="none")
    assert field(critic, 2 * patch + 66) == (patch, patch)


def test_a_logit_of_the_reflecting_critic_sees_70_px():
    torch.manual_seed(0)
    assert field(ReflectPatchGan(3, width=1), 200) == (70, 70)  # in evaluation mode


def test_borders_are_reflected():
    torch.manual_seed(0)
    critic, x = ReflectPatchGan(3, width=2), torch.randn(1, 3, 32, 32)
    first = critic.layers[0]
    expected = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), first.weight, stride=2)
    torch.testing.assert_close(first(x), expected)
    assert all(conv.padding_mode == "reflect" for conv in convolutions(critic))
    assert all(conv.padding_mode == "zeros" for conv in convolutions(small()))


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("patch", PATCHES)
def test_smallest_pictures_train_and_smaller_ones_are_refused(patch, norm):
    critic, side = small(patch, norm=norm), SMALLEST[patch]
    logits = critic(torch.randn(1, 3, side, side + 1))
    logits.square().mean().backward()
    assert logits.numel() >= 1
    with pytest.raises(ValueError, match=f"patch {patch} needs sides of {side} px or more"):
        critic(torch.randn(1, 3, side + 1, side - 1))


@pytest.mark.parametrize(("patch", "side"), [(1, 32), (16, 14), (70, 2), (154, 2)])
def test_pictures_of_32_px_are_judged(patch, side):
    assert small(patch)(torch.randn(2, 3, 32, 32)).shape == (2, 1, side, side)


def test_the_error_names_the_patches_that_fit():
    with pytest.raises(ValueError, match=r"got 32 x 64; patches that fit: 1, 16, 34, 70, 154$"):
        small(286)(torch.randn(1, 3, 32, 64))
    with pytest.raises(ValueError, match="fit: none"):
        small(1)(torch.randn(1, 3, 1, 1))


@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize("patch", [1, 70, 154])
def test_without_batch_norm_no_picture_sees_another(patch, norm):
    critic, x = small(patch, norm=norm), torch.randn(3, 3, 32, 32)
    torch.testing.assert_close(critic(x)[1:2], critic(x[1:2]))
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in critic.modules())


def test_instance_norm_has_as_many_parameters_as_batch_norm():
    assert count(small(norm="instance")) == count(small(norm="batch"))


def test_without_norm_there_is_a_bias_in_its_place():
    normed = sum(
        norm.num_features for norm in small().modules() if isinstance(norm, nn.BatchNorm2d)
    )
    assert count(small(norm="none")) == count(small()) - 2 * normed + normed


def test_batch_norm_couples_pictures_in_training_only():
    critic, x = small(), torch.randn(3, 3, 32, 32)
    assert not torch.allclose(critic(x)[1:2], critic(x[1:2]))
    critic.eval()
    torch.testing.assert_close(critic(x)[1:2], critic(x[1:2]))


@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize(
    "build", [small, lambda **settings: ReflectPatchGan(3, width=2, **settings)]
)
def test_a_gradient_penalty_reaches_the_weights(build, norm):
    critic, x = build(norm=norm), torch.randn(2, 3, 32, 32, requires_grad=True)
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    (slope.flatten(1).norm(dim=1) - 1).square().mean().backward()
    grads = [conv.weight.grad for conv in convolutions(critic)]
    assert all(torch.isfinite(grad).all() and grad.any() for grad in grads)


@pytest.mark.parametrize("patch", [1, 16, 70, 154])
def test_training_tells_real_from_generated(patch):
    """In one batch, since batch norm would hide from the critic how two batches differ."""
    critic, losses = small(patch, width=4), []
    both = torch.cat((torch.rand(4, 3, 32, 32), torch.rand(4, 3, 32, 32) - 1))
    optimiser = torch.optim.Adam(critic.parameters(), lr=1e-2)
    for _ in range(12):
        real, fake = critic(both).chunk(2)
        losses.append(F.softplus(-real).mean() + F.softplus(fake).mean())
        optimiser.zero_grad()
        losses[-1].backward()
        optimiser.step()
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("critic", [PatchGan, ReflectPatchGan])
def test_bfloat16_autocast_and_channels_last_train(critic, norm):
    torch.manual_seed(0)
    critic = critic(3, width=2, norm=norm).to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = critic(x)
    logits.float().square().mean().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in critic.parameters())


@pytest.mark.parametrize("patch", [1, 70])
def test_init_is_that_of_pix2pix(patch):
    critic = small(patch, width=32)
    for conv in convolutions(critic):
        bound = 4 * 0.02 / conv.weight.numel() ** 0.5  # four standard errors
        assert abs(conv.weight.std() - 0.02) < bound
        assert conv.bias is None or not conv.bias.any()


def test_init_of_154_leaves_the_last_layer():
    *drawn, last = convolutions(small(154, width=16))
    for conv in drawn:
        assert abs(conv.weight.std() - 0.02) < 4 * 0.02 / conv.weight.numel() ** 0.5
    assert last.weight.std().item() == pytest.approx((128 * 16 * 3) ** -0.5, rel=0.1)  # torch's


def test_unknown_patch_and_norm_name_the_known():
    with pytest.raises(ValueError, match="1, 16, 34, 70, 142, 154, 286, got 71"):
        small(71)
    with pytest.raises(ValueError, match="batch, instance or none"):
        small(norm="layer")
