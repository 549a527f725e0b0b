"""Finish a run: calibrate and test the network, and save the results.

Calibration makes the network's probabilities match how often it is correct.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

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
from digits.training.summary import save_summary


@dataclass(frozen=True)
class Result:
    """The results of a finished run, and the paths of its files."""

    folder: Path  # the run's folder
    test: Evaluation  # accuracy and other figures on all test images
    undisputed: Evaluation | None  # on MNIST's test images without disputed labels; None for other data
    validation: Evaluation  # the same figures on the validation images, which also calibrated the network
    best: Epoch | None  # the epoch whose weights were saved; None for an ensemble of several networks
    history: tuple[Epoch, ...]  # all epochs; for an ensemble, means over its networks
    pictures: tuple[Path, ...]  # PNG files with figures; empty if `options.plots` is False
    members: tuple[float, ...] = ()  # for an ensemble: test accuracy of each network, from 0 to 1


def finish(
    folder: Path,
    options: TrainOptions,
    splits: Splits,
    collection: Collection,
    history: Sequence[Epoch],
    notices: Sequence[str],
    members: tuple[float, ...] = (),
) -> Result:
    """Calibrate and test the network in a run's folder.

    The new model.npz, the figures and summary.json are saved in this folder.

    Args:
        folder: the run's folder with model.npz.
        options: threads, and whether to save figures.
        splits: the validation images are for calibration, the test images for the test.
        collection: the whole data set: its classes, notices and disputed labels.
        history: all epochs of the training.
        notices: sentences for the user; they are stored in summary.json.
        members: for an ensemble, the test accuracy of each network.

    Returns:
        The results in summary.json, and the paths of the files.
    """
    model, meta, val_logits = calibrate(folder / "model.npz", splits.val)
    validation = metrics.evaluate_logits(val_logits, splits.val.labels)
    logits = compute_logits(model, splits.test)
    test = metrics.evaluate_logits(logits, splits.test.labels)
    undisputed = undisputed_test(collection, logits, splits.test)
    best = None if members else next(epoch for epoch in history if epoch.number == meta["epoch"])
    pictures = (
        _save_figures(folder, model, logits, splits.test, collection, test, history) if options.plots else ()
    )
    save_summary(
        folder,
        meta,
        members=members,
        test=test,
        undisputed=undisputed,
        validation=validation,
        best=best,
        history=history,
        temperature=float(model.temperature),
        notices=[*collection.notices, *notices],
        threads=options.threads,
    )
    return Result(folder, test, undisputed, validation, best, tuple(history), pictures, members)


def calibrate(path: Path, val_set: Digits) -> tuple[Network | Ensemble, dict[str, Any], torch.Tensor]:
    """Fit a network's temperature on the validation images, and save it.

    The network divides its logits by the temperature. Then its probabilities match how often it is correct.

    Args:
        path: the model file; it is replaced.
        val_set: images and labels that were not used for training.

    Returns:
        The calibrated network, the meta data of its file, and its logits (N, classes) for these N images.
    """
    model, meta = load_model(path)
    model.temperature.fill_(1)  # so that calibrating twice gives the same result
    logits = compute_logits(model, val_set)
    model.temperature.fill_(calibration.fit_temperature(logits, val_set.labels))
    save_model(path, model.state_dict(), meta["architecture"], meta)
    return model, meta, logits / model.temperature


def _save_figures(
    folder: Path,
    model: Network | Ensemble,
    logits: torch.Tensor,
    test_set: Digits,
    collection: Collection,
    test: Evaluation,
    history: Sequence[Epoch],
) -> tuple[Path, ...]:
    """Save the figures of a run as PNG files.

    Args:
        logits: (N, classes), for the N test images.
        test: the evaluation of these logits.

    Returns:
        The paths of the files.
    """
    # Imported here because importing Matplotlib takes half a second.
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
