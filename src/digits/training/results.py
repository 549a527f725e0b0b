"""Finish a run: calibrate and test the saved network, draw the pictures, write summary.json."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from digits import files
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.splits import Splits
from digits.evaluation import calibration, metrics
from digits.evaluation.epoch import Epoch
from digits.evaluation.logits import compute_logits
from digits.evaluation.metrics import Evaluation
from digits.evaluation.saved_models import undisputed_test
from digits.networks.ensemble import Ensemble
from digits.networks.model_file import load_model, save_model
from digits.networks.network import Network
from digits.options import TrainOptions


@dataclass(frozen=True)
class Result:
    """The figures of a finished run, and where its files are."""

    folder: Path
    test: Evaluation
    undisputed: Evaluation | None  # the test without MNIST's disputed labels; None for other data
    best: Epoch  # the epoch whose weights were saved
    history: tuple[Epoch, ...]
    pictures: tuple[Path, ...]
    members: tuple[float, ...] = ()  # in an ensemble: the test accuracy of each network alone


def finish(
    folder: Path,
    options: TrainOptions,
    splits: Splits,
    collection: Collection,
    history: Sequence[Epoch],
    notices: Sequence[str],
    members: tuple[float, ...] = (),
) -> Result:
    """Calibrate the network in `folder`, test it, draw, write summary.json and return the Result.

    This is the only place where training looks at the test images. summary.json is written last: a folder
    that has it holds a finished run. `members` are the test accuracies of an ensemble's networks.
    """
    model, meta = calibrate(folder / "model.npz", splits.val)
    logits = compute_logits(model, splits.test)
    test = metrics.evaluate_logits(logits, splits.test.labels)
    undisputed = undisputed_test(collection, logits, splits.test)
    best = next(epoch for epoch in history if epoch.number == meta["epoch"])
    pictures = _draw(folder, model, logits, splits.test, collection, test, history) if options.plots else ()
    summary = {
        "members": members,
        "test": test.to_json(),
        "undisputed": undisputed and undisputed.to_json(),
        "best": dataclasses.asdict(best),
        "epochs": len(history),
        "temperature": float(model.temperature),
        "training_seconds": sum(epoch.seconds for epoch in history),
        "network": meta["architecture"],
        "data": meta["data"],
        "notices": [*collection.notices, *notices],
        "versions": meta["versions"],
        "threads": options.threads,
    }
    text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
    files.atomic_write(folder / "summary.json", text.encode())
    return Result(folder, test, undisputed, best, tuple(history), pictures, members)


def calibrate(path: Path, val_set: Digits) -> tuple[Network | Ensemble, dict[str, Any]]:
    """Fit the temperature of the model file on the validation images, save it, return model and meta data.

    The fit starts from temperature 1 whatever the file has, so that finishing a run twice changes nothing.
    """
    model, meta = load_model(path)
    model.temperature.fill_(1)
    logits = compute_logits(model, val_set)
    model.temperature.fill_(calibration.fit_temperature(logits, val_set.labels))
    save_model(path, model.state_dict(), meta["architecture"], meta)
    return model, meta


def _draw(
    folder: Path,
    model: Network | Ensemble,
    logits: torch.Tensor,
    test_set: Digits,
    collection: Collection,
    test: Evaluation,
    history: Sequence[Epoch],
) -> tuple[Path, ...]:
    """Save the pictures of a run as PNG files; return their paths."""
    # Matplotlib takes half a second to import.
    from digits.evaluation.plots.confusion import confusion_figure
    from digits.evaluation.plots.curves import curves_figure
    from digits.evaluation.plots.first_layer import first_layer_figure
    from digits.evaluation.plots.mistakes import mistakes_figure
    from digits.evaluation.plots.predictions import predictions_figure
    from digits.figure_style import save_png

    images, labels, classes = test_set.images, test_set.labels, collection.classes
    figures = {
        "curves": curves_figure(history),
        "confusion": confusion_figure(test, classes),
        "mistakes": mistakes_figure(images, labels, logits, classes),
        "predictions": predictions_figure(images, labels, logits, classes),
    }
    if not isinstance(model, Ensemble):  # An ensemble has several first layers.
        figures["weights"] = first_layer_figure(model.first_layer())
    paths = {name: folder / f"{name}.png" for name in figures}
    for name, figure in figures.items():
        save_png(figure, paths[name])
    return tuple(paths.values())
