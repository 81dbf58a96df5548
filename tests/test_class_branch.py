import copy

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import resnet18

from models.class_branch import ClassBranch
from models.classifiers import SmallResNet


def small(**given) -> ClassBranch:
    torch.manual_seed(0)
    return ClassBranch(5, trunk="small", width=1 / 16, **given)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


def lightness() -> torch.Tensor:
    return torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(1))


def test_layers_around_the_default_trunk_have_their_published_sizes():
    with torch.device("meta"):
        branch = ClassBranch(frozen=True)
    parts = [count(part) for part in (branch.to_trunk, branch.code, branch.classify)]
    assert parts == [30, 2048 * 512 + 512, 512 * 100 + 100]
    assert count(branch) == sum(parts) and branch.code_channels == 512


def test_trunks_differ_in_size():
    with torch.device("meta"):
        counts = {name: count(ClassBranch(trunk=name).trunk) for name in ("resnet50", "resnet18")}
    assert counts == {"resnet50": 23_508_032, "resnet18": 11_176_512}
    assert count(small().trunk) < 20_000


def test_trunk_is_given_lightness_from_0_to_100():
    branch, x = small().eval(), lightness()
    code, logits = branch(x)
    conv = branch.to_trunk[0]
    seen = nn.functional.conv2d(100 * x, conv.weight, conv.bias, padding=1).relu()
    expected = branch.code[0](branch.trunk(seen)).relu()
    torch.testing.assert_close(code, expected)
    torch.testing.assert_close(logits, branch.classify(expected))
    assert code.shape == (3, 32) and logits.shape == (3, 5)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_frozen_trunk_keeps_its_weights_and_statistics(frozen):
    branch = small(frozen=frozen).eval().train()
    before = copy.deepcopy(branch.trunk.state_dict())
    solver = torch.optim.SGD(branch.parameters(), lr=0.1)
    branch(lightness())[1].square().sum().backward()
    solver.step()
    same = [torch.equal(value, before[name]) for name, value in branch.trunk.state_dict().items()]
    assert all(same) if frozen else not any(same)
    assert branch.trunk.training != frozen and branch.training
    for part in (branch.to_trunk, branch.code, branch.classify):
        assert all(p.grad is not None and p.grad.any() for p in part.parameters())


def test_only_random_weights_are_label_free(tmp_path):
    path = tmp_path / "trunk.safetensors"
    save_file(small().trunk.state_dict(), path)
    assert small().label_free and small(frozen=True).label_free
    assert not small(weights=path).label_free


def test_weights_come_from_a_file_without_its_classifier(tmp_path):
    torch.manual_seed(3)
    whole, path = resnet18(), tmp_path / "resnet18.safetensors"
    weights = {k: v for k, v in whole.state_dict().items() if "num_batches" not in k}
    save_file(weights, path)
    branch = ClassBranch(5, trunk="resnet18", weights=str(path), width=0.1)
    for name, value in branch.trunk.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name


def test_files_that_do_not_fit_are_refused(tmp_path):
    path = tmp_path / "trunk.safetensors"
    with pytest.raises(ValueError, match=r"existing \.safetensors"):
        small(weights=path)
    pickled = tmp_path / "trunk.pth"
    pickled.touch()
    with pytest.raises(ValueError, match="save_file"):
        small(weights=str(pickled))
    path.write_bytes(b"not a tensor file")
    with pytest.raises(ValueError, match="not a readable"):
        small(weights=path)
    save_file(SmallResNet(1, widths=(3, 4, 8)).state_dict(), path)
    with pytest.raises(
        ValueError, match=r"stem\.weight should have shape \(16, 3, 3, 3\), got \(3"
    ):
        small(weights=path)
    save_file({"stem.weight": torch.zeros(16, 3, 3, 3)}, path)
    with pytest.raises(ValueError, match=r"should have shape \(16,\), got None"):
        small(weights=path)


def test_unknown_trunks_and_weights_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="resnet50, resnet18, small"):
        ClassBranch(trunk="vgg16")
    with pytest.raises(ValueError, match="no weights of the trunk 'small'"):
        small(weights="torchvision")


def test_without_network_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"resnet18-\w+\.pth.*weights=FILE.*none"):
        ClassBranch(trunk="resnet18", weights="torchvision")
