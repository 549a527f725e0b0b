"""Train a network further on custom digits, and measure what it gained and what it forgot.

    adapt           does everything and saves the network: all of `digits adapt`
    adapt_network   trains and measures only

Fine-tuning on a few custom digits alone would make the network forget: shown nothing but three unusual
sevens, it soon calls every 1 a 7. `fine_tuning.fine_tune` says how this is avoided.
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
from digits.training.adaptation import Adaptation, AdaptResult, Change, save_adaptation
from digits.training.custom_digits import CustomDigits, load_custom_digits
from digits.training.options import AdaptOptions

FOLDS = 5  # parts for cross-validation: each custom digit is held out once
MANY = 250  # pictures; from here on one fifth, 50 pictures or more, is enough to measure the accuracy


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
    """Train a saved network further on custom digits as `digits adapt` does, and save the new network.

    Args:
        folder: has a folder for each digit, named 0 to 9, with pictures of one digit each inside.
        model: a run's folder, a model file or the name of a bundled network; no ensemble.
        data: folder or file with MNIST, which is trained on as well. Default: as for `digits.load_data`.
        unverified: accept MNIST files of the published sizes with other content.
        seed: decides which digits are held out, repeated and distorted.
        out, name: the network is saved in out/name. Default name: adapt-1, adapt-2 ...

    Returns an AdaptResult with the figures before and after, and the folder, which `digits.load` and
    `digits.Reader.load` take. Raises DataError for fewer than two different digits, OptionError for a network
    that was not trained on MNIST, CheckpointError for an unusable model file, RunError if `name` is taken.
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
    """The network to begin with, and the meta data of its file."""

    network: Network
    meta: dict[str, Any]


def load_start(model: str) -> Start:
    """Load the network of a bundled name, a run's folder or a model file.

    Raises OptionError if its classes are not the ten digits, and CheckpointError for an ensemble or a file
    that cannot be read.
    """
    network, meta = load_single(model_path(model))
    if meta.get("classes", list(DIGITS)) != list(DIGITS):
        raise OptionError(f"{model} does not know the digits; expected a network trained on MNIST")
    return Start(network, meta)


def adapt_network(
    options: AdaptOptions,
    start: Start,
    custom: CustomDigits,
    collection: Collection,
    progress: Callable[[int, int], None] | None = None,
) -> Adaptation:
    """Fine-tune the network on custom digits, measure it before and after, and calibrate it.

    Fewer than MANY custom digits are cross-validated: one network for each of FOLDS parts is trained without
    that part and tested on it, and the network that is kept is trained on all of them. Of MANY or more, a
    fifth is held out and never trained on. MNIST's test images decide nothing. After every step `progress`
    gets the number of finished steps and of all steps.
    """
    network, (splits, notices) = start.network, splits_as_trained(collection, start.meta)
    parts = held_out_parts(custom.digits.labels, options.seed)
    rounds, done = len(parts) + (len(parts) > 1), count(1)

    def tune(digits: Digits, number: int) -> Network:
        def after_step() -> None:
            if progress:
                progress(next(done), fine_tuning.STEPS * rounds)

        return fine_tuning.fine_tune(network, digits, splits, options.seed, number, after_step)

    part_logits = []  # of each part, from the network that was trained without it
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
    if not notices:  # On images that it was trained on, a network is too confident to be calibrated.
        unseen = torch.cat([val_logits, custom_logits]), torch.cat([splits.val.labels, held_out.labels])
        tuned.temperature.fill_(calibration.fit_temperature(*unseen))
    temperature = float(tuned.temperature)  # The logits above are from before it was known.
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
    """Return the indices of the custom digits that are held out, one int64 tensor a part.

    There are FOLDS parts that make up the whole, or for MANY labels or more only the first of them. `labels`
    is (N,); every digit is spread evenly over the parts. The same seed gives the same parts.
    """
    order = torch.randperm(len(labels), generator=generator(seed, "held back"))
    order = order[labels[order].argsort(stable=True)]
    folds = min(FOLDS, len(labels))
    parts = [order[part::folds].sort().values for part in range(folds)]
    return parts if len(labels) < MANY else parts[:1]


def splits_as_trained(collection: Collection, meta: dict[str, Any]) -> tuple[Splits, list[str]]:
    """Split MNIST as when the network was trained, and return the splits and notices.

    `meta` is that of the network's file. If the same split is not possible, a notice says that validation
    figures are optimistic. A network that was trained on synthetic digits gets the same share of them again.
    """
    data = meta.get("data")
    data = data if isinstance(data, dict) else {}
    size, seed = (data.get(name) for name in ("val_images", "split_seed"))
    made = data.get("synthetic_images", data.get("drawn_images"))  # the bundled files have the second name
    size = size if isinstance(size, int) and 0 < size <= len(collection.train) // 2 else None
    seed = seed if isinstance(seed, int) else 0
    splits = split(collection, val_size=size, seed=seed)
    notices = []
    if splits.val.sha256() != data.get("val_sha256"):
        notices.append(
            "The network may have been trained on some of these validation images: "
            "its figures before are optimistic."
        )
    if isinstance(made, int) and made > 0:
        share = made * len(splits.train) // max(data.get("train_images") or 1, 1)
        replayed = min(share, fine_tuning.STEPS * fine_tuning.BATCH)
        splits = join(splits, *synthetic.synthetic_digits(replayed, seed))
    return splits, notices


def _all_but(part: Tensor, total: int) -> Tensor:
    """Return the indices from 0 to total - 1 that are not in `part`."""
    kept = torch.ones(total, dtype=torch.bool)
    kept[part] = False
    return kept.nonzero().flatten()


def _change(network: Network, digits: Digits, after: Tensor) -> Change:
    """Return the figures of `network` on these digits, those of the logits `after`, and their comparison."""
    before = compute_logits(network, digits)
    return Change(
        metrics.evaluate_logits(before, digits.labels),
        metrics.evaluate_logits(after, digits.labels),
        comparison.compare_logits(before, after, digits.labels),
    )


def _describe(options: AdaptOptions, custom: CustomDigits) -> dict[str, Any]:
    """Return what the new model file says about the custom digits that it was trained on."""
    counts = torch.bincount(custom.digits.labels, minlength=len(DIGITS)).tolist()
    return {
        "model": options.model,
        "images": len(custom.digits),
        "per_digit": counts,
        "custom_sha256": custom.digits.sha256(),
        "seed": options.seed,
    }
