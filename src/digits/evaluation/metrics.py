"""Accuracy, loss, confusion matrix and per-class figures of a network's answers."""

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from digits.evaluation.calibration import expected_calibration_error
from digits.evaluation.intervals import wilson_interval
from digits.evaluation.logits import checked

# Of MNIST's 10,000 test images, those whose labels most people dispute: Northcutt, Athalye and Mueller,
# "Pervasive label errors in test sets destabilize machine learning benchmarks", NeurIPS 2021
DISPUTED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)


@dataclass(frozen=True)
class ClassMetrics:
    """How well one class is read; a ratio with nothing below its line is 0, as in scikit-learn."""

    precision: float  # of the images read as this class, the fraction that are
    recall: float  # of this class's images, the fraction read as it
    f1: float  # harmonic mean of the two
    support: int  # images of this class


@dataclass(frozen=True)
class Evaluation:
    """What a network got right and wrong on one set of images."""

    confusion: tuple[tuple[int, ...], ...]  # images; row = true class, column = the network's answer
    loss: float  # mean cross-entropy in nats
    ece: float  # expected calibration error, a fraction

    @property
    def correct(self) -> int:
        """Images read right."""
        return sum(row[i] for i, row in enumerate(self.confusion))

    @property
    def total(self) -> int:
        """Images read."""
        return sum(map(sum, self.confusion))

    @property
    def accuracy(self) -> float:
        """Fraction of the images read right."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Where the accuracy on endless data of this kind lies, with 95 % confidence."""
        return wilson_interval(self.correct, self.total)

    @property
    def per_class(self) -> tuple[ClassMetrics, ...]:
        """Precision, recall, F1 and support, class by class."""
        answers = [sum(column) for column in zip(*self.confusion, strict=True)]
        return tuple(_class_figures(row[i], sum(row), answers[i]) for i, row in enumerate(self.confusion))

    def to_json(self) -> dict[str, Any]:
        """The figures as `json.dumps` takes them; accuracies are fractions."""
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
    """The figures of logits (N, classes) against labels (N,); of equal logits, the first is the answer.

    Raises DataError when there is nothing to evaluate or logits and labels do not fit, and TrainingError
    when a logit is not finite.
    """
    logits, labels = checked(logits, labels)
    classes = logits.shape[1]
    cells = torch.bincount(labels * classes + logits.argmax(1), minlength=classes**2)
    return Evaluation(
        confusion=tuple(map(tuple, cells.view(classes, classes).tolist())),
        loss=F.cross_entropy(logits, labels).item(),
        ece=expected_calibration_error(logits, labels),
    )


def undisputed(logits: Tensor, labels: Tensor) -> Evaluation:
    """`evaluate` without the DISPUTED images, for answers to all 10,000 of MNIST's test set."""
    kept = torch.ones(len(labels), dtype=torch.bool)
    kept[list(DISPUTED)] = False
    return evaluate_logits(logits[kept], labels[kept])


def most_confident_mistakes(logits: Tensor, labels: Tensor, n: int) -> Tensor:
    """Indices, int64 (at most n,), of the wrong answers, most confident first, equal ones in their order.

    Errors as `evaluate`.
    """
    logits, labels = checked(logits, labels)
    confidence, answers = logits.softmax(1).max(1)
    wrong = (answers != labels).nonzero().squeeze(1)
    return wrong[confidence[wrong].argsort(descending=True, stable=True)][:n]


def _class_figures(hits: int, support: int, answers: int) -> ClassMetrics:
    """The figures of a class with `support` images, `answers` images read as it, `hits` of them rightly."""
    return ClassMetrics(
        precision=hits / answers if answers else 0.0,
        recall=hits / support if support else 0.0,
        f1=2 * hits / (support + answers) if support + answers else 0.0,
        support=support,
    )
