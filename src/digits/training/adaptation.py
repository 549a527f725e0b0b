"""Hold the result of fine-tuning on custom digits, and save it."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digits import files
from digits.errors import RunError
from digits.evaluation.comparison import Comparison
from digits.evaluation.metrics import Evaluation
from digits.networks import model_file
from digits.networks.network import Network
from digits.training.adapt_options import AdaptOptions
from digits.training.run_folder import next_name


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
class Adaptation:
    """A fine-tuned network, and its results before and after fine-tuning."""

    network: Network  # the new network, calibrated
    meta: dict[str, Any]  # meta data for its model file
    custom: Change  # on custom digits that the tested networks were not trained on
    folds: int  # number of networks that were tested on custom digits; 1 without cross-validation
    validation: Change  # on MNIST's validation images
    test: Change  # on MNIST's test images, which are used for nothing else
    origin: str  # where MNIST came from, for example "files in data/mnist"
    notices: tuple[str, ...]  # sentences that the user should know
    seconds: float  # time to fine-tune one network

    def to_json(self) -> dict[str, Any]:
        """Return all figures as a dictionary for `json.dumps`."""
        return {
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

    folder: Path  # holds model.npz, the new network, and adapt.json, all results
    custom: Change  # on custom digits that the tested networks were not trained on
    validation: Change  # on MNIST's validation images
    test: Change  # on MNIST's test images
    notices: tuple[str, ...]  # sentences that the user should know
    skipped: tuple[str, ...]  # a sentence with the reason for each picture that could not be used


def save_adaptation(adaptation: Adaptation, options: AdaptOptions) -> Path:
    """Save a fine-tuned network and its results in a new folder.

    The files are model.npz and adapt.json. If writing fails, the folder is removed.

    Args:
        adaptation: the result of `adapt_network`.
        options: `out` and `name` give the folder. Without a name: adapt-1, adapt-2 and so on.

    Returns:
        The path of the new folder.

    Raises:
        RunError: if the folder already exists or cannot be written.
    """
    if options.name is None:
        folder = options.out / next_name(options.out, "adapt")
    else:
        folder = options.out / options.name
        _create_folder(folder)
    meta = adaptation.meta | {"val_accuracy": adaptation.validation.after.accuracy}
    figures = adaptation.to_json() | {"options": dataclasses.asdict(options)}
    text = json.dumps(figures, indent=2, allow_nan=False, default=str) + "\n"
    paths = folder / "model.npz", folder / "adapt.json"
    try:
        model_file.save_model(paths[0], adaptation.network.state_dict(), meta["architecture"], meta)
        files.atomic_write(paths[1], text.encode())
    except BaseException as error:
        for path in paths:
            path.unlink(missing_ok=True)
        folder.rmdir()
        if isinstance(error, OSError):
            raise RunError(f"could not write {paths[1]}: {error.strerror}; choose another --out") from error
        raise
    return folder


def _create_folder(folder: Path) -> None:
    """Create a new folder.

    Raises:
        RunError: if it already exists or cannot be created.
    """
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise RunError(f"{folder} already exists; choose another --name") from None
    except OSError as error:
        raise RunError(
            f"could not create {folder}: {error.strerror or error}; choose another --out"
        ) from error
