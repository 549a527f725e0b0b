"""Your own digits: teach them to a trained network, and see what it gained and what it forgot.

    own = load_own(Path("my_digits"))                 # my_digits/7/photo.jpg is a 7
    found = adapt(options, load_start("cnn"), own, data.load())  # measured on some of yours, held back
    folder = save(found, options)                     # runs/adapt-1, for digits predict --model runs/adapt-1

Fine-tuning alone would forget: a network shown nothing but three odd sevens soon calls every 1 a 7. So three
quarters of every batch are images that it has learned before, and the weights end halfway between those
before and after, which keeps what both know (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR
2022).
"""

import copy
import dataclasses
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from digits import files
from digits.data import loading, synthetic
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.splits import Splits, join, split
from digits.errors import OptionError, RunError
from digits.evaluation import calibration, comparison, logits, metrics
from digits.evaluation.comparison import Comparison
from digits.evaluation.metrics import Evaluation
from digits.mnist import DIGITS
from digits.networks import model_file
from digits.networks.bundled import model_path
from digits.networks.cnn import CNN
from digits.networks.model_file import load_single, versions
from digits.networks.network import Network
from digits.options import Augmentation, TrainOptions
from digits.seeds import generator
from digits.training.custom_digits import CustomDigits, load_custom_digits
from digits.training.loop import train
from digits.training.options import AdaptOptions
from digits.training.run_folder import next_name
from digits.training.state import State

FOLDS = 5  # a fifth is held back at a time
MANY = 250  # pictures, from which on holding back one fifth says enough: 50 or more
STEPS, BATCH = 60, 64
SHARE = 0.25  # of a batch: yours
HALFWAY = 0.5  # between the weights before and after
RATE = 0.02  # docs/log.md: what else was tried
AUGMENTATION = Augmentation(rotation=10, scaling=0.1, shear=5, translation=1)


@dataclass(frozen=True)
class Change:
    """The same images read before and after."""

    before: Evaluation
    after: Evaluation
    compared: Comparison

    def to_json(self) -> dict[str, Any]:
        """As `json.dumps` takes it."""
        compared = {"gained": self.compared.second, "lost": self.compared.first, "p": self.compared.p_value}
        return {"before": self.before.to_json(), "after": self.after.to_json(), **compared}


@dataclass(frozen=True)
class Adaptation:
    """A network that learned somebody's digits, and how well it reads now."""

    network: Network
    meta: dict[str, Any]
    own: Change  # on digits of yours that the network that was asked had not learned from
    folds: int  # how many networks were asked: 1, or one for each part that was held back in turn
    val: Change  # MNIST's validation images
    test: Change  # MNIST's test images, read once, at the end
    origin: str  # of MNIST's images
    notices: tuple[str, ...]
    seconds: float  # of fine-tuning, once

    def to_json(self) -> dict[str, Any]:
        """The figures as `json.dumps` takes them."""
        changes = {"own": self.own.to_json(), "validation": self.val.to_json(), "test": self.test.to_json()}
        about = {"folds": self.folds, "seconds": self.seconds, "data": self.origin, "notices": self.notices}
        return {**changes, **about, **self.meta["adapted"]}


@dataclass(frozen=True)
class Start:
    """The network to begin with, and what its file says of it."""

    network: Network
    meta: dict[str, Any]


def adapt(
    folder: str | Path,
    model: str = AdaptOptions.model,
    *,
    data: str | Path | None = None,
    unverified: bool = False,
    seed: int = AdaptOptions.seed,
    out: str | Path = AdaptOptions.out,
    name: str | None = None,
) -> Path:
    """Do all that `digits adapt` does, without printing; returns the new run's folder.

    `folder` has one folder per digit with pictures inside. The figures are in adapt.json, the network loads
    with `digits.load` and `digits.Reader.load`. Raises DataError where there is too little to learn from.
    """
    options = AdaptOptions(
        Path(folder), model, Path(data) if data else None, unverified, seed=seed, out=Path(out), name=name
    )
    start, custom = load_start(model), load_custom_digits(Path(folder))
    collection = loading.load("mnist", options.data, unverified=unverified)
    return save(adapt_network(options, start, custom, collection), options)


def load_start(model: str) -> Start:
    """A bundled network, a run's or a file's. Raises CheckpointError; OptionError if it knows no digits."""
    network, meta = load_single(model_path(model))
    if meta.get("classes", list(DIGITS)) != list(DIGITS):
        raise OptionError(f"{model} does not know the digits; expected a network trained on MNIST")
    return Start(network, meta)


def adapt_network(
    options: AdaptOptions,
    start: Start,
    own: CustomDigits,
    collection: Collection,
    progress: Callable[[int, int], None] | None = None,
) -> Adaptation:
    """Fine-tune, measure, calibrate; `progress` is told after every step how many of how many are done.

    Few digits are held back in turn, a network for each part, and the network that is kept learns from all of
    them; of many a fifth is held back. MNIST's test images choose nothing.
    """
    network, (splits, notices) = start.network, splits_as_trained(collection, start.meta)
    parts = held_back(own.digits.labels, options.seed)
    rounds, done = len(parts) + (len(parts) > 1), count(1)

    def learn(digits: Digits, number: int) -> Network:
        def after_step() -> None:
            if progress:
                progress(next(done), STEPS * rounds)

        return fine_tune(network, digits, splits, options.seed, number, after_step)

    answers = []
    for number, part in enumerate(parts):
        began = time.perf_counter()
        tuned = learn(own.digits.at(_others(len(own.digits), part)), number)
        seconds = time.perf_counter() - began
        answers.append(logits.compute_logits(tuned, own.digits.at(part)))
    if len(parts) > 1:
        tuned = learn(own.digits, len(parts))
    asked, after = own.digits.at(torch.cat(parts)), torch.cat(answers)
    val_logits = logits.compute_logits(tuned, splits.val)
    tuned.temperature.copy_(network.temperature)
    if not notices:  # of images that it has learned from a network is too sure
        unseen = torch.cat([val_logits, after]), torch.cat([splits.val.labels, asked.labels])
        tuned.temperature.fill_(calibration.fit_temperature(*unseen))
    heat = float(tuned.temperature)  # what was asked before it was known answers as the network that is kept
    return Adaptation(
        tuned,
        start.meta | {"versions": versions(), "adapted": _about(options, own)},
        _change(network, asked, after / heat),
        len(parts),
        _change(network, splits.val, val_logits / heat),
        _change(network, splits.test, logits.compute_logits(tuned, splits.test)),
        collection.origin,
        (*collection.notices, *notices),
        seconds,
    )


def fine_tune(
    network: Network,
    own: Digits,
    splits: Splits,
    seed: int,
    number: int,
    after_step: Callable[[], None] | None = None,
) -> Network:
    """A copy of the network that has learned `own`, repeating what it knew from the training images."""
    mine = round(SHARE * STEPS * BATCH)
    draws = generator(seed, "replay", number)
    replay = splits.train.at(torch.randperm(len(splits.train), generator=draws)[: STEPS * BATCH - mine])
    again = torch.randperm(len(own), generator=draws)[torch.arange(mine) % len(own)]
    mixed = Digits(
        torch.cat([replay.images, own.images[again]]), torch.cat([replay.labels, own.labels[again]])
    )
    tuned = copy.deepcopy(network)
    tuned.temperature.fill_(1)
    recipe = TrainOptions(
        model="cnn" if isinstance(network, CNN) else "mlp",
        epochs=1,
        batch_size=BATCH,
        lr=RATE,
        momentum=0.9,
        schedule="one-cycle",
        augmentation=AUGMENTATION,
        seed=seed,
        device="cpu",
    )
    state = State(recipe, tuned)
    for _ in train(recipe, mixed, own, state=state, after_step=lambda _: after_step and after_step()):
        pass
    return _between(network, state.network).eval()


def _between(first: Network, second: Network) -> Network:
    """The second network with its weights moved towards the first one's."""
    before = first.state_dict()
    with torch.no_grad():
        for name, tensor in second.state_dict().items():
            if tensor.is_floating_point() and name != "temperature":
                tensor.lerp_(before[name], 1 - HALFWAY)
    return second


def held_back(labels: Tensor, seed: int) -> list[Tensor]:
    """Indices of what is held back, part by part, each digit spread evenly: all of few, a fifth of many."""
    order = torch.randperm(len(labels), generator=generator(seed, "held back"))
    order = order[labels[order].argsort(stable=True)]
    count = min(FOLDS, len(labels))
    parts = [order[part::count].sort().values for part in range(count)]
    return parts if len(labels) < MANY else parts[:1]


def splits_as_trained(collection: Collection, meta: dict[str, Any]) -> tuple[Splits, list[str]]:
    """MNIST's images, split as when the network was trained, with as many drawn ones among them as then."""
    about = meta.get("data")
    about = about if isinstance(about, dict) else {}
    size, seed = (about.get(name) for name in ("val_images", "split_seed"))
    drawn = about.get("synthetic_images", about.get("drawn_images"))  # as the bundled networks call it
    size = size if isinstance(size, int) and 0 < size <= len(collection.train) // 2 else None
    seed = seed if isinstance(seed, int) else 0
    splits = split(collection, val_size=size, seed=seed)
    notices = []
    if splits.val.sha256() != about.get("val_sha256"):
        notices.append(
            "The network may have learned from some of these validation images: before, they flatter it."
        )
    if isinstance(drawn, int) and drawn > 0:
        replayed = min(drawn * len(splits.train) // max(about.get("train_images") or 1, 1), STEPS * BATCH)
        splits = join(splits, *synthetic.synthetic_digits(replayed, seed))
    return splits, notices


def _others(count: int, part: Tensor) -> Tensor:
    kept = torch.ones(count, dtype=torch.bool)
    kept[part] = False
    return kept.nonzero().flatten()


def _change(network: Network, digits: Digits, after: Tensor) -> Change:
    """What the network says of these digits, and the answers of the one that learned."""
    before = logits.compute_logits(network, digits)
    return Change(
        metrics.evaluate_logits(before, digits.labels),
        metrics.evaluate_logits(after, digits.labels),
        comparison.compare_logits(before, after, digits.labels),
    )


def _about(options: AdaptOptions, own: CustomDigits) -> dict[str, Any]:
    counts = torch.bincount(own.digits.labels, minlength=len(DIGITS)).tolist()
    return {
        "model": options.model,
        "images": len(own.digits),
        "per_digit": counts,
        "own_sha256": own.digits.sha256(),
        "seed": options.seed,
    }


def save(adaptation: Adaptation, options: AdaptOptions) -> Path:
    """Write model.npz and adapt.json into a new folder of its own, both or neither, and return it."""
    if options.name is None:
        folder = options.out / next_name(options.out, "adapt")
    else:
        folder = options.out / options.name
        _make(folder)
    meta = adaptation.meta | {"val_accuracy": adaptation.val.after.accuracy}
    figures = adaptation.to_json() | {"options": _plain(options)}
    paths = folder / "model.npz", folder / "adapt.json"
    try:
        model_file.save_model(paths[0], adaptation.network.state_dict(), meta["architecture"], meta)
        files.atomic_write(paths[1], (json.dumps(figures, indent=2, allow_nan=False) + "\n").encode())
    except BaseException as error:
        for path in paths:
            path.unlink(missing_ok=True)
        folder.rmdir()
        if isinstance(error, OSError):
            raise RunError(f"could not write {paths[1]}: {error.strerror}; choose another --out") from error
        raise
    return folder


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise RunError(f"{folder} is there already; choose another --name") from None
    except OSError as error:
        raise RunError(f"could not make {folder}: {error.strerror or error}; choose another --out") from error


def _plain(options: AdaptOptions) -> dict[str, Any]:
    return {name: str(v) if isinstance(v, Path) else v for name, v in dataclasses.asdict(options).items()}
