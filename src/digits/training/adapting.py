"""Adapt a network to custom digits: train it further, and measure what it learned and what it forgot.

`adapt` does everything that `digits adapt` does, and saves the new network. It calls:

    load_start          load the network
    load_custom_digits  load the custom digits (custom_digits.py)
    adapt_network       fine-tune, test and calibrate; nothing is saved
    save_adaptation     save the new network and the results (adaptation.py)
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from digits.data import loading, synthetic
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.splits import Splits, join, split
from digits.errors import OptionError
from digits.evaluation import calibration, comparison, metrics
from digits.evaluation.logits import compute_logits
from digits.mnist import DIGITS
from digits.networks.bundled import model_path
from digits.networks.model_file import load_single, versions
from digits.networks.network import Network
from digits.seeds import generator
from digits.training import fine_tuning
from digits.training.adapt_options import AdaptOptions
from digits.training.adaptation import Adaptation, AdaptResult, Change, save_adaptation
from digits.training.custom_digits import CustomDigits, load_custom_digits

FOLDS = 5  # number of parts for cross-validation; each part is held out once
MANY = 250  # custom digits; with this many, one fifth (50 or more) is enough to measure the accuracy


def adapt(
    folder: str | Path,
    model: str = AdaptOptions.model,
    *,
    data: str | Path | None = None,
    unverified: bool = False,
    seed: int = AdaptOptions.seed,
    out: str | Path = AdaptOptions.out,
    name: str | None = None,
) -> AdaptResult:
    """Train a network further on custom digits, test it, and save it, as `digits adapt` does.

    Args:
        folder: holds a folder for each digit, named 0 to 9, with pictures that show one digit each.
        model: the network to start from: a run's folder, a model file or the name of a bundled network. It
            must not be an ensemble.
        data: folder or file with MNIST, part of which is used for training too. Default: as for
            `digits.load_data`.
        unverified: accept MNIST files of the published size even if their checksum differs.
        seed: random seed, 0 or more. The same seed gives the same network.
        out: folder in which the new network's folder is created.
        name: name of that folder. Default: adapt-1, adapt-2 and so on.

    Returns:
        The results before and after, and the folder. Pass the folder to `digits.load` or
        `digits.Reader.load` to use the new network.

    Raises:
        DataError: if there are no usable pictures of at least two digits, or MNIST cannot be loaded.
        OptionError: if the network was not trained on digits, or an argument is invalid.
        CheckpointError: if the model file cannot be read or holds an ensemble.
        RunError: if the new folder already exists or cannot be written.
        TrainingError: if the loss becomes infinite or not a number.
    """
    options = AdaptOptions(
        Path(folder), model, Path(data) if data else None, unverified, seed=seed, out=Path(out), name=name
    )
    start, custom = load_start(model), load_custom_digits(Path(folder))
    collection = loading.load("mnist", options.data, unverified=unverified)
    found = adapt_network(options, start, custom, collection)
    saved_in = save_adaptation(found, options)
    return AdaptResult(saved_in, found.custom, found.validation, found.test, found.notices, custom.skipped)


@dataclass(frozen=True)
class Start:
    """The network before fine-tuning."""

    network: Network
    meta: dict[str, Any]  # meta data of its model file, such as classes and training data


def load_start(model: str) -> Start:
    """Load the network to start from, and check that it classifies digits.

    Args:
        model: a run's folder, a model file or the name of a bundled network.

    Raises:
        OptionError: if its classes are not the digits 0 to 9.
        CheckpointError: if the file cannot be read or holds an ensemble.
    """
    network, meta = load_single(model_path(model))
    if meta.get("classes", list(DIGITS)) != list(DIGITS):
        raise OptionError(f"{model} was not trained on digits; expected a network trained on MNIST")
    return Start(network, meta)


def adapt_network(
    options: AdaptOptions,
    start: Start,
    custom: CustomDigits,
    collection: Collection,
    progress: Callable[[int, int], None] | None = None,
) -> Adaptation:
    """Fine-tune a network on custom digits, test it before and after, and calibrate it.

    The network is tested on custom digits that it was not trained on:

    - With fewer than MANY custom digits, it is cross-validated. The custom digits are divided into FOLDS
      parts. For each part, a network is trained without it and tested on it. The network that is returned
      is trained on all custom digits.
    - With MANY or more, a fifth of the custom digits is held out. One network is trained on the others,
      tested on that fifth and returned.

    MNIST's test images are used for the final test only.

    Args:
        options: the seed; its `model` is only stored in the meta data.
        start: the network to start from; it is not changed.
        custom: the custom digits.
        collection: MNIST.
        progress: called after every training step with two numbers: finished steps, and all steps.

    Returns:
        The new network, and its results before and after on custom digits and on MNIST.

    Raises:
        TrainingError: if the loss becomes infinite or not a number.
    """
    network, (splits, notices) = start.network, splits_as_trained(collection, start.meta)
    parts = held_out_parts(custom.digits.labels, options.seed)
    rounds, done = len(parts) + (len(parts) > 1), count(1)

    def tune(digits: Digits, number: int) -> Network:
        def after_step() -> None:
            if progress:
                progress(next(done), fine_tuning.STEPS * rounds)

        return fine_tuning.fine_tune(network, digits, splits, options.seed, number, after_step)

    part_logits = []  # for each part, the logits of the network that was trained without it
    for number, part in enumerate(parts):
        began = time.perf_counter()
        tuned = tune(custom.digits.at(_all_but(part, len(custom.digits))), number)
        seconds = time.perf_counter() - began
        part_logits.append(compute_logits(tuned, custom.digits.at(part)))
    if len(parts) > 1:
        tuned = tune(custom.digits, len(parts))
    held_out, custom_logits = custom.digits.at(torch.cat(parts)), torch.cat(part_logits)
    val_logits = compute_logits(tuned, splits.val)
    tuned.temperature.copy_(network.temperature)
    # Calibration needs images that the network was not trained on, because on training images it is too
    # confident. If there is a notice, it may have been trained on the validation images. Then the temperature
    # stays as it was.
    if not notices:
        unseen = torch.cat([val_logits, custom_logits]), torch.cat([splits.val.labels, held_out.labels])
        tuned.temperature.fill_(calibration.fit_temperature(*unseen))
    temperature = float(tuned.temperature)  # The logits above were computed before it was fitted.
    return Adaptation(
        tuned,
        start.meta | {"versions": versions(), "adapted": _describe(options, custom)},
        _change(network, held_out, custom_logits / temperature),
        len(parts),
        _change(network, splits.val, val_logits / temperature),
        _change(network, splits.test, compute_logits(tuned, splits.test)),
        collection.origin,
        (*collection.notices, *notices),
        seconds,
    )


def held_out_parts(labels: Tensor, seed: int) -> list[Tensor]:
    """Choose at random which custom digits are held out, with each digit spread evenly over the parts.

    Args:
        labels: int64 (N,).
        seed: the same seed gives the same parts.

    Returns:
        Int64 tensors with indices into `labels`. With N below MANY, there are FOLDS parts (N parts if N is
        smaller) that hold every index once. Otherwise there is one part with a fifth of the indices.
    """
    order = torch.randperm(len(labels), generator=generator(seed, "held back"))
    order = order[labels[order].argsort(stable=True)]
    folds = min(FOLDS, len(labels))
    parts = [order[part::folds].sort().values for part in range(folds)]
    return parts if len(labels) < MANY else parts[:1]


def splits_as_trained(collection: Collection, meta: dict[str, Any]) -> tuple[Splits, list[str]]:
    """Split MNIST in the same way as for the training of the network.

    If the network was trained on synthetic digits too, such digits are added to the training images, in the
    same proportion as then.

    Args:
        collection: MNIST.
        meta: meta data of the network's model file.

    Returns:
        splits: training, validation and test images.
        notices: empty, or a sentence if the validation images are not the same as in the network's
            training. Then the validation figures may be optimistic.
    """
    data = meta.get("data")
    data = data if isinstance(data, dict) else {}
    size, seed = (data.get(name) for name in ("val_images", "split_seed"))
    made = data.get("synthetic_images", data.get("drawn_images"))  # The bundled files use the second name.
    size = size if isinstance(size, int) and 0 < size <= len(collection.train) // 2 else None
    seed = seed if isinstance(seed, int) else 0
    splits = split(collection, val_size=size, seed=seed)
    notices = []
    if splits.val.sha256() != data.get("val_sha256"):
        notices.append(
            "The network may have been trained on some of these validation images: "
            "its figures before fine-tuning are optimistic."
        )
    if isinstance(made, int) and made > 0:
        share = made * len(splits.train) // max(data.get("train_images") or 1, 1)
        replayed = min(share, fine_tuning.STEPS * fine_tuning.BATCH)
        splits = join(splits, *synthetic.synthetic_digits(replayed, seed))
    return splits, notices


def _all_but(part: Tensor, total: int) -> Tensor:
    """Return the indices from 0 to total - 1 that are not in `part`, as int64 in ascending order."""
    kept = torch.ones(total, dtype=torch.bool)
    kept[part] = False
    return kept.nonzero().flatten()


def _change(network: Network, digits: Digits, after: Tensor) -> Change:
    """Compare the network before fine-tuning with the network after it, on the same images.

    Args:
        network: the network before fine-tuning.
        digits: N images and labels.
        after: logits (N, classes) of the network after fine-tuning, for the same images.
    """
    before = compute_logits(network, digits)
    return Change(
        metrics.evaluate_logits(before, digits.labels),
        metrics.evaluate_logits(after, digits.labels),
        comparison.compare_logits(before, after, digits.labels),
    )


def _describe(options: AdaptOptions, custom: CustomDigits) -> dict[str, Any]:
    """Return the description of the custom digits for the meta data of the new model file."""
    counts = torch.bincount(custom.digits.labels, minlength=len(DIGITS)).tolist()
    return {
        "model": options.model,
        "images": len(custom.digits),
        "per_digit": counts,
        "custom_sha256": custom.digits.sha256(),
        "seed": options.seed,
    }
