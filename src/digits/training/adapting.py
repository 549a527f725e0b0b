"""Adapt a network to a user's own handwritten digits.

Custom digits are pictures of digits that the user provides. To fine-tune a network is to train it further.
`adapt` calls these functions in order:

    load_start          load the network
    load_custom_digits  load the custom digits
    adapt_network       fine-tune, test and calibrate the network
    save_adaptation     save the new network and the results
"""

import functools
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from digits.data import sketch, synthetic
from digits.data.collection import Collection
from digits.data.dataset import Digits, as_fractions
from digits.data.download import Progress
from digits.data.splits import Splits, join, split_again
from digits.errors import OptionError
from digits.evaluation import calibration, comparison, metrics
from digits.evaluation.held_out import load_as_trained, reason_to_doubt, seen_images
from digits.evaluation.logits import compute_logits
from digits.files import printable
from digits.mnist import DIGITS, SIDE
from digits.networks.bundled import model_path, rejection_path
from digits.networks.model_file import load_single, to_classifier, versions
from digits.networks.network import Network
from digits.networks.numpy_layers import Array
from digits.reading.acceptance import accepted_marks
from digits.reading.marks import Mark
from digits.reading.reader import Reader
from digits.seeds import generator
from digits.training import fine_tuning, rejection_tuning
from digits.training.adapt_options import AdaptOptions
from digits.training.adaptation import (
    Adaptation,
    AdaptResult,
    AnswerChange,
    Answers,
    Change,
    check_place,
    save_adaptation,
)
from digits.training.custom_digits import CustomDigits, load_custom_digits

FOLDS = 5  # number of parts for cross-validation; each part is held out once
MANY = 250  # custom digits; with this many, one fifth (50 or more) is enough to measure the accuracy


def adapt(
    folder: str | Path,
    model: str = AdaptOptions.model,
    *,
    data: str | Path | None = None,
    unverified: bool = False,
    invert: bool = False,
    transpose: bool = False,
    mirror: bool = False,
    flip: bool = False,
    seed: int = AdaptOptions.seed,
    out: str | Path = AdaptOptions.out,
    name: str | None = None,
) -> AdaptResult:
    """Fine-tune a network on custom digits, test it and save it.

    Args:
        folder: contains folders named 0 to 9 with pictures of one digit each.
        model: a run's folder, a model file or the name of a bundled network; not an ensemble.
        data, unverified, invert, transpose, mirror, flip: MNIST, see `digits.evaluate`.
        seed: random seed, 0 or more. The same seed gives the same network.
        out: folder in which the new network's folder is created.
        name: name of the new folder. Default: adapt-1, adapt-2 and so on.

    Returns:
        The results before and after fine-tuning, and the new folder. `digits.load` loads a network from it.

    Raises:
        DataError: if the pictures show fewer than two different digits, or MNIST cannot be loaded.
        OptionError: if the network was not trained on digits, or an argument is invalid.
        CheckpointError: if the model file cannot be read or holds an ensemble.
        RunError: if the new folder already exists or cannot be written.
        TrainingError: if the loss becomes infinite or not a number.
    """
    options = AdaptOptions(
        Path(folder),
        model,
        data=Path(data) if data else None,
        unverified=unverified,
        invert=invert,
        transpose=transpose,
        mirror=mirror,
        flip=flip,
        seed=seed,
        out=Path(out),
        name=name,
    )
    start, custom = load_start(model), load_custom_digits(options.folder)
    collection = load_old_images(options, start)
    found = adapt_network(options, start, custom, collection)
    saved_in = save_adaptation(found, options)
    return AdaptResult(
        saved_in, found.answers, found.custom, found.validation, found.test, found.notices, custom.skipped
    )


@dataclass(frozen=True)
class Start:
    """A network and its rejection network before fine-tuning, with their meta data."""

    network: Network
    meta: dict[str, Any]  # meta data of its model file, such as classes and training data
    rejection: Network
    rejection_meta: dict[str, Any]


def load_start(model: str) -> Start:
    """Load the network for fine-tuning.

    Args:
        model: a run's folder, a model file or the name of a bundled network.

    Returns:
        The network, the rejection network that belongs to it, and the meta data of their files.

    Raises:
        OptionError: if its classes are not the digits 0 to 9.
        CheckpointError: if the file cannot be read or holds an ensemble.
    """
    network, meta = load_single(model_path(model))
    if meta.get("classes", list(DIGITS)) != list(DIGITS):
        raise OptionError(f"{model} was not trained on digits; expected a network trained on MNIST")
    return Start(network, meta, *load_single(rejection_path(model)))


def load_old_images(options: AdaptOptions, start: Start, progress: Progress | None = None) -> Collection:
    """Load MNIST, or the data of the network's run, as its training did; see `load_as_trained`.

    Args:
        options: the network, place of the data, and changes to the images.
        start: the network.
        progress: called during a download.
    """
    return load_as_trained([(model_path(options.model), start.meta)], "mnist", options, progress)


def adapt_network(
    options: AdaptOptions,
    start: Start,
    custom: CustomDigits,
    collection: Collection,
    progress: Callable[[int, int], None] | None = None,
) -> Adaptation:
    """Fine-tune a network on custom digits, test it and calibrate it.

    The number of custom digits decides how they are used:

    - Fewer than MANY: cross-validation. The returned network is trained on all of them.
    - MANY or more: one fifth is for the test. The returned network is trained on the others.

    Args:
        options: the seed. `options.model` is only stored in the meta data.
        start: the network to start from; it is not changed.
        custom: the custom digits.
        collection: MNIST.
        progress: called after each training step of the network with two numbers: finished steps, all steps.
            The steps of the rejection network are not counted.

    Returns:
        The new network, and its results before and after fine-tuning.

    Raises:
        RunError: if the folder of `options` already exists.
        TrainingError: if the loss becomes infinite or not a number.
    """
    check_place(options)
    network, (splits, notices) = start.network, splits_as_trained(collection, start.meta)
    non_digits, other_non_digits = rejection_tuning.load_non_digits()
    parts = held_out_parts(custom.digits.labels, options.seed)
    rounds, done = len(parts) + (len(parts) > 1), count(1)

    def after_step() -> None:
        if progress:
            progress(next(done), fine_tuning.STEPS * rounds)

    def tune(digits: Digits, number: int) -> tuple[Network, Network]:
        how = digits, splits, options.seed, number
        return (
            fine_tuning.fine_tune(network, *how, after_step),
            rejection_tuning.fine_tune_rejection(start.rejection, non_digits, *how),
        )

    # Cross-validation: for each part, networks are trained on the other parts and tested on this part.
    # With a single part, the loop runs once, and its networks are those that are returned.
    tested = []
    for number, part in enumerate(parts):
        began = time.perf_counter()
        tested.append(tune(custom.digits.at(_all_but(part, len(custom.digits))), number))
        seconds = time.perf_counter() - began
    tuned, rejection = tested[-1]
    if len(parts) > 1:  # The returned networks are trained on all parts.
        tuned, rejection = tune(custom.digits, len(parts))
    held_out = custom.digits.at(torch.cat(parts))
    custom_logits = torch.cat(
        [compute_logits(net, custom.digits.at(part)) for (net, _), part in zip(tested, parts, strict=True)]
    )
    val_logits = compute_logits(tuned, splits.val)
    temperature = float(network.temperature)
    # Calibration needs images that the network was not trained on: it is too sure about training images.
    # A notice means that it may have been trained on validation images. Then the temperature is kept.
    if not notices:
        unseen = torch.cat([val_logits, custom_logits]), torch.cat([splits.val.labels, held_out.labels])
        temperature = calibration.fit_temperature(*unseen)
    for net in (tuned, *(net for net, _ in tested)):  # The logits above were computed before it was fitted.
        net.temperature.fill_(temperature)
    before = _reader(start, start.network, start.rejection)
    after = [_reader(start, *networks) for networks in tested]
    pictures = [(custom.seen[part.numpy()], custom.digits.labels[part].tolist()) for part in parts]
    strange = (
        as_fractions(other_non_digits.images).numpy(),
        [rejection_tuning.NO_DIGIT_LABEL] * len(other_non_digits),
    )
    adapted = {"versions": versions(), "adapted": _describe_digits(options, custom)}
    return Adaptation(
        tuned,
        start.meta | adapted | {"seen": _seen(start.meta, splits, custom, same_split=not notices)},
        rejection,
        start.rejection_meta | adapted,
        tuple(held_out.labels.tolist()),
        AnswerChange(
            _answers([(before, *picture) for picture in pictures]),
            _answers([(reader, *picture) for reader, picture in zip(after, pictures, strict=True)]),
        ),
        AnswerChange(
            _answers([(before, *strange)]), _answers([(_reader(start, tuned, rejection), *strange)])
        ),
        _compare(network, held_out, custom_logits / temperature),
        len(parts),
        _compare(network, splits.val, val_logits / temperature),
        _compare(network, splits.test, compute_logits(tuned, splits.test)),
        collection.origin,
        (*collection.notices, *notices),
        seconds,
    )


def _reader(start: Start, network: Network, rejection: Network) -> Reader:
    """Return the reader of `digits predict` with these networks, which have the meta data of `start`."""
    return Reader(to_classifier(network, start.meta), to_classifier(rejection, start.rejection_meta))


def _answers(parts: Iterable[tuple[Reader, Array, list[int]]]) -> Answers:
    """Let readers read images, and compare their answers with the labels.

    Args:
        parts: a reader, the images float32 (N, 28, 28) for it, and their labels.
    """
    right, wrong = [], []
    for reader, images, labels in parts:
        probabilities = reader.probabilities(images)
        accepted = [  # each image is a picture of its own
            accepted_marks(
                [Mark(image, (0, 0, SIDE, SIDE), blank=not image.any())], p[None], reader.threshold
            )[0]
            for image, p in zip(images, probabilities, strict=True)
        ]
        for label, guess, taken in zip(labels, probabilities.argmax(1).tolist(), accepted, strict=True):
            right.append(taken and guess == label)
            wrong.append(taken and guess != label)
    return Answers(tuple(right), tuple(wrong))


def held_out_parts(labels: Tensor, seed: int) -> list[Tensor]:
    """Choose custom digits at random for testing.

    All parts contain about the same number of each digit.

    Args:
        labels: int64 (N,).
        seed: the same seed gives the same parts.

    Returns:
        One int64 tensor of indices into `labels` for each part:
        - N below MANY: FOLDS parts (N parts if N is smaller); together they hold each index once.
        - Otherwise: one part with a fifth of the indices.
    """
    order = torch.randperm(len(labels), generator=generator(seed, "held back"))
    # Sorted by label, so that taking every fifth index gives each part the same share of each digit.
    order = order[labels[order].argsort(stable=True)]
    folds = min(FOLDS, len(labels))
    parts = [order[part::folds].sort().values for part in range(folds)]
    return parts if len(labels) < MANY else parts[:1]


def splits_as_trained(collection: Collection, meta: dict[str, Any]) -> tuple[Splits, list[str]]:
    """Split MNIST in the same way as for the network's training.

    If synthetic digits were in that training, they are added in the same proportion.

    Args:
        collection: MNIST.
        meta: meta data of the network's model file.

    Returns:
        splits: training, validation and test images.
        notices: a sentence if the network may have been trained on these validation or test images.
    """
    data = meta.get("data")
    data = data if isinstance(data, dict) else {}
    made = data.get("synthetic_images", data.get("drawn_images"))  # The bundled files use the second name.
    splits = split_again(collection, data)
    parts = ["validation"] if splits.val.sha256() != data.get("val_sha256") else []
    if splits.test.sha256() != data.get("test_sha256") and reason_to_doubt(collection, splits.test, meta):
        parts.append("test")
    notices = []
    if parts:
        notices.append(
            f"The network may have been trained on some of these {' and '.join(parts)} images: "
            "its figures before fine-tuning are optimistic."
        )
    if isinstance(made, int) and made > 0:
        share = made * len(splits.train) // max(data.get("train_images") or 1, 1)
        seed = data.get("split_seed")
        replayed = min(share, fine_tuning.STEPS * fine_tuning.BATCH)  # Fine-tuning cannot use more images.
        splits = join(splits, *synthetic.synthetic_digits(replayed, seed if isinstance(seed, int) else 0))
    return splits, notices


def _all_but(part: Tensor, total: int) -> Tensor:
    """Return all indices from 0 to total - 1 except those in `part`, int64 ascending."""
    kept = torch.ones(total, dtype=torch.bool)
    kept[part] = False
    return kept.nonzero().flatten()


def _compare(network: Network, digits: Digits, after: Tensor) -> Change:
    """Compare the results of a network before and after fine-tuning.

    Args:
        network: the network before fine-tuning.
        digits: N images and labels.
        after: logits (N, classes) of the fine-tuned network for these images.
    """
    before = compute_logits(network, digits)
    return Change(
        metrics.evaluate_logits(before, digits.labels),
        metrics.evaluate_logits(after, digits.labels),
        comparison.compare_logits(before, after, digits.labels),
    )


def _seen(meta: dict[str, Any], splits: Splits, custom: CustomDigits, same_split: bool) -> str | None:
    """Describe the images that a network has seen before and during its fine-tuning.

    Args:
        meta: meta data of the network before fine-tuning.
        splits: MNIST.
        custom: the custom digits.
        same_split: True if `splits` are those of the network's first training.

    Returns:
        A sketch as text; None if its first training is unknown.
    """
    before, now = sketch.from_text(meta.get("seen")), sketch.from_text(seen_images(splits))
    if before is None and not same_split:
        return None
    parts = (part for part in (before, now, sketch.sketch(custom.digits.images)) if part is not None)
    return sketch.to_text(functools.reduce(sketch.merge, parts))


def _describe_digits(options: AdaptOptions, custom: CustomDigits) -> dict[str, Any]:
    """Describe the custom digits for the new model file."""
    counts = torch.bincount(custom.digits.labels, minlength=len(DIGITS)).tolist()
    return {
        "model": printable(str(options.model)),
        "images": len(custom.digits),
        "per_digit": counts,
        "custom_sha256": custom.digits.sha256(),
        "seed": options.seed,
    }
