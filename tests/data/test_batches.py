"""Batches equal those of a DataLoader, epoch by epoch."""

import itertools
from typing import Any

import pytest
import torch
from support.data_sets import numbered
from torch.utils.data import DataLoader

from digits.data.batches import Batches
from digits.data.dataset import Digits, as_fractions
from digits.errors import DataError
from digits.seeds import generator


def flat(batches: Any) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


@pytest.mark.parametrize(("batch_size", "drop_last"), [(64, False), (64, True), (1000, False), (7, True)])
def test_batches_equal_a_dataloaders(sample: Digits, batch_size: int, drop_last: bool) -> None:
    """In the same order, every batch equals a DataLoader's, bit for bit."""
    ours = Batches(sample, batch_size, drop_last=drop_last, seed=5)
    theirs = DataLoader(
        sample, batch_size, sampler=generator_order(sample, seed=5, epoch=2), drop_last=drop_last
    )
    assert len(ours) == len(theirs)
    for (images, labels), (their_images, their_labels) in zip(ours.epoch(2), theirs, strict=True):
        assert torch.equal(images, their_images)
        assert torch.equal(labels, their_labels)
        assert (images.dtype, labels.dtype) == (their_images.dtype, their_labels.dtype)


def generator_order(digits: Digits, seed: int, epoch: int) -> list[int]:
    """The order of an epoch as the docstrings have it: a permutation drawn from (seed, 'order', epoch)."""
    draws = generator(seed, "order", epoch)
    order: list[int] = torch.randperm(len(digits), generator=draws).tolist()
    return order


def test_dataloader_takes_digits(sample: Digits) -> None:
    """An ordinary DataLoader without workers gives batches of images in [0, 1] and whole-number labels."""
    loader = DataLoader(sample, batch_size=64, shuffle=True, num_workers=0)
    images, labels = next(iter(loader))
    assert images.shape == (64, 1, 28, 28)
    assert 0 <= images.min() < images.max() <= 1
    assert labels.dtype == torch.int64
    assert len(loader) == 79


@pytest.mark.parametrize("count", [1, 63, 64, 65, 300])
def test_an_epoch_covers_each_image_once(count: int) -> None:
    """An epoch yields each image once, in full batches and a last one that may be smaller."""
    batches = Batches(numbered([0] * count), 64)
    sizes = [len(labels) for _, labels in batches.epoch(0)]
    assert sizes == [64] * (count // 64) + [count % 64] * (count % 64 > 0)
    assert sizes == [batches.size(step) for step in range(len(batches))]
    assert batches.images_per_epoch == count
    assert sorted(batches.order(0).tolist()) == list(range(count))


def test_drop_last_leaves_out_the_rest() -> None:
    """With drop_last only full batches come, of images that change from epoch to epoch."""
    batches = Batches(numbered([0] * 150), 64, drop_last=True)
    assert [len(labels) for _, labels in batches.epoch(0)] == [64, 64]
    assert (len(batches), batches.images_per_epoch) == (2, 128)
    seen = set(batches.order(0).tolist())
    assert len(seen) == 128
    assert seen != set(batches.order(1).tolist())


def test_without_shuffling_the_order_is_the_files() -> None:
    """With shuffle=False every epoch yields the images in their order in the data set."""
    digits = numbered(torch.arange(100) % 10)
    images, labels = flat(Batches(digits, 30, shuffle=False).epoch(3))
    assert torch.equal(images, as_fractions(digits.images).unsqueeze(1))
    assert torch.equal(labels, digits.labels)


def test_order_comes_from_seed_and_epoch_alone() -> None:
    """The order depends on seed and epoch only, whatever else is drawn in between."""
    digits = numbered([0] * 100)
    torch.manual_seed(1)
    first = Batches(digits, seed=1).order(4)
    state = torch.get_rng_state()
    assert torch.equal(Batches(digits, batch_size=10, seed=1).order(4), first)
    assert torch.equal(torch.get_rng_state(), state)
    orders = [Batches(digits, seed=seed).order(epoch) for seed in (0, 1) for epoch in range(3)]
    assert len({tuple(order.tolist()) for order in orders}) == 6


def test_iterating_gives_one_epoch_after_another() -> None:
    """`for images, labels in batches` goes through epoch 0 the first time, epoch 1 the second."""
    batches = Batches(numbered([0] * 100), 30)
    for epoch in range(3):
        again = Batches(numbered([0] * 100), 30).epoch(epoch)
        assert all(torch.equal(a[0], b[0]) for a, b in zip(batches, again, strict=True))


@pytest.mark.parametrize("start", [0, 1, 3, 4])
def test_an_epoch_can_be_entered_in_the_middle(start: int) -> None:
    """An epoch that starts at a later batch yields the same batches as a whole epoch does from there."""
    batches = Batches(numbered(torch.arange(100) % 10), 30)
    rest = list(itertools.islice(batches.epoch(7), start, None))
    entered = list(batches.epoch(7, start=start))
    assert len(entered) == len(rest) == 4 - start
    assert all(
        torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(entered, rest, strict=True)
    )


@pytest.mark.parametrize("size", [2, 3, 4])
def test_processes_share_each_batch(size: int) -> None:
    """The shares of all processes make up the batch that one process would have, row by row."""
    digits = numbered(torch.arange(100) % 10)
    shares = [list(Batches(digits, 30, rank=rank, processes=size).epoch(1)) for rank in range(size)]
    for step, (images, labels) in enumerate(Batches(digits, 30).epoch(1)):
        whole = torch.empty_like(images)
        for rank in range(size):
            part, part_labels = shares[rank][step]
            whole[rank::size] = part
            assert torch.equal(labels[rank::size], part_labels)
        assert torch.equal(whole, images)


def test_set_stays_in_memory_as_bytes(sample: Digits) -> None:
    """The loader keeps no second copy of the images, and none as floats."""
    batches = Batches(sample)
    assert batches.images.dtype == torch.uint8
    assert batches.images.data_ptr() == sample.images.data_ptr()


def test_no_full_batch_is_refused() -> None:
    """With drop_last and fewer images than a batch there is nothing to train on, which is an error."""
    with pytest.raises(
        DataError, match="10 images do not fill one batch of 64; choose a smaller --batch-size"
    ):
        Batches(numbered([0] * 10), 64, drop_last=True)
    with pytest.raises(DataError, match="do not fill one batch of 0"):
        Batches(numbered([0] * 10), 0)


def test_generators_of_different_purpose_are_independent() -> None:
    """Generators differ if seed, purpose or numbers differ, and are equal if all are equal."""
    keys: list[tuple[Any, ...]] = [
        (0, "order"),
        (0, "order", 0),
        (0, "order", 1),
        (1, "order", 0),
        (0, "test"),
        (0, "validation"),
    ]
    draws = [torch.rand(4, generator=generator(*key)) for key in keys]
    assert len({tuple(draw.tolist()) for draw in draws}) == len(keys)
    assert torch.equal(torch.rand(4, generator=generator(0, "order", 1)), draws[2])
