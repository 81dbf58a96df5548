import numpy as np
import pytest
import torch
from torch import nn

from models.class_branch import ClassBranch
from models.encoder import weights_hash
from models.inception_block import Inception
from models.inception_unet import CodeMap, InceptionUNet, Step, tiled_code

WIDTH = 1 / 32  # 8 channels in each Inception branch, a code of 16 numbers


def small(branch: bool = False, **switches) -> InceptionUNet:
    torch.manual_seed(0)
    made = ClassBranch(5, trunk="small", width=WIDTH) if branch else None
    return InceptionUNet(1, 2, branch=made, width=WIDTH, **switches)


def original(branch: bool = True, **switches) -> InceptionUNet:
    with torch.device("meta"):
        made = ClassBranch(100, frozen=True) if branch else None
        return InceptionUNet(1, 2, branch=made, **switches)


def count(module: nn.Module, *, trainable: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)


def lightness(size: int = 32, n: int = 2) -> torch.Tensor:
    return torch.rand(n, 1, size, size, generator=torch.Generator().manual_seed(1))


def test_trainable_parameters_are_those_of_the_original():
    assert count(original(broadcast="tiled"), trainable=True) == 35_707_530


def test_all_parameters_are_those_of_the_original_as_keras_counts():
    model = original(broadcast="tiled")
    trunk = model.branch.trunk
    convs = [module for module in trunk.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in trunk.modules() if isinstance(module, nn.BatchNorm2d)]
    # Keras' ResNet-50 has a bias in each of its 53 convolutions, torchvision's has none; and Keras
    # counts the moving means and variances of its 53 batch norms, which are buffers in torch.
    assert not any(conv.bias is not None for conv in convs)
    biases = sum(conv.out_channels for conv in convs)
    statistics = sum(2 * norm.num_features for norm in norms)
    assert (len(convs), len(norms), biases, statistics) == (53, 53, 26_560, 53_120)
    assert count(trunk) == 23_508_032
    assert count(trunk) + biases + statistics == 23_587_712
    assert count(model) == 35_707_530 + 23_508_032 == 59_215_562
    assert count(model) + 26_560 + 53_120 == 59_295_242


def test_true_broadcast_adds_a_projection_of_the_code_at_four_steps():
    added = count(original()) - count(original(broadcast="tiled"))
    assert added == sum((512 + 1) * channels for channels in (128, 32, 8, 2)) == 87_210


def test_switches_drop_the_parameters_of_what_they_turn_off():
    whole = count(original(branch=False))
    assert whole - count(original(branch=False, ones=False)) == 3_011_112
    # A skip enters a transposed convolution (3 x 3, to its channels) or the head's first one.
    entries = [(512, 512), (256, 256), (128, 128), (64, 64), (32, 64)]
    dropped = sum(9 * skip * to for skip, to in entries)
    assert whole - count(original(branch=False, skips=False)) == dropped
    kernels = {m.kernel_size for m in original(ones=False).encoder.modules() if hasattr(m, "bias")}
    assert kernels == {(2, 2), (3, 3), (4, 4), (5, 5)}


def test_taps_of_the_original_follow_its_names():
    model = original(branch=False)
    maps = model.encode(torch.empty(1, 1, 224, 224, device="meta"))
    shapes = {tap: tuple(value.shape[1:]) for tap, value in maps.items()}
    assert shapes == {
        "e0": (32, 224, 224),
        "e1": (64, 112, 112),
        "e2": (128, 56, 56),
        "e3": (256, 28, 28),
        "e4": (512, 14, 14),
        "e5": (512, 7, 7),
    }
    assert model.taps == tuple(shapes) and model.bottleneck == "e5"
    assert model.channels == {tap: shape[0] for tap, shape in shapes.items()}
    assert model(torch.empty(1, 1, 224, 224, device="meta")).shape == (1, 2, 224, 224)


def test_joined_maps_are_as_wide_as_in_the_original():
    inputs = [step.up.in_channels for step in original(broadcast="tiled").steps]
    assert inputs == [1024, 1152, 800, 392, 194]
    assert original().head[0][0].in_channels == 96


@pytest.mark.parametrize(("depth", "size"), [(1, (2, 4)), (3, (16, 8)), (5, (32, 64))])
@pytest.mark.parametrize("branch", [False, True])
def test_any_depth_runs_at_multiples_of_its_factor(depth, size, branch):
    model, x = small(branch, depth=depth), torch.rand(2, 1, *size)
    maps = model.encode(x)
    assert tuple(maps) == model.taps == tuple(f"e{level}" for level in range(depth + 1))
    assert maps[model.bottleneck].shape[2:] == (size[0] >> depth, size[1] >> depth)
    assert {tap: value.shape[1] for tap, value in maps.items()} == model.channels
    raw = model(x)[0] if branch else model(x)
    assert raw.shape == (2, 2, *size)


def test_transposed_convolution_is_keras_same():
    torch.manual_seed(0)
    step, x = Step(2, None, 3, Inception(3, 1, (1, 3))), torch.randn(1, 2, 4, 5)
    kernel, image = step.up.weight.detach().numpy(), x[0].numpy()
    expected = np.zeros((3, 9, 11)) + step.up.bias.detach().numpy()[:, None, None]
    for row, column in np.ndindex(4, 5):
        # The adjoint of a "same" convolution of stride 2, which pads an even size at its end only.
        given = np.einsum("i,iouv->ouv", image[:, row, column], kernel)
        expected[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3] += given
    enlarged = torch.from_numpy(expected[None, :, :8, :10]).float().relu()
    torch.testing.assert_close(step(x, None, []), step.mixed(enlarged))


@pytest.mark.parametrize(("side", "channels"), [(7, 512), (14, 128), (28, 32), (112, 2)])
def test_tiled_code_is_the_reshape_of_the_original(side, channels):
    code = np.arange(2 * 512, dtype=np.float32).reshape(2, 512)
    # RepeatVector(49), then Reshape((s, s, n)) with channels last.
    expected = np.stack([np.tile(one, 49).reshape(side, side, channels) for one in code])
    found = tiled_code(torch.from_numpy(code), channels, side, side)
    np.testing.assert_array_equal(found.permute(0, 2, 3, 1), expected)
    alike = (expected == expected[:, :1, :1]).all()
    assert alike == (side == 7), "only at 7 x 7 is it the broadcast that was meant"


@pytest.mark.parametrize("channels", [6, 2])
def test_spatial_code_is_the_same_everywhere_and_tiled_is_not(channels):
    torch.manual_seed(0)
    code, like = torch.rand(1, 6), torch.empty(1, 1, 6, 8)
    spatial = CodeMap(6, channels, "spatial")
    given = spatial.project(code) if channels < 6 else code
    expected = spatial.conv(given[:, :, None, None] * torch.ones(6, 8))
    shown = spatial(code, like)
    torch.testing.assert_close(shown, expected)
    # Zero padding shows at the border alone.
    inner = shown[..., 1:-1, 1:-1]
    torch.testing.assert_close(inner, inner[..., :1, :1].expand_as(inner))
    tiled = CodeMap(6, channels, "tiled")
    assert isinstance(tiled.project, nn.Identity)
    seen = tiled_code(code, channels, 6, 8)
    torch.testing.assert_close(tiled(code, like), tiled.conv(seen))
    assert torch.equal(seen, seen[..., :1, :1].expand_as(seen)) == (channels == 6)


@pytest.mark.parametrize("skips", [True, False])
def test_without_skips_all_passes_the_bottleneck(skips):
    model = small(skips=skips)
    model.encoder[-1].register_forward_hook(lambda module, x, maps: torch.zeros_like(maps))
    first, second = model(lightness())
    assert torch.equal(first, second) == (not skips)


def test_branch_gives_its_logits_and_its_code_reaches_the_colours():
    model, x = small(branch=True), lightness()
    model.branch.eval()
    raw, logits = model(x)
    torch.testing.assert_close(logits, model.branch(x)[1])
    model.branch.code.register_forward_hook(lambda module, x, code: code + 1)
    assert not torch.allclose(model(x)[0], raw)


def test_encode_runs_neither_decoder_nor_branch():
    model, calls = small(branch=True), []
    for name in ("encoder.0", "encoder.5", "steps.0", "head", "branch", "transform"):
        module = model.get_submodule(name)
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
    model.encode(lightness())
    assert calls == ["encoder.0", "encoder.5"]


def test_weights_of_the_branch_are_left_as_they_came():
    branch = ClassBranch(5, trunk="small", width=WIDTH)
    before = weights_hash(branch)
    model = InceptionUNet(1, 2, branch=branch, width=WIDTH)
    assert weights_hash(model.branch) == before and model.label_free


def test_output_is_unbounded_and_bfloat16_trains():
    model = small(branch=True)
    with torch.no_grad():
        model.head[-1].bias.fill_(5.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        raw, logits = model(lightness())
    assert raw.max() > 1.5
    (raw.float().square().mean() + logits.float().square().mean()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="multiples of 32, got 48 x 32"):
        small().encode(torch.rand(1, 1, 48, 32))
    with pytest.raises(ValueError, match="depth from 1 to 5, got 6"):
        small(depth=6)
    with pytest.raises(ValueError, match="unknown broadcast 'wide'"):
        small(broadcast="wide")
