"""Splits are exact, disjoint and complete, and depend on the seed only."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit
from support.data_sets import as_collection, largest_remainder, numbered, numbers

from digits.data.dataset import Digits
from digits.data.splits import split
from digits.errors import DataError

class_counts = st.lists(st.integers(0, 60), min_size=1, max_size=10).filter(lambda counts: sum(counts) > 2)


@given(class_counts, st.data(), st.integers(0, 2**40))
def test_stratified_split_is_exact_disjoint_and_complete(
    counts: list[int], draw: st.DataObject, seed: int
) -> None:
    """Any sizes: each class in proportion by largest remainder, every image on exactly one side."""
    labels = torch.tensor([c for c, count in enumerate(counts) for _ in range(count)])
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    size = draw.draw(st.integers(1, len(labels) - 1))
    test = numbered([0, 1])
    splits = split(as_collection(numbered(labels), test), val_size=size, seed=seed)
    kept, held = numbers(splits.train), numbers(splits.val)
    assert len(held) == size
    assert sorted(kept + held) == list(range(len(labels)))
    assert torch.equal(splits.val.labels, labels[held])
    assert torch.bincount(splits.val.labels, minlength=len(counts)).tolist() == largest_remainder(
        counts, size
    )
    assert splits.test is test


@given(st.lists(st.integers(20, 500), min_size=2, max_size=10), st.floats(0.05, 0.95))
def test_class_proportions_equal_scikit_learns(counts: list[int], share: float) -> None:
    """As many images of each class are held out as scikit-learn's StratifiedShuffleSplit holds out."""
    size = max(int(sum(counts) * share), len(counts))
    remainders = [count * size % sum(counts) for count in counts]
    assume(len(set(remainders)) == len(remainders))  # scikit-learn draws lots between equal remainders
    assume(sum(counts) - size >= len(counts))
    labels = np.repeat(np.arange(len(counts)), counts)
    held = next(StratifiedShuffleSplit(1, test_size=size, random_state=0).split(labels, labels))[1]
    ours = split(as_collection(numbered(labels.tolist()), numbered([0])), val_size=size)
    assert torch.bincount(ours.val.labels).tolist() == np.bincount(labels[held]).tolist()


def test_default_sizes_without_a_test_set(sample: Digits) -> None:
    """Without a test set, a fifth is for the test and a sixth of the rest for validation."""
    splits = split(as_collection(sample))
    assert [len(each) for each in (splits.test, splits.val, splits.train)] == [1000, 666, 3334]
    assert torch.bincount(splits.test.labels).tolist() == [100] * 10


def test_seed_decides_the_split() -> None:
    """The same seed gives the same split, another seed another one, of the same proportions."""
    whole = as_collection(numbered(torch.arange(600) % 10), numbered([0]))
    a, b, c = (split(whole, val_size=100, seed=seed) for seed in (3, 3, 4))
    assert numbers(a.val) == numbers(b.val)
    assert numbers(a.train) == numbers(b.train)
    assert 0 < len(set(numbers(a.val)) & set(numbers(c.val))) < 50  # by chance about 17
    assert torch.equal(torch.bincount(a.val.labels), torch.bincount(c.val.labels))


def test_test_images_do_not_depend_on_the_validation() -> None:
    """Another validation size leaves the test images the same, so that two runs can be compared."""
    whole = as_collection(numbered(torch.arange(600) % 10))
    a, b = (split(whole, val_size=size, test_size=90) for size in (50, 200))
    assert numbers(a.test) == numbers(b.test)
    assert sorted(numbers(a.test) + numbers(a.val) + numbers(a.train)) == list(range(600))
    assert len(a.test) == 90


def test_splitting_leaves_the_global_generator_alone() -> None:
    """Splitting does not use the global random generator."""
    torch.manual_seed(1)
    before = torch.get_rng_state()
    split(as_collection(numbered(torch.arange(100) % 10)))
    assert torch.equal(torch.get_rng_state(), before)


def test_impossible_sizes_are_refused_by_option() -> None:
    """Holding out everything, or a test set where there is one, is an error that names the option."""
    own, published = as_collection(numbered([0] * 10)), as_collection(numbered([0] * 10), numbered([1]))
    with pytest.raises(DataError, match="--val-size is 10, but there are 10 images"):
        split(published, val_size=10)
    with pytest.raises(DataError, match="--test-size is 11, but there are 10 images"):
        split(own, test_size=11)
    with pytest.raises(DataError, match="--test-size 5: made up already has a test set"):
        split(published, test_size=5)


@given(st.lists(st.integers(1, 30), min_size=3, max_size=40), st.integers(0, 1000))
def test_no_writer_is_on_both_sides(images_each: list[int], seed: int) -> None:
    """Each writer is in one part only, no image is lost, and the size is missed by less than one writer."""
    writers = torch.tensor([100 + w for w, count in enumerate(images_each) for _ in range(count)])
    writers = writers[torch.randperm(len(writers), generator=torch.Generator().manual_seed(seed))]
    whole = as_collection(numbered(writers % 10), numbered([0]))
    size = max(len(writers) // 4, max(images_each))
    assume(size < len(writers))
    splits = split(whole, "writers", val_size=size, seed=seed, writers=writers)
    kept, held = numbers(splits.train), numbers(splits.val)
    assert sorted(kept + held) == list(range(len(writers)))
    assert not set(writers[kept].tolist()) & set(writers[held].tolist())
    assert size - max(images_each) < len(held) <= size
    assert numbers(split(whole, "writers", val_size=size, seed=seed, writers=writers).val) == held


def test_writers_stay_apart_when_a_test_set_is_taken_first() -> None:
    """If test images are taken out first, the writers still belong to their images."""
    writers = torch.arange(400) // 10
    whole = as_collection(numbered(torch.arange(400) % 10))
    splits = split(whole, "writers", val_size=80, test_size=100, writers=writers)
    val_writers = set(writers[numbers(splits.val)].tolist())
    assert val_writers
    assert not val_writers & set(writers[numbers(splits.train)].tolist())
    assert sorted(numbers(splits.train) + numbers(splits.val) + numbers(splits.test)) == list(range(400))


def test_writers_that_cannot_be_split_are_refused() -> None:
    """A single writer, and writers that all have too many images, cannot be split, which is an error."""
    whole = as_collection(numbered([0] * 40), numbered([1]))
    with pytest.raises(DataError, match="no whole writer of 1"):
        split(whole, "writers", val_size=10, writers=torch.zeros(40))
    with pytest.raises(DataError, match="no whole writer of 2"):
        split(whole, "writers", val_size=10, writers=torch.arange(40) // 20)
    with pytest.raises(DataError, match="needs the writer of each"):
        split(whole, "writers")
