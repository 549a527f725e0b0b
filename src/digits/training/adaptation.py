"""Hold the result of fine-tuning on custom digits, and save it."""

import collections
import dataclasses
import itertools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digits import files
from digits.errors import RunError
from digits.evaluation.comparison import Comparison
from digits.evaluation.metrics import Evaluation
from digits.networks import model_file
from digits.networks.bundled import REJECTION
from digits.networks.network import Network
from digits.training.adapt_options import AdaptOptions


@dataclass(frozen=True)
class Change:
    """The results of a network on the same images before and after fine-tuning."""

    before: Evaluation  # of the network before fine-tuning
    after: Evaluation  # of the network after fine-tuning
    compared: Comparison  # first: the network before; second: the network after

    def to_json(self) -> dict[str, Any]:
        """Return the results as a dictionary for `json.dumps`.

        Returns:
            "before" and "after": figures such as the accuracy.
            "gained": number of images that are correct only after fine-tuning.
            "lost": number of images that are correct only before fine-tuning.
            "p": p-value of McNemar's test: probability of such a difference by chance.
        """
        compared = {"gained": self.compared.second, "lost": self.compared.first, "p": self.compared.p_value}
        return {"before": self.before.to_json(), "after": self.after.to_json(), **compared}


@dataclass(frozen=True)
class Answers:
    """What `digits predict --single` answers to pictures."""

    right: tuple[bool, ...]  # for each picture: the digit was accepted, and it is the right one
    wrong: tuple[bool, ...]  # for each picture: a digit was accepted, but it is another one

    def to_json(self) -> dict[str, int]:
        """Return the numbers of pictures as a dictionary for `json.dumps`."""
        right, wrong, total = sum(self.right), sum(self.wrong), len(self.right)
        return {"right": right, "wrong": wrong, "refused": total - right - wrong, "total": total}


@dataclass(frozen=True)
class AnswerChange:
    """What `digits predict --single` answers to the same pictures before and after fine-tuning."""

    before: Answers
    after: Answers

    @property
    def compared(self) -> Comparison:
        """Numbers of pictures that are read right by both (first: before, second: after), one or none."""
        pairs = collections.Counter(zip(self.before.right, self.after.right, strict=True))
        return Comparison(*(pairs[first, second] for first in (True, False) for second in (True, False)))

    def to_json(self) -> dict[str, Any]:
        """Return the numbers of pictures as a dictionary for `json.dumps`; see `Change.to_json`."""
        compared = {"gained": self.compared.second, "lost": self.compared.first, "p": self.compared.p_value}
        return {"before": self.before.to_json(), "after": self.after.to_json(), **compared}


@dataclass(frozen=True)
class Adaptation:
    """A fine-tuned network, and its results before and after fine-tuning."""

    network: Network  # the new network, calibrated
    meta: dict[str, Any]  # meta data for its model file
    rejection: Network  # the new rejection network
    rejection_meta: dict[str, Any]  # meta data for its file
    labels: tuple[int, ...]  # digit of each picture in `answers`
    answers: AnswerChange  # to custom pictures that the tested networks were not trained on
    non_digits: AnswerChange  # to images of no digit; none of them is right
    custom: Change  # on the same custom pictures: the most probable digit, accepted or not
    folds: int  # number of networks that were tested on custom digits; 1 without cross-validation
    validation: Change  # on MNIST's validation images
    test: Change  # on MNIST's test images, which are used for nothing else
    origin: str  # where MNIST came from, for example "files in data/mnist"
    notices: tuple[str, ...]  # sentences that the user should know
    seconds: float  # time to fine-tune one network

    def to_json(self) -> dict[str, Any]:
        """Return all figures as a dictionary for `json.dumps`."""
        return {
            "answers": self.answers.to_json(),
            "non_digits": {
                "before": self.non_digits.before.to_json(),
                "after": self.non_digits.after.to_json(),
            },
            "custom": self.custom.to_json(),
            "validation": self.validation.to_json(),
            "test": self.test.to_json(),
            "folds": self.folds,
            "seconds": self.seconds,
            "data": self.origin,
            "notices": self.notices,
            **self.meta["adapted"],
        }


@dataclass(frozen=True)
class AdaptResult:
    """The results of `digits.adapt`, and the folder of the new network."""

    folder: Path  # holds the new networks, model.npz and rejection.npz, and adapt.json, all results
    answers: AnswerChange  # of `digits predict --single` to custom pictures that were not trained on
    custom: Change  # on the same pictures: the most probable digit, accepted or not
    validation: Change  # on MNIST's validation images
    test: Change  # on MNIST's test images
    notices: tuple[str, ...]  # sentences that the user should know
    skipped: tuple[str, ...]  # a sentence with the reason for each picture that could not be used


def check_place(options: AdaptOptions) -> None:
    """Check before the training that the new folder does not exist yet.

    Raises:
        RunError: if it exists.
    """
    if options.name is not None and os.path.lexists(options.out / options.name):
        raise RunError(f"{options.out / options.name} already exists; choose another --name")


def save_adaptation(adaptation: Adaptation, options: AdaptOptions) -> Path:
    """Save the fine-tuned networks and their results in a new folder.

    The files are model.npz, rejection.npz and adapt.json. The folder appears when all of them are written.

    Args:
        adaptation: the result of `adapt_network`.
        options: `out` and `name` give the folder. Without a name: adapt-1, adapt-2 and so on.

    Returns:
        The path of the new folder.

    Raises:
        RunError: if the folder already exists or cannot be written.
        CheckpointError: if a network cannot be written.
    """
    meta = adaptation.meta | {"val_accuracy": adaptation.validation.after.accuracy}
    figures = adaptation.to_json() | {"options": dataclasses.asdict(options)}
    text = json.dumps(figures, indent=2, allow_nan=False, default=str) + "\n"
    networks = {
        "model": (adaptation.network, meta),
        REJECTION: (adaptation.rejection, adaptation.rejection_meta),
    }

    def fill(folder: Path) -> None:
        for name, (network, about) in networks.items():
            model_file.save_model(folder / f"{name}.npz", network.state_dict(), about["architecture"], about)
        files.atomic_write(folder / "adapt.json", text.encode())

    check_place(options)
    names = (f"adapt-{number}" for number in itertools.count(1)) if options.name is None else [options.name]
    try:
        return files.create_folder(options.out, names, fill)
    except FileExistsError:
        raise RunError(f"{options.out / str(options.name)} already exists; choose another --name") from None
    except OSError as error:
        place = error.filename or options.out
        raise RunError(f"could not write {place}: {error.strerror or error}; choose another --out") from error
