"""Evaluate a saved network on the test images, and compare two networks."""

from dataclasses import dataclass
from pathlib import Path

import torch

from digits.data import catalogue, loading, splits
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.download import Progress
from digits.errors import CheckpointError, DataError
from digits.evaluation import comparison, logits, metrics
from digits.evaluation.comparison import Comparison
from digits.evaluation.metrics import Evaluation
from digits.networks.bundled import model_path
from digits.networks.model_file import load_model


@dataclass(frozen=True)
class ModelEvaluation:
    """Result of evaluating a saved network on the images that were held out of its training."""

    test: Evaluation
    undisputed: Evaluation | None  # without the images whose labels are disputed; None: not known which
    collection: Collection  # the data set that the images come from
    model: Path
    same_images: bool  # whether they are the test images of the run that trained the network

    @property
    def accuracy(self) -> float:
        """Fraction of the test images classified correctly, from 0 to 1."""
        return self.test.accuracy


@dataclass(frozen=True)
class ModelComparison:
    """Result of comparing two saved networks on the same test images."""

    comparison: Comparison
    collection: Collection  # the data set that the images come from

    @property
    def p_value(self) -> float:
        """P-value of McNemar's exact test, from 0 to 1; a small value means that the accuracies differ."""
        return self.comparison.p_value


def evaluate(
    model: str | Path,
    data: str | Path | None = None,
    *,
    unverified: bool = False,
    progress: Progress | None = None,
) -> ModelEvaluation:
    """Evaluate a saved network on the images that were held out of its training.

        >>> digits.evaluate("runs/classic-1").accuracy  # a fraction, about 0.973

    Args:
        model: a bundled network ("cnn" or "mlp"), the folder of a run, or a model file.
        data: folder or file with the data set; None: found or downloaded as by `digits.load_data`.
        unverified: accept files that have the size of the published ones but another content.
        progress: called during a download.

    Raises CheckpointError if the model file cannot be used, and DataError if the data cannot be found or
    the test images may include some that the network was trained on.
    """
    found = _predictions(model, data, unverified, progress)
    return ModelEvaluation(
        metrics.evaluate_logits(found.logits, found.test.labels),
        undisputed_test(found.collection, found.logits, found.test),
        found.collection,
        found.model,
        found.same_images,
    )


def compare(
    first: str | Path,
    second: str | Path,
    data: str | Path | None = None,
    *,
    unverified: bool = False,
    progress: Progress | None = None,
) -> ModelComparison:
    """Compare two saved networks on the same test images.

        >>> digits.compare("cnn", "mlp").p_value  # below 0.05: the difference is hardly chance

    Arguments and errors as for `evaluate`; also raises DataError if the two networks have different test
    images.
    """
    a, b = (_predictions(model, data, unverified, progress) for model in (first, second))
    if a.test.sha256() != b.test.sha256():
        raise DataError(
            f"{first} and {second} have different test images; "
            "compare networks that were trained on the same data with the same --split-seed"
        )
    return ModelComparison(comparison.compare_logits(a.logits, b.logits, a.test.labels), a.collection)


def undisputed_test(collection: Collection, logits: torch.Tensor, test: Digits) -> Evaluation | None:
    """Evaluate the predictions for a test set without the images whose labels are disputed.

    `logits` (N, classes) are the predictions for the images of `test`. Returns None unless it is the test
    set of the published MNIST, the only one whose disputed images are known.
    """
    if collection.dataset != "mnist" or not collection.published or collection.test is None:
        return None
    return metrics.evaluate_undisputed(logits, test.labels)


@dataclass(frozen=True)
class _Predictions:
    """The logits of a saved network for its test images."""

    logits: torch.Tensor  # (N, classes)
    test: Digits
    collection: Collection
    model: Path
    same_images: bool  # as in `ModelEvaluation`


def _predictions(
    name: str | Path, folder: str | Path | None, unverified: bool, progress: Progress | None
) -> _Predictions:
    """Load a network and its data, split the data as for its training, and compute the test logits."""
    path = model_path(str(name))
    model, meta = load_model(path)
    trained_on = meta.get("data")
    known = {"dataset": str, "split_seed": int, "test_sha256": str}
    if not isinstance(trained_on, dict) or not all(
        isinstance(trained_on.get(key), kind) for key, kind in known.items()
    ):
        raise CheckpointError(f"{path} does not say what it was trained on; expected a model of digits train")
    if trained_on["dataset"] not in catalogue.DATASETS:
        raise CheckpointError(
            f"{path} was trained on {trained_on['dataset'][:80]!r}, which is not known here"
        )
    collection = loading.load(
        trained_on["dataset"], Path(folder) if folder else None, unverified=unverified, progress=progress
    )
    size = None if collection.test else trained_on.get("test_size")
    test = splits.split(collection, test_size=size, seed=trained_on["split_seed"]).test
    same = test.sha256() == trained_on["test_sha256"]
    if collection.test is None and not same:
        raise DataError(
            f"{collection.origin} has no test set of its own, and its images may be among those the model "
            "was trained on; name the data it was trained on with --data"
        )
    return _Predictions(logits.compute_logits(model, test), test, collection, path, same)
