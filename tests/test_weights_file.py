"""Weights from a file: safetensors alone, checked before they are copied."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from models.weights_file import copy_weights, read_weights


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected weights none, torchvision or .* got .*absent"):
        read_weights(tmp_path / "absent.safetensors")
    (tmp_path / "x.pth").touch()
    with pytest.raises(ValueError, match=r"expected weights random .*save_file\(net\.state_dict"):
        read_weights(tmp_path / "x.pth", instead="random", saved="net")
    (tmp_path / "torn.safetensors").write_bytes(b"not a tensor file")
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        read_weights(tmp_path / "torn.safetensors")


def test_what_is_read_is_copied_and_the_rest_left_over(tmp_path):
    given, net = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    nn.init.normal_(given.weight)
    kept = {k: v for k, v in given.state_dict().items() if k != "num_batches_tracked"}
    save_file({**kept, "more": torch.ones(1)}, tmp_path / "w.safetensors")
    read = read_weights(tmp_path / "w.safetensors")
    copy_weights(net.state_dict().items(), read, misfit="it does not fit", remedy="mend it")
    assert torch.equal(net.weight, given.weight)


@pytest.mark.parametrize(("given", "got"), [({}, "None"), ({"weight": torch.ones(2)}, r"\(2,\)")])
def test_a_misfit_is_named_with_both_shapes(given, got):
    places = nn.BatchNorm2d(3).state_dict().items()
    says = rf"^it does not fit: weight should have shape \(3,\), got {got}: mend it$"
    with pytest.raises(ValueError, match=says):
        copy_weights(places, given, misfit="it does not fit", remedy="mend it")
