"""Order, flips and draws belong to the sample; sizes and values are those of the store."""

import numpy as np
import pytest
import torch

from benchmarks.batches import Batches, in_order, load, resident, stored
from benchmarks.draws import uniforms
from tests.counters import Copies

N, SIZE = 20, 8


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (N, SIZE, SIZE, 3), dtype=np.uint8)


def make(images, *, size=4, ids=None, **changes):
    ids = np.arange(N) if ids is None else ids
    settings = {"seed": 3, "n_draws": 2, "flip": True, "device": "cpu"} | changes
    return Batches(images, ids, size=size, **settings)


def by_sample(batches, epoch):
    """What each sample of an epoch looked like and drew, whichever batch it came in."""
    found = {}
    for step in range(epoch * batches.per_epoch, (epoch + 1) * batches.per_epoch):
        pictures, draws = batches.at(step)
        samples = batches.samples(step)
        found |= {int(i): (p, d) for i, p, d in zip(samples, pictures, draws, strict=True)}
    return found


@pytest.mark.parametrize("epoch", [0, 2])
def test_what_a_sample_becomes_does_not_depend_on_its_batch(images, epoch):
    in_fours, in_tens = by_sample(make(images), epoch), by_sample(make(images, size=10), epoch)
    assert len(in_fours) == len(in_tens) == N
    for i, (picture, draws) in in_fours.items():
        assert torch.equal(picture, in_tens[i][0])
        assert torch.equal(draws, in_tens[i][1])


def test_a_flip_is_the_mirror_image_of_those_whose_first_number_is_below_a_half(images):
    numbers = uniforms(3, 0, N, 3)
    found = by_sample(make(images), 0)
    turned = 0
    for i, (picture, draws) in found.items():
        expected = images[i].transpose(2, 0, 1)
        flipped = numbers[i, 0] < 0.5
        turned += flipped
        expected = expected[:, :, ::-1] if flipped else expected
        np.testing.assert_array_equal(picture.numpy(), expected)
        np.testing.assert_array_equal(draws.numpy(), numbers[i, 1:])
    assert 0 < turned < N


def test_without_flips_pictures_are_as_stored(images):
    for i, (picture, _) in by_sample(make(images, flip=False), 1).items():
        np.testing.assert_array_equal(picture.numpy(), images[i].transpose(2, 0, 1))


def test_epochs_and_seeds_order_and_draw_anew(images):
    batches = make(images)
    first, later = batches.at(0), batches.at(batches.per_epoch)
    assert not torch.equal(first[0], later[0])
    assert not torch.equal(first[1], later[1])
    assert not torch.equal(first[0], make(images, seed=4).at(0)[0])


def test_only_the_given_ids_are_read(images):
    ids = np.array([11, 3, 7])
    batches = make(images, ids=ids, size=3, flip=False)
    shown, _ = batches.at(0)
    expected = stored(images, ids[batches.samples(0)], "cpu")
    assert torch.equal(shown, expected)
    assert torch.equal(shown / 255, load(images, ids[batches.samples(0)], "cpu"))
    assert sorted(ids[batches.samples(0)]) == [3, 7, 11]


def test_a_batch_larger_than_the_data_is_all_of_it(images):
    batches = make(images, size=64)
    assert (batches.size, batches.per_epoch) == (N, 1)


def test_pixels_are_averages_over_areas(images):
    whole, small = make(images), make(images, pixels=4)
    expected = whole.at(1)[0].reshape(4, 3, 4, 2, 4, 2).double().mean((3, 5)).float() / 255
    torch.testing.assert_close(small.at(1)[0], expected)
    assert torch.equal(make(images, pixels=SIZE).at(1)[0], whole.at(1)[0])


def test_layout_changes_memory_and_no_value(images):
    plain, _ = make(images).at(0)
    last, _ = make(images).at(0, torch.channels_last)
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert plain.is_contiguous()
    assert torch.equal(plain, last)


@pytest.mark.parametrize("size", [1, 3, 20, 50])
def test_in_order_covers_all_once_in_the_order_given(images, size):
    ids = np.random.default_rng(1).permutation(N)[:13]
    parts = list(in_order(images, ids, size=size, device="cpu"))
    assert max(len(part) for part in parts) <= size
    assert torch.equal(torch.cat(parts), torch.from_numpy(images[ids]).permute(0, 3, 1, 2))


def test_labels_belong_to_the_sample_and_come_only_when_given(images):
    labelled = make(images, labels=np.arange(N) * 10)
    for step in range(7):
        _, _, labels = labelled.at(step)
        assert labels.tolist() == (labelled.samples(step) * 10).tolist()
    assert len(make(images).at(0)) == 2


def test_flips_do_not_depend_on_how_many_numbers_a_pretext_reads(images):
    few, many = make(images, n_draws=0), make(images, n_draws=15)
    assert all(torch.equal(few.at(step)[0], many.at(step)[0]) for step in range(5))


def test_a_step_copies_nothing_where_the_images_are_resident(images):
    batches = make(images, device="meta", labels=np.arange(N))  # a device without contents
    batches.at(0)
    with Copies() as copies:
        for step in range(1, batches.per_epoch):
            pictures, draws, labels = batches.at(step)
        assert copies.count == 0
        batches.at(batches.per_epoch)
    assert copies.count == 3  # a new pass: draws, places and labels
    assert pictures.device.type == draws.device.type == labels.device.type == "meta"
    assert pictures.shape == (4, 3, SIZE, SIZE)


def test_batches_of_resident_images_are_the_same(images):
    one, two = make(images, ids=np.arange(5, 17)), make(images, ids=np.arange(5, 17))
    two._resident = torch.from_numpy(images)
    for step in range(4):
        for here, there in zip(one.at(step), two.at(step), strict=True):
            assert torch.equal(here, there)


def test_images_are_not_held_twice_on_a_cpu(images):
    assert resident(images, "cpu") is None
