import numpy as np
import pytest
import torch

from probes.inputs import Standardiser, count_classes, flat_latents, top1


def test_labels_must_be_complete_and_start_at_zero():
    assert count_classes(np.array([2, 0, 1, 1])) == 3
    for labels in ([1, 2, 3], [0, 2], [-1, 0, 1], [0, 0]):
        with pytest.raises(ValueError, match=r"labels must be 0\.\.c-1"):
            count_classes(np.array(labels))


def test_latents_are_flattened_and_refused_when_not_finite():
    latents = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    assert np.array_equal(flat_latents(latents).numpy(), latents.reshape(2, 12))
    latents[1, 0, 0, 0] = np.nan
    with pytest.raises(ValueError, match="degenerate latents: 1 of 2"):
        flat_latents(latents)


def test_standardiser_uses_training_statistics_and_zeroes_constants():
    train = torch.tensor([[1.0, 0.1, -4.0], [3.0, 0.1, 4.0], [2.0, 0.1, 0.0]])
    standardise = Standardiser(train)
    scaled = standardise(train).numpy()
    expected = (train.numpy() - train.numpy().mean(0))[:, [0, 2]] / train.numpy().std(0)[[0, 2]]
    np.testing.assert_allclose(scaled[:, [0, 2]], expected, rtol=1e-6)
    assert float(standardise(torch.tensor([[1.0, 99.0, 0.0]]))[0, 1]) == 0


def test_centring_alone_keeps_the_units():
    train = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert Standardiser(train, scale=False)(train).tolist() == [[-1, 0], [1, 0]]


def test_top1_is_the_share_of_hits():
    proba = np.array([[0.6, 0.4], [0.1, 0.9], [0.7, 0.3], [0.2, 0.8]])
    assert top1(proba, np.array([0, 1, 1, 1])) == 0.75
