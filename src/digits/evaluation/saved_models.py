"""Test saved networks again, and compare two of them."""

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
class SavedEvaluation:
    """The test of a saved network."""

    test: Evaluation
    undisputed: Evaluation | None  # without the test images whose labels are disputed, where they are known
    collection: Collection
    model: Path
    same_images: bool  # whether these are the test images of the model's own run

    @property
    def accuracy(self) -> float:
        """Fraction of the test images read correctly."""
        return self.test.accuracy


def evaluate(
    model: str | Path,
    data: str | Path | None = None,
    *,
    unverified: bool = False,
    progress: Progress | None = None,
) -> SavedEvaluation:
    """Test a saved network on the images that were held out of its training.

    `model` is a run's folder, a model file or the name of a bundled network. `data` is a folder or file;
    None looks where training looks (`load_data`). `unverified` accepts files of the published sizes with
    other content. Raises DataError where the test images may include training images, CheckpointError
    where the model file cannot be used.
    """
    answers = _answers(model, data, unverified, progress)
    collection, test = answers.collection, answers.test
    return SavedEvaluation(
        metrics.evaluate_logits(answers.logits, test.labels),
        undisputed_test(collection, answers.logits, test),
        collection,
        answers.model,
        answers.same_images,
    )


def compare(
    first: str | Path,
    second: str | Path,
    data: str | Path | None = None,
    *,
    unverified: bool = False,
    progress: Progress | None = None,
) -> "SavedComparison":
    """Test two saved networks on the same images, image by image.

    Arguments as for `evaluate`. Raises DataError where the two were tested on different images.
    """
    a, b = (_answers(model, data, unverified, progress) for model in (first, second))
    if a.test.sha256() != b.test.sha256():
        raise DataError(
            f"{first} and {second} have different test images; "
            "compare networks that were trained on the same data with the same --split-seed"
        )
    return SavedComparison(comparison.compare_logits(a.logits, b.logits, a.test.labels), a.collection)


@dataclass(frozen=True)
class SavedComparison:
    """Two saved networks on the same test images."""

    comparison: Comparison
    collection: Collection  # where the images are from

    @property
    def p_value(self) -> float:
        """How probable a difference this large is by chance: McNemar's exact test."""
        return self.comparison.p_value


@dataclass(frozen=True)
class _Answers:
    """A saved model's logits for the images that were kept out of its training."""

    logits: torch.Tensor
    test: Digits
    collection: Collection
    model: Path
    same_images: bool


def _answers(
    name: str | Path, folder: str | Path | None, unverified: bool, progress: Progress | None
) -> _Answers:
    path = model_path(str(name))
    model, meta = load_model(path)
    about = meta.get("data")
    known = {"dataset": str, "split_seed": int, "test_sha256": str}
    if not isinstance(about, dict) or not all(isinstance(about.get(k), kind) for k, kind in known.items()):
        raise CheckpointError(f"{path} does not say what it was trained on; expected a model of digits train")
    if about["dataset"] not in catalogue.DATASETS:
        raise CheckpointError(f"{path} was trained on {about['dataset'][:80]!r}, which is not known here")
    collection = loading.load(
        about["dataset"], Path(folder) if folder else None, unverified=unverified, progress=progress
    )
    size = None if collection.test else about.get("test_size")
    test = splits.split(collection, test_size=size, seed=about["split_seed"]).test
    same = test.sha256() == about["test_sha256"]
    if collection.test is None and not same:
        raise DataError(
            f"{collection.origin} has no test set of its own, and its images may be among those the model "
            "was trained on; name the data it was trained on with --data"
        )
    return _Answers(logits.compute_logits(model, test), test, collection, path, same)


def undisputed_test(collection: Collection, logits: torch.Tensor, test: Digits) -> Evaluation | None:
    """The test without the disputed images: for the published MNIST alone it is known which they are."""
    if collection.dataset != "mnist" or not collection.published or collection.test is None:
        return None
    return metrics.undisputed(logits, test.labels)
