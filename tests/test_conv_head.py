import numpy as np
import pytest
import torch

from probes.conv_head import ConvHead, conv_head_network


def test_parameters_are_those_of_seed_004():
    def count(channels):
        network = conv_head_network(in_channels=channels, n_classes=101)
        return sum(p.numel() for p in network.parameters())

    assert count(4) == 326_245
    assert count(3) == 325_093


def test_logits_by_hand():
    network = conv_head_network(in_channels=2, n_classes=5).eval()
    x = torch.randn(3, 2, 4, 4)
    first, second, linear = network[0], network[3], network[7]
    scale = 1 / np.sqrt(1 + 1e-5)
    hidden = torch.relu(torch.conv2d(x, first.weight, padding=1) * scale)
    pooled = (torch.conv2d(hidden, second.weight, padding=1) * scale).mean((2, 3))
    torch.testing.assert_close(network(x), pooled @ linear.weight.T + linear.bias)


def test_trials_start_with_the_original_rate():
    rates = [trial["lr"] for trial in ConvHead(n_trials=9).trials]
    assert rates[0] == 3e-4 and set(rates[:4]) == {1e-4, 3e-4, 1e-3, 3e-3}
    assert len({*rates}) == 9 and all(1e-4 < rate < 3e-3 for rate in rates[4:])


def test_degenerate_latents_are_refused():
    X = np.full((4, 2, 3, 3), np.nan, dtype=np.float32)
    with pytest.raises(ValueError, match="degenerate latents"):
        ConvHead(steps=1).fit(X, np.arange(4) % 2, 0)
