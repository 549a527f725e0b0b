"""Accuracy, loss, confusion matrix, precision and recall of a network's predictions."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from digits.evaluation.calibration import expected_calibration_error
from digits.evaluation.intervals import wilson_interval
from digits.evaluation.logits import checked

# Indices of the 15 images in MNIST's test set whose labels most people dispute: Northcutt, Athalye and
# Mueller, "Pervasive label errors in test sets destabilize machine learning benchmarks", NeurIPS 2021.
DISPUTED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)


@dataclass(frozen=True)
class ClassMetrics:
    """Precision, recall and F1 score of one class, from 0 to 1.

    A ratio with the denominator 0 is 0, as in scikit-learn: the precision of a class that was never
    predicted, or the recall of a class without images.
    """

    precision: float  # of the images predicted as this class, the fraction that belong to it
    recall: float  # of the images of this class, the fraction predicted as it
    f1: float  # harmonic mean of precision and recall
    support: int  # number of images of this class


@dataclass(frozen=True)
class Evaluation:
    """How well a network classified one set of images."""

    confusion: tuple[tuple[int, ...], ...]  # number of images; row: true class, column: predicted class
    loss: float  # mean cross-entropy in nats
    ece: float  # expected calibration error, from 0 to 1: see `calibration`

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
        """95 % confidence interval (low, high) of the accuracy on further images of this kind."""
        return wilson_interval(self.correct, self.total)

    @property
    def per_class(self) -> tuple[ClassMetrics, ...]:
        """Precision, recall, F1 score and number of images of each class, in the order of the classes."""
        answers = [sum(column) for column in zip(*self.confusion, strict=True)]
        return tuple(_class_metrics(row[i], sum(row), answers[i]) for i, row in enumerate(self.confusion))

    def to_json(self) -> dict[str, Any]:
        """Return all figures as a dictionary for `json.dumps`."""
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
    """Evaluate the predictions of a network, given as logits (N, classes), against the labels (N,).

    The predicted class is that of the highest logit, among equals the first. Raises DataError if there are
    no images, or the labels do not fit the logits in number or range, and TrainingError if a logit is not
    finite.
    """
    logits, labels = checked(logits, labels)
    classes = logits.shape[1]
    cells = torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2)
    return Evaluation(
        confusion=tuple(map(tuple, cells.view(classes, classes).tolist())),
        loss=F.cross_entropy(logits, labels).item(),
        ece=expected_calibration_error(logits, labels),
    )


def evaluate_undisputed(logits: Tensor, labels: Tensor) -> Evaluation:
    """Evaluate the predictions for MNIST's test set without the 15 images whose labels are disputed.

    `logits` (10000, classes) and `labels` (10000,) are those of the whole test set in its usual order.
    """
    kept = torch.ones(len(labels), dtype=torch.bool)
    kept[list(DISPUTED)] = False
    return evaluate_logits(logits[kept], labels[kept])


def most_confident_mistakes(logits: Tensor, labels: Tensor, n: int) -> Tensor:
    """Return the indices of at most n wrongly classified images, the most confident first.

    Confidence is the probability of the predicted class; images with the same confidence stay in their
    order. The result is int64 (at most n,). Raises the errors of `evaluate_logits`.
    """
    logits, labels = checked(logits, labels)
    confidence, answers = logits.softmax(1).max(1)
    wrong = (answers != labels).nonzero().squeeze(1)
    return wrong[confidence[wrong].argsort(descending=True, stable=True)][:n]


def _class_metrics(hits: int, support: int, answers: int) -> ClassMetrics:
    """Return the metrics of a class that has `support` images.

    `answers` images were predicted as this class, `hits` of them correctly.
    """
    return ClassMetrics(
        precision=hits / answers if answers else 0.0,
        recall=hits / support if support else 0.0,
        f1=2 * hits / (support + answers) if support + answers else 0.0,
        support=support,
    )
