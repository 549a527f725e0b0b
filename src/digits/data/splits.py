"""Split a loaded data set into training, validation and test images."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.errors import DataError
from digits.options import Split
from digits.seeds import generator

VALIDATION_SHARE = 6  # by default 1/6 of the training images is for validation: 10,000 of MNIST's 60,000
TEST_SHARE = 5  # by default 1/5 of the images is for the test, if the data has no test images


@dataclass(frozen=True)
class Splits:
    """A data set in three parts: training, validation and test images."""

    train: Digits  # the network learns from these
    val: Digits  # they are used to choose the best network
    test: Digits  # only for the final test
    synthetic: int = 0  # number of synthetic images; they are the last ones in `train`


def split(
    collection: Collection,
    kind: Split = "random",
    *,
    val_size: float | None = None,
    test_size: int | None = None,
    seed: int = 0,
    writers: Tensor | None = None,
) -> Splits:
    """Split a data set into training, validation and test images.

    Validation and test images of the data set are used as they are.
    If it has none, some of its training images become validation or test images.

    Args:
        collection: The loaded data set.
        kind: How to choose validation images:
            "random": at random, with the same proportion of each class in every part.
            "writers": all images of some writers.
        val_size: Number of validation images, or below 1 their share of the images that are left without the
            test images; by default 1/6. With "writers" an upper limit.
            Only for data without validation images.
        test_size: Number of test images; by default 1/5. Only for data without test images.
        seed: Seed of the random choice. The same seed gives the same split.
        writers: int64 (N,), the writer of each training image; required for "writers".
    Returns:
        The three parts, each in the order of the data set.
    Raises:
        DataError: if a size is too large, or an argument does not fit the data set.
    """
    if not isinstance(collection, Collection):
        raise DataError(
            f"cannot split {type(collection).__name__}; expected the result of digits.load_data()"
        )
    train, test = collection.train, collection.test
    if test is None:
        size = test_size or max(len(train) // TEST_SHARE, 1)
        rest, held_out = _stratified(train.labels, size, generator(seed, "test"), "--test-size")
        test, train = train.at(held_out), train.at(rest)
        writers = None if writers is None else writers[rest]
    elif test_size is not None:
        raise DataError(
            f"--test-size {test_size}: {collection.origin} already has a test set; leave out --test-size"
        )
    if collection.val is not None:
        if val_size is not None:
            raise DataError(
                f"--val-size {val_size}: {collection.origin} already has validation images; "
                "leave out --val-size"
            )
        return Splits(train, collection.val, test)
    size = _validation_size(val_size, len(train))
    draws = generator(seed, "validation")
    if kind == "writers":
        if writers is None:
            raise DataError("--split writers needs the writer of each training image; give `writers`")
        rest, held_out = _by_writer(writers, size, draws)
    else:
        rest, held_out = _stratified(train.labels, size, draws, "--val-size")
    return Splits(train.at(rest), train.at(held_out), test)


def split_again(collection: Collection, before: dict[str, Any]) -> Splits:
    """Split a data set in the same way as for the training of a network.

    If the data set is the same as then, the parts are the same too; compare their SHA-256 to know.

    Args:
        collection: The loaded data set.
        before: The entry "data" in the meta data of a model file. Missing and impossible numbers are replaced
            by the defaults of `split`.
    Returns:
        Training, validation and test images.
    Raises:
        DataError: if the data set has too few images.
    """

    whole = len(collection.train)
    test_size = None if collection.test else _number(before, "test_size", whole - 2)
    rest = whole if collection.test else whole - (test_size or max(whole // TEST_SHARE, 1))
    val_size = None if collection.val else _number(before, "val_images", rest - 1)
    seed = before.get("split_seed")
    return split(
        collection, val_size=val_size, test_size=test_size, seed=seed if isinstance(seed, int) else 0
    )


def _number(values: dict[str, Any], name: str, highest: int) -> int | None:
    """Return an entry if it is a whole number from 1 to `highest`, otherwise None."""
    value = values.get(name)
    return value if isinstance(value, int) and 1 <= value <= highest else None


def _validation_size(wanted: float | None, images: int) -> int:
    """Return the number of validation images.

    Args:
        wanted: this number, or below 1 their share of the images; None: a sixth.
        images: number of images for training and validation together.
    """
    if wanted is None:
        return max(images // VALIDATION_SHARE, 1)
    return max(round(wanted * images), 1) if wanted < 1 else int(wanted)


def join(splits: Splits, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.int64]) -> Splits:
    """Add synthetic images to the end of the training images.

    Args:
        splits: The splits, which stay unchanged.
        images: uint8 (N, 28, 28), paper 0, ink 255.
        labels: int64 (N,), from 0 to 9.
    Returns:
        New splits with N more training images; N is added to `synthetic`.
    """
    train = Digits(
        torch.cat([splits.train.images, torch.from_numpy(images)]),
        torch.cat([splits.train.labels, torch.from_numpy(labels)]),
        splits.train.transform,
    )
    return dataclasses.replace(splits, train=train, synthetic=splits.synthetic + len(images))


def _stratified(labels: Tensor, size: int, draws: torch.Generator, option: str) -> tuple[Tensor, Tensor]:
    """Choose images at random, the same proportion from each class.

    Args:
        labels: int64 (N,), the class of each image.
        size: Number of images to choose, below N.
        draws: Generator of the random choice.
        option: Command-line option of `size`, for the error message.
    Returns:
        Two ascending lists of indices, int64:
            the images that are not chosen, (N - size,)
            the chosen images, (size,)
    Raises:
        DataError: if `size` is N or more.
    """
    if size >= len(labels):
        raise DataError(f"{option} is {size}, but there are {len(labels)} images; choose a smaller number")
    # Largest-remainder method: each class gets its share rounded down. The missing images are taken one by
    # one from the classes with the largest remainders.
    shares = torch.bincount(labels) * size  # (classes,): images to hold out, times len(labels)
    take, remainder = shares // len(labels), shares % len(labels)
    missing = size - int(take.sum())
    take[remainder.argsort(descending=True, stable=True)[:missing]] += 1
    order = torch.randperm(len(labels), generator=draws)
    of_class = [order[labels[order] == c][:n] for c, n in enumerate(take.tolist())]
    return _kept_and_held_out(len(labels), torch.cat(of_class))


def _by_writer(writers: Tensor, size: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Choose writers at random, and take all their images.

    Args:
        writers: int64 (N,), the number of the writer of each image.
        size: Largest number of images to take.
        draws: Generator of the random choice.
    Returns:
        Two ascending lists of indices, int64:
            the images that are not taken
            the images that are taken
    Raises:
        DataError: if no writer or every writer is chosen.
    """
    names, group, counts = writers.unique(return_inverse=True, return_counts=True)
    chosen = torch.zeros(len(names), dtype=torch.bool)
    room = size
    # The writers are visited in random order. A writer is chosen if all its images still fit into `size`.
    for writer in torch.randperm(len(names), generator=draws).tolist():
        if counts[writer] <= room:
            chosen[writer] = True
            room -= int(counts[writer])
    if not chosen.any() or chosen.all():
        raise DataError(
            f"--val-size is {size}; it leaves no whole writer of {len(names)} for validation or none for "
            "training; choose another size"
        )
    return _kept_and_held_out(len(writers), chosen[group].nonzero().flatten())


def _kept_and_held_out(total: int, held_out: Tensor) -> tuple[Tensor, Tensor]:
    """Return the indices to keep and the indices to hold out, sorted.

    Args:
        total: Number of all images.
        held_out: Indices to hold out, in any order.
    """
    keep = torch.ones(total, dtype=torch.bool)
    keep[held_out] = False
    return keep.nonzero().flatten(), held_out.sort().values
