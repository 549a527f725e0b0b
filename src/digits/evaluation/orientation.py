"""Notice images that a network reads far better inverted or turned.

A bundled network reads some of the images as they are and in all other orientations, and their labels tell
how many it reads right. Images that are not digits are read badly in every orientation, so they get no note.
"""

import dataclasses
import functools

import torch
from torch import Tensor, nn

from digits.data.appearance import advice, all_changes, border_notes, change, change_collection, examined
from digits.data.collection import Collection
from digits.data.download import Progress
from digits.data.loading import read_data
from digits.evaluation.logits import compute_logits
from digits.mnist import DIGITS
from digits.networks.model_file import load
from digits.options import DataOptions, Dataset

READER = "mlp"  # bundled network that reads the images; the cnn needs 20 times as long
FEWEST, CLASSES_NEEDED = 20, 5  # with fewer images or classes, chance can look like reading
# The reader must be right in at least READS of the turned images, and in GAIN more than as they are.
# Measured: old scanned sets (USPS, semeion, optdigits) are read at 85 to 100 % upright, and at most at 52 %
# in another orientation; Fashion-MNIST at most at 20 % in any.
READS, GAIN = 0.6, 0.3
STEP = 5  # of the examined images, every fifth is turned in all ways, to save time


def load_checked(dataset: Dataset, options: DataOptions, progress: Progress | None = None) -> Collection:
    """Load a data set, and add a note if its images seem to be inverted or turned.

    Args:
        dataset: name of the data set.
        options: place of the data, and the changes to make to the images.
        progress: called during a download.

    Raises:
        DataError: see `digits.load_data`.
    """
    found = read_data(dataset, options.data, unverified=options.unverified, progress=progress)
    return with_appearance_note(change_collection(found, options.changes))


def with_appearance_note(collection: Collection) -> Collection:
    """Add a note to a data set if its images seem to be inverted or turned."""
    if collection.published:
        return collection
    notes = [turned_note(collection)] if collection.classes == DIGITS else []
    notes = [note for note in notes if note] or list(border_notes(collection))
    return dataclasses.replace(collection, notices=(*collection.notices, *notes))


def turned_note(collection: Collection) -> str:
    """Return a note if a bundled network reads the training images far better inverted or turned.

    Returns:
        The note; empty if it reads them well as they are, or badly in every way.
    """
    digits = examined(collection.train)
    if len(digits) < FEWEST or len(digits.labels.unique()) < CLASSES_NEEDED:
        return ""
    network = _reader()
    now = _mean_recall(network, digits.images, digits.labels)
    if now > 1 - GAIN:
        return ""
    few = digits.at(torch.arange(0, len(digits), STEP))
    best = max(all_changes(), key=lambda c: _mean_recall(network, change(few.images, c), few.labels))
    then = _mean_recall(network, change(digits.images, best), digits.labels)
    if then < READS or then < now + GAIN:
        return ""
    reason = f"a bundled network reads {then:.0%} of them right then, and {now:.0%} as they are"
    return advice(collection.changes, best, reason)


@functools.cache
def _reader() -> nn.Module:
    """Load the bundled network, once in a process."""
    return load(READER)


def _mean_recall(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the mean over all present classes of the share that a network reads right.

    A network that gives one answer for everything has a low mean, even if most images are of that class.
    """
    right = compute_logits(network, images).argmax(1) == labels
    return sum(right[labels == label].double().mean().item() for label in labels.unique()) / len(
        labels.unique()
    )
