"""Evaluate a saved network on its test images, and compare two saved networks.

The test images of a network are images of its data set that were not used to train it. A model file records
how its data set was divided, so that the same images are found again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from digits.data import catalogue
from digits.data.collection import Collection
from digits.data.dataset import Digits
from digits.data.download import Progress
from digits.errors import CheckpointError, DataError
from digits.evaluation import comparison, disputed_labels, logits, metrics
from digits.evaluation.comparison import Comparison
from digits.evaluation.held_out import held_out, load_as_trained
from digits.evaluation.metrics import Evaluation
from digits.networks.bundled import model_path
from digits.networks.ensemble import Ensemble
from digits.networks.model_file import load_model
from digits.networks.network import Network
from digits.options import DataOptions


@dataclass(frozen=True)
class ModelEvaluation:
    """The result of testing a saved network."""

    test: Evaluation  # of all test images
    undisputed: Evaluation | None  # without images whose labels are disputed; None: data set is not MNIST
    collection: Collection  # the data set that the images come from
    model: Path  # the model file
    same_images: bool  # True: the training run used the same test images; False: it used other ones

    @property
    def accuracy(self) -> float:
        """Fraction of the test images classified correctly, from 0 to 1."""
        return self.test.accuracy


@dataclass(frozen=True)
class ModelComparison:
    """The result of comparing two saved networks."""

    comparison: Comparison  # numbers of images that both, one or neither classified correctly
    collection: Collection  # the data set that the images come from

    @property
    def p_value(self) -> float:
        """Probability that two equally good networks differ this much.

        It is from 0 to 1. Below 0.05 usually counts as a real difference.
        """
        return self.comparison.p_value


def evaluate(
    model: str | Path,
    data: str | Path | None = None,
    *,
    unverified: bool = False,
    invert: bool = False,
    transpose: bool = False,
    mirror: bool = False,
    flip: bool = False,
    progress: Progress | None = None,
) -> ModelEvaluation:
    """Test a saved network on new images.

    The network was not trained on these images.

        >>> digits.evaluate("runs/classic-1").accuracy  # a fraction, about 0.973

    Args:
        model: a bundled network ("cnn" or "mlp"), the folder of a run, or a model file.
        data: folder or file with the data set. None: the data of the run, if the model is in its folder;
            otherwise see `digits.load_data`.
        unverified: accept data files of the published size even if their checksum differs.
        invert, transpose, mirror, flip: changes to all images, see `digits.options.ImageChanges`. Without
            any, those of the run are made if the data are those of the run.
        progress: function that is called during a download.

    Returns:
        The accuracy and other results, and the source of the images.

    Raises:
        CheckpointError: if the model file cannot be used.
        DataError: if the data are missing, or are perhaps training images.
    """
    options = DataOptions(
        data=Path(data) if data else None,
        unverified=unverified,
        invert=invert,
        transpose=transpose,
        mirror=mirror,
        flip=flip,
    )
    collection, (found,) = _predictions((model,), options, progress)
    return ModelEvaluation(
        metrics.evaluate_logits(found.logits, found.test.labels),
        undisputed_test(collection, found.logits, found.test),
        collection,
        found.model,
        found.same_images,
    )


def compare(
    first: str | Path,
    second: str | Path,
    data: str | Path | None = None,
    *,
    unverified: bool = False,
    invert: bool = False,
    transpose: bool = False,
    mirror: bool = False,
    flip: bool = False,
    progress: Progress | None = None,
) -> ModelComparison:
    """Compare two saved networks on the same test images.

        >>> digits.compare("cnn", "mlp").p_value  # below 0.05 usually counts as a real difference

    Args:
        first, second: two networks; see `model` in `evaluate`.
        data, unverified, invert, transpose, mirror, flip, progress: see `evaluate`.

    Returns:
        Counts of correctly classified images, and the p-value.

    Raises:
        CheckpointError: if a model file cannot be used.
        DataError: if the data are missing, or are perhaps training images of one of the networks, or if the
            networks have different test images.
    """
    options = DataOptions(
        data=Path(data) if data else None,
        unverified=unverified,
        invert=invert,
        transpose=transpose,
        mirror=mirror,
        flip=flip,
    )
    collection, (a, b) = _predictions((first, second), options, progress)
    if a.test.sha256() != b.test.sha256():
        raise DataError(
            f"{first} and {second} have different test images; "
            "compare networks that were trained on the same data with the same --split-seed"
        )
    return ModelComparison(comparison.compare_logits(a.logits, b.logits, a.test.labels), collection)


def undisputed_test(collection: Collection, logits: torch.Tensor, test: Digits) -> Evaluation | None:
    """Evaluate MNIST's test set without the disputed labels.

    Args:
        collection: the data set that the test set belongs to.
        logits: float (N, classes), for the images of `test`.
        test: the whole test set of N images.

    Returns:
        The evaluation; None if the data set is not the published MNIST.
    """
    if collection.dataset != "mnist" or not collection.published or collection.test is None:
        return None
    return disputed_labels.evaluate_undisputed(logits, test.labels)


@dataclass(frozen=True)
class _Predictions:
    """The logits of a saved network for its test images."""

    logits: torch.Tensor  # float (N, classes)
    test: Digits  # the N test images and their labels
    model: Path  # the model file
    same_images: bool  # see `ModelEvaluation`


def _predictions(
    names: tuple[str | Path, ...], options: DataOptions, progress: Progress | None
) -> tuple[Collection, list[_Predictions]]:
    """Compute the logits of saved networks for their test images in one data set.

    Args:
        names: the networks; see `model` in `evaluate`.
        options: place of the data, and changes to the images.
        progress: called during a download.

    Returns:
        The data set, and the logits of each network.
    """
    paths = [model_path(name) for name in names]
    networks = [(path, *_load(path)) for path in paths]
    datasets = {meta["data"]["dataset"] for _, _, meta in networks}
    if len(datasets) > 1:
        raise DataError(
            f"{names[0]} and {names[1]} were trained on different data sets: {', '.join(sorted(datasets))}; "
            "compare networks that were trained on the same one"
        )
    files = [(path, meta) for path, _, meta in networks]
    collection = load_as_trained(files, datasets.pop(), options, progress)
    found = []
    for path, network, meta in networks:
        test, same = held_out(collection, meta, str(path))
        found.append(_Predictions(logits.compute_logits(network, test), test, path, same))
    return collection, found


def _load(path: Path) -> tuple[Network | Ensemble, dict[str, Any]]:
    """Load a network that was trained on a known data set.

    Args:
        path: the model file.

    Returns:
        The network, and the meta data of its file.

    Raises:
        CheckpointError: if the file does not record the data, or the data set is unknown.
    """
    network, meta = load_model(path)
    trained_on = meta.get("data")
    known = {"dataset": str, "split_seed": int, "test_sha256": str}
    if not isinstance(trained_on, dict) or not all(
        isinstance(trained_on.get(key), kind) for key, kind in known.items()
    ):
        raise CheckpointError(
            f"{path} does not record which data it was trained on; expected a model file of digits train"
        )
    if trained_on["dataset"] not in catalogue.DATASETS:
        raise CheckpointError(
            f"{path} was trained on the data set {trained_on['dataset'][:80]!r}, which is unknown; "
            f"expected one of {', '.join(catalogue.DATASETS)}"
        )
    return network, meta
