"""Split a collection into training, validation and test images."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.errors import DataError
from digits.options import Split
from digits.seeds import generator

VALIDATION_SHARE = 6  # one image in six is for validation: 10,000 of MNIST's 60,000
TEST_SHARE = 5  # one image in five is for the test, if the data has no test images


@dataclass(frozen=True)
class Splits:
    """The images a network learns from, those that choose among networks, and those for the final test."""

    train: Digits
    val: Digits
    test: Digits
    synthetic: int = 0  # number of training images, the last ones, that were drawn in code


def split(
    collection: Collection,
    kind: Split = "random",
    *,
    val_size: int | None = None,
    test_size: int | None = None,
    seed: int = 0,
    writers: Tensor | None = None,
) -> Splits:
    """Split a collection's training images; its test images, if it has some, stay as they are.

    Args:
        kind: "random" gives every part each class in the same proportion; "writers" gives every part
            other people's handwriting.
        val_size: Validation images; by default a sixth. With "writers", at most that many.
        test_size: Test images, only for collections without; by default a fifth.
        seed: The same seed gives the same split.
        writers: The writer of each training image, (N,) int64; needed for "writers".

    Raises DataError for sizes that cannot be had.
    """
    train, test = collection.train, collection.test
    if test is None:
        size = test_size or max(len(train) // TEST_SHARE, 1)
        rest, held_out = _stratified(train.labels, size, generator(seed, "test"), "--test-size")
        test, train = train.at(held_out), train.at(rest)
        writers = None if writers is None else writers[rest]
    elif test_size is not None:
        raise DataError(f"--test-size {test_size}: {collection.origin} has its own test set; leave it out")
    size = val_size or max(len(train) // VALIDATION_SHARE, 1)
    draws = generator(seed, "validation")
    if kind == "writers":
        if writers is None:
            raise DataError("--split writers needs the writer of each training image")
        rest, held_out = _by_writer(writers, size, draws)
    else:
        rest, held_out = _stratified(train.labels, size, draws, "--val-size")
    return Splits(train.at(rest), train.at(held_out), test)


def join(splits: Splits, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> Splits:
    """Return the splits with synthetic images (N, 28, 28) and labels (N,) added after the training images."""
    train = Digits(
        torch.cat([splits.train.images, torch.from_numpy(images)]),
        torch.cat([splits.train.labels, torch.from_numpy(labels)]),
        splits.train.transform,
    )
    return dataclasses.replace(splits, train=train, synthetic=splits.synthetic + len(images))


def _stratified(labels: Tensor, size: int, draws: torch.Generator, option: str) -> tuple[Tensor, Tensor]:
    """Return the indices (kept, held out) of images with `labels` (N,), where `size` are held out.

    Each class is held out in proportion, rounded by the largest-remainder method.
    """
    if size >= len(labels):
        raise DataError(f"{option} is {size}, but there are {len(labels)} images to take them from")
    shares = torch.bincount(labels) * size  # of each class, in units of 1 / len(labels) images
    take, remainder = shares // len(labels), shares % len(labels)
    missing = size - int(take.sum())
    take[remainder.argsort(descending=True, stable=True)[:missing]] += 1
    order = torch.randperm(len(labels), generator=draws)
    of_class = [order[labels[order] == c][:n] for c, n in enumerate(take.tolist())]
    return _kept_and_held_out(len(labels), torch.cat(of_class))


def _by_writer(writers: Tensor, size: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the indices (kept, held out) of images by `writers` (N,), where at most `size` are held out.

    Writers are taken in random order; all images of a writer are held out if they still fit into `size`.
    """
    names, group, counts = writers.unique(return_inverse=True, return_counts=True)
    chosen = torch.zeros(len(names), dtype=torch.bool)
    room = size
    for writer in torch.randperm(len(names), generator=draws).tolist():
        if counts[writer] <= room:
            chosen[writer] = True
            room -= int(counts[writer])
    if not chosen.any() or chosen.all():
        raise DataError(f"--val-size is {size}; no choice of the {len(names)} writers comes near it")
    return _kept_and_held_out(len(writers), chosen[group].nonzero().flatten())


def _kept_and_held_out(total: int, held_out: Tensor) -> tuple[Tensor, Tensor]:
    """Return the other indices below `total`, and those held out, both in rising order."""
    keep = torch.ones(total, dtype=torch.bool)
    keep[held_out] = False
    return keep.nonzero().flatten(), held_out.sort().values
