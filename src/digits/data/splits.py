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

VALIDATION_SHARE = 6  # one in six: 10,000 of MNIST's 60,000
TEST_SHARE = 5  # one in five, where the data has no test set of its own


@dataclass(frozen=True)
class Splits:
    """Training learns, validation chooses, test is for the end."""

    train: Digits
    val: Digits
    test: Digits
    synthetic: int = 0  # of the training images: made in code, not published


def join(splits: Splits, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> Splits:
    """The splits with images (N, 28, 28) made in code, and their labels, behind the training images."""
    train = Digits(
        torch.cat([splits.train.images, torch.from_numpy(images)]),
        torch.cat([splits.train.labels, torch.from_numpy(labels)]),
        splits.train.transform,
    )
    return dataclasses.replace(splits, train=train, synthetic=splits.synthetic + len(images))


def split(
    collection: Collection,
    kind: Split = "random",
    *,
    val_size: int | None = None,
    test_size: int | None = None,
    seed: int = 0,
    writers: Tensor | None = None,
) -> Splits:
    """Split what was published for training; the published test set, where there is one, stays whole.

    `random` keeps every class's share equal on both sides; `writers` keeps each writer (`writers[i]` wrote
    training image i) on one side. The same seed gives the same split.
    """
    train, test = collection.train, collection.test
    if test is None:
        size = test_size or max(len(train) // TEST_SHARE, 1)
        rest, held = _stratified(train.labels, size, generator(seed, "test"), "--test-size")
        test, train = train.at(held), train.at(rest)
        writers = None if writers is None else writers[rest]
    elif test_size is not None:
        raise DataError(f"--test-size {test_size}: {collection.origin} has its own test set; leave it out")
    size = val_size or max(len(train) // VALIDATION_SHARE, 1)
    if kind == "writers":
        if writers is None:
            raise DataError("--split writers needs the writer of each training image")
        rest, held = _by_writer(writers, size, generator(seed, "validation"))
    else:
        rest, held = _stratified(train.labels, size, generator(seed, "validation"), "--val-size")
    return Splits(train.at(rest), train.at(held), test)


def _stratified(labels: Tensor, size: int, draws: torch.Generator, option: str) -> tuple[Tensor, Tensor]:
    """Indices (kept, held) with `size` held, each class in proportion, by largest remainder."""
    if size >= len(labels):
        raise DataError(f"{option} is {size}, but there are {len(labels)} images to take them from")
    shares = torch.bincount(labels) * size  # of each class, in units of 1 / len(labels) images
    take, remainder = shares // len(labels), shares % len(labels)
    short = size - int(take.sum())
    take[remainder.argsort(descending=True, stable=True)[:short]] += 1
    order = torch.randperm(len(labels), generator=draws)
    of_class = [order[labels[order] == c][:n] for c, n in enumerate(take.tolist())]
    return _kept_and_held(len(labels), torch.cat(of_class))


def _by_writer(writers: Tensor, size: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Indices (kept, held): whole writers in random order, each taken if it still fits into `size`."""
    names, group, counts = writers.unique(return_inverse=True, return_counts=True)
    chosen = torch.zeros(len(names), dtype=torch.bool)
    room = size
    for writer in torch.randperm(len(names), generator=draws).tolist():
        if counts[writer] <= room:
            chosen[writer] = True
            room -= int(counts[writer])
    if not chosen.any() or chosen.all():
        raise DataError(f"--val-size is {size}; no choice of the {len(names)} writers comes near it")
    return _kept_and_held(len(writers), chosen[group].nonzero().flatten())


def _kept_and_held(total: int, held: Tensor) -> tuple[Tensor, Tensor]:
    keep = torch.ones(total, dtype=torch.bool)
    keep[held] = False
    return keep.nonzero().flatten(), held.sort().values
