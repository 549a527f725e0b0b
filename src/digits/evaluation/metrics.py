"""Compute accuracy, loss, confusion matrix, precision and recall from logits and labels.

>>> evaluation = evaluate_logits(logits, labels)  # float (N, classes) and integers (N,)
>>> evaluation.accuracy, evaluation.per_class[7].recall  # fractions from 0 to 1
"""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from digits.evaluation.calibration import expected_calibration_error
from digits.evaluation.intervals import wilson_interval
from digits.evaluation.logits import checked


@dataclass(frozen=True)
class ClassMetrics:
    """The precision, recall and F1 score of one class."""

    # All three scores are from 0 to 1. A score is None if there is nothing to divide by, as with
    # zero_division=nan in scikit-learn, so that no mean over the classes counts it as 0.
    precision: float | None  # fraction of the images predicted as this class that belong to it
    recall: float | None  # fraction of the images of this class that are predicted as it
    f1: float | None  # harmonic mean of precision and recall; None for a class without images
    support: int  # number of images of this class


@dataclass(frozen=True)
class Evaluation:
    """The result of testing a network on a set of images."""

    # (classes, classes): number of images for each true class (row) and predicted class (column)
    confusion: tuple[tuple[int, ...], ...]
    loss: float  # mean cross-entropy, with natural logarithms
    ece: float  # expected calibration error, from 0 to 1; `calibration` explains it

    @property
    def correct(self) -> int:
        """Number of images classified correctly."""
        return sum(row[i] for i, row in enumerate(self.confusion))

    @property
    def total(self) -> int:
        """Number of images."""
        return sum(map(sum, self.confusion))

    @property
    def accuracy(self) -> float:
        """Fraction of the images classified correctly, from 0 to 1."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy.

        It is (low, high), each from 0 to 1.
        """
        return wilson_interval(self.correct, self.total)

    @property
    def per_class(self) -> tuple[ClassMetrics, ...]:
        """Scores of each class, from class 0 on."""
        answers = [sum(column) for column in zip(*self.confusion, strict=True)]
        return tuple(_class_metrics(row[i], sum(row), answers[i]) for i, row in enumerate(self.confusion))

    def to_json(self) -> dict[str, Any]:
        """Return all numbers of the evaluation as a dictionary for `json.dumps`."""
        return {
            "accuracy": self.accuracy,
            "correct": self.correct,
            "total": self.total,
            "loss": self.loss,
            "interval": list(self.interval),
            "ece": self.ece,
            "confusion": [list(row) for row in self.confusion],
            "per_class": [asdict(figures) for figures in self.per_class],
        }


def evaluate_logits(logits: Tensor, labels: Tensor) -> Evaluation:
    """Compare a network's predictions with the true classes.

    The predicted class is the first one with the highest logit.

    Args:
        logits: float (N, classes).
        labels: the true classes, integers (N,).

    Returns:
        The confusion matrix, the loss and the calibration error.

    Raises:
        DataError: if there are no images, or the labels do not fit them.
        TrainingError: if a logit is not finite.
    """
    logits, labels = checked(logits, labels)
    classes = logits.shape[1]
    cells = torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2)
    return Evaluation(
        confusion=tuple(map(tuple, cells.view(classes, classes).tolist())),
        loss=F.cross_entropy(logits, labels).item(),
        ece=expected_calibration_error(logits, labels),
    )


def most_confident_mistakes(logits: Tensor, labels: Tensor, n: int) -> Tensor:
    """Find the wrongly classified images with the highest confidence.

    The confidence of an image is the probability of its predicted class.

    Args:
        logits: float (N, classes).
        labels: the true classes, integers (N,).
        n: the highest number of images to return.

    Returns:
        Indices of at most n images, int64, highest confidence first.

    Raises:
        DataError, TrainingError: if logits or labels are not valid; see `logits.checked`.
    """
    logits, labels = checked(logits, labels)
    confidence, answers = logits.softmax(1).max(1)
    wrong = (answers != labels).nonzero().squeeze(1)
    return wrong[confidence[wrong].argsort(descending=True, stable=True)][:n]


def _class_metrics(hits: int, support: int, answers: int) -> ClassMetrics:
    """Compute the scores of one class from three counts.

    Args:
        hits: images of this class that were predicted as this class.
        support: images of this class.
        answers: images that were predicted as this class.
    """
    return ClassMetrics(
        precision=hits / answers if answers else None,
        recall=hits / support if support else None,
        f1=2 * hits / (support + answers) if support else None,
        support=support,
    )
