import numpy as np
import pytest
import torch
from torch import nn

from probes.training import (
    DivergenceError,
    Training,
    learning_rate_factor,
    predict_network,
    train_network,
)


def _training(**changes):
    settings = {"steps": 12, "max_epochs": 50, "batch_size": 8, "lr": 1e-2, "weight_decay": 0.0}
    return Training(**(settings | changes))


def _data(n=20):
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.normal(size=(n, 4)).astype(np.float32)), np.arange(n) % 2


class _Counting(nn.Module):
    """A linear network that notes the size of each training batch."""

    def __init__(self):
        super().__init__()
        self.linear, self.sizes = nn.Linear(4, 2), []

    def forward(self, x):
        if self.training:
            self.sizes.append(len(x))
        return self.linear(x)


def _two_layers():
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 2))


def _weights(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


@pytest.mark.parametrize(("n", "steps", "taken"), [(20, 12, 12), (20, 200, 150), (2, 200, 50)])
def test_steps_do_not_depend_on_the_budget_but_epochs_are_capped(n, steps, taken):
    network = train_network(_Counting, *_data(n), _training(steps=steps))
    assert len(network.sizes) == taken


def test_an_epoch_sees_every_sample_in_even_batches():
    network = train_network(_Counting, *_data(17), _training(steps=3))
    assert sorted(network.sizes) == [5, 6, 6]


def test_training_is_a_function_of_the_seed():
    def run(seed):
        torch.manual_seed(np.random.default_rng().integers(1000))
        return _weights(train_network(_two_layers, *_data(), _training(seed=seed)))

    assert torch.equal(run(3), run(3)) and not torch.equal(run(3), run(4))


def test_global_generator_is_left_as_it_was():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train_network(lambda: nn.Linear(4, 2), *_data(), _training())
    assert torch.equal(torch.rand(1), expected)


def test_one_constant_step_is_that_of_adamw():
    X, y = _data(8)
    training = _training(steps=1, schedule="constant", weight_decay=0.1)
    reached = train_network(lambda: nn.Linear(4, 2), X, y, training)
    torch.manual_seed(training.seed)
    expected = nn.Linear(4, 2)
    optimiser = torch.optim.AdamW(expected.parameters(), lr=1e-2, weight_decay=0.1)
    nn.functional.cross_entropy(expected(X), torch.from_numpy(y)).backward()
    optimiser.step()
    torch.testing.assert_close(_weights(reached), _weights(expected))


def test_stopping_early_gives_the_network_as_it_was():
    seen = []
    whole = train_network(
        lambda: nn.Linear(4, 2),
        *_data(),
        _training(),
        after_epoch=lambda n: seen.append(_weights(n)),
    )
    part = train_network(lambda: nn.Linear(4, 2), *_data(), _training(), stop_epoch=2)
    assert len(seen) == 4
    assert torch.equal(_weights(part), seen[1]) and torch.equal(_weights(whole), seen[-1])


def test_rate_warms_up_and_falls_to_zero():
    rates = [learning_rate_factor(step, 100, "onecycle") for step in range(101)]
    assert max(rates) == rates[10] == 1 and rates[0] < 0.2 and rates[100] == pytest.approx(0)
    assert learning_rate_factor(99, 100, "constant") == 1
    assert 0 < learning_rate_factor(0, 1, "onecycle") <= 1


def test_encoder_learns_at_its_own_rate():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.encoder(x))

    def moved(scale):
        training = _training(steps=1, schedule="constant", encoder_lr_scale=scale)
        torch.manual_seed(0)
        start, end = Network(), train_network(Network, *_data(8), training)
        pairs = zip(start.parameters(), end.parameters(), strict=True)
        change = [(before - after).abs().max().item() for before, after in pairs]
        return max(change[:2]), max(change[2:])

    # Adam's first step is the rate itself.
    assert moved(0.1) == pytest.approx((1e-3, 1e-2), rel=1e-2)
    assert moved(0.0)[0] == 0
    with pytest.raises(ValueError, match="attribute `encoder`"):
        train_network(lambda: nn.Linear(4, 2), *_data(), _training(encoder_lr_scale=0.1))


def test_divergence_is_an_error():
    with pytest.raises(DivergenceError, match="expected a finite one"):
        train_network(_two_layers, *_data(), _training(lr=1e30))


def test_bfloat16_trains_and_predicts_in_full_precision():
    training = _training(precision="bf16", steps=100)
    X, _ = _data()
    y = (X[:, 0] > 0).long().numpy()
    proba = predict_network(train_network(lambda: nn.Linear(4, 2), X, y, training), X, training)
    assert proba.dtype == np.float64 and (proba.argmax(1) == y).mean() > 0.8
    np.testing.assert_allclose(proba.sum(1), 1)


def test_settings_of_no_use_are_refused():
    with pytest.raises(ValueError, match="must be at least 1"):
        _training(steps=0)
