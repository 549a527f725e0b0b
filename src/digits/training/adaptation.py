"""The result of adapting a network to custom digits, and the folder it is saved in."""

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
from digits.training.options import AdaptOptions
from digits.training.run_folder import next_name


@dataclass(frozen=True)
class Change:
    """The figures on the same images before and after."""

    before: Evaluation
    after: Evaluation
    compared: Comparison

    def to_json(self) -> dict[str, Any]:
        """Return the figures as `json.dumps` takes them."""
        compared = {"gained": self.compared.second, "lost": self.compared.first, "p": self.compared.p_value}
        return {"before": self.before.to_json(), "after": self.after.to_json(), **compared}


@dataclass(frozen=True)
class Adaptation:
    """A network that was trained further on custom digits, and its figures before and after."""

    network: Network
    meta: dict[str, Any]  # for the model file
    custom: Change  # on custom digits that the tested network was not trained on
    folds: int  # networks that were tested on them: 1, or one for each part that was held out
    validation: Change  # on MNIST's validation images
    test: Change  # on MNIST's test images, which decided nothing
    origin: str  # where MNIST's images were found
    notices: tuple[str, ...]
    seconds: float  # of fine-tuning one network

    def to_json(self) -> dict[str, Any]:
        """Return the figures as `json.dumps` takes them."""
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
    """The figures of `digits.adapt`, and the folder that holds the new network."""

    folder: Path  # has model.npz, and all figures in adapt.json
    custom: Change  # on custom digits that the tested network was not trained on
    validation: Change  # on MNIST's validation images
    test: Change  # on MNIST's test images
    notices: tuple[str, ...]
    skipped: tuple[str, ...]  # a sentence for each picture that could not be used


def save_adaptation(adaptation: Adaptation, options: AdaptOptions) -> Path:
    """Write model.npz and adapt.json into a new folder, both or neither; return the folder.

    Raises RunError if the folder exists already or cannot be written.
    """
    if options.name is None:
        folder = options.out / next_name(options.out, "adapt")
    else:
        folder = options.out / options.name
        _make(folder)
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


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise RunError(f"{folder} is there already; choose another --name") from None
    except OSError as error:
        raise RunError(f"could not make {folder}: {error.strerror or error}; choose another --out") from error
