"""How good a network is: logits and labels in, figures out.

Everything here is a pure function of its arguments. `predict` asks the network; all the rest is arithmetic
on its answers, in double precision on the processor, so the same answers give the same figures everywhere.
"""

import contextlib
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from digits.data import SIDE, Digits, as_fractions
from digits.errors import DataError, TrainingError

CONFIDENCE = 0.95  # how often the interval holds the true accuracy, over many test sets
WIDEST_TEMPERATURE = 20.0  # what is sure, or sure of nothing, in every answer ends here
BINS = 15  # bins of the calibration error, as in Guo et al. 2017
# Of MNIST's 10,000 test images, those whose labels most people dispute: Northcutt, Athalye and Mueller,
# "Pervasive label errors in test sets destabilize machine learning benchmarks", NeurIPS 2021
DISPUTED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)


@dataclass(frozen=True)
class ClassFigures:
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
    def per_class(self) -> tuple[ClassFigures, ...]:
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


def predict(model: nn.Module, images: Tensor | Digits, batch: int = 1000) -> Tensor:
    """The network's logits (N, classes), on the processor, for images uint8 (N, 28, 28) on any device.

    The network is put into evaluation mode meanwhile, so an answer does not depend on the other images.
    Raises DataError unless the images are bytes of that shape.
    """
    pixels = images if isinstance(images, Tensor) else images.images
    if pixels.dtype != torch.uint8 or pixels.shape[1:] != (SIDE, SIDE):
        found = f"{str(pixels.dtype).removeprefix('torch.')} {tuple(pixels.shape)}"
        raise DataError(f"images must be uint8 (N, 28, 28), found {found}; give bytes from 0 to 255")
    parameter = next(model.parameters(), None)
    device = pixels.device if parameter is None else parameter.device
    with _evaluation_mode(model), torch.inference_mode():
        logits = [model(as_fractions(part.to(device)).unsqueeze(1)) for part in torch.split(pixels, batch)]
    return torch.cat(logits).cpu()  # outside inference mode: a tensor that autograd may use again


@contextlib.contextmanager
def _evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode; afterwards each layer is as before, those deliberately frozen included."""
    before = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in before:
            module.training = training


def evaluate(logits: Tensor, labels: Tensor) -> Evaluation:
    """The figures of logits (N, classes) against labels (N,); of equal logits, the first is the answer.

    Raises DataError when there is nothing to evaluate or logits and labels do not fit, and TrainingError
    when a logit is not finite.
    """
    logits, labels = _checked(logits, labels)
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
    return evaluate(logits[kept], labels[kept])


@dataclass(frozen=True)
class Comparison:
    """Two networks' answers to the same images, image by image."""

    both: int  # images that both read right
    first: int  # ... only the first one
    second: int  # ... only the second one
    neither: int

    @property
    def p_value(self) -> float:
        """How probable a difference this large or larger is if both are equally good.

        McNemar's test, exact: of the images that one network reads right and the other wrong, each would
        be the first one's with probability 1/2 (McNemar 1947; Dietterich 1998, section 3.1, recommends it
        for two networks that were trained once).
        """
        differ = self.first + self.second
        tail = sum(math.comb(differ, k) for k in range(min(self.first, self.second) + 1))
        return min(1.0, float(Fraction(2 * tail, 2**differ)))


def compare(first: Tensor, second: Tensor, labels: Tensor) -> Comparison:
    """Count two networks' answers, logits (N, classes) each, to the same images. Errors as `evaluate`."""
    (a, truth), (b, _) = _checked(first, labels), _checked(second, labels)
    right_a, right_b = a.argmax(1) == truth, b.argmax(1) == truth
    counts = [(right_a & right_b), (right_a & ~right_b), (~right_a & right_b), (~right_a & ~right_b)]
    return Comparison(*(int(count.sum()) for count in counts))


def probabilities(logits: Tensor) -> Tensor:
    """Softmax of logits (N, classes) in double precision: every row sums to 1. Errors as `evaluate`."""
    return _finite(logits).softmax(1)


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """How far, on average, the network's confidence is from its accuracy; 0 is honest, 1 the worst.

    Confidence is the highest softmax probability. The answers are sorted into `bins` equal bins of it,
    ((m-1)/bins, m/bins], and the gaps between mean confidence and accuracy averaged, weighted by the
    answers in each: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017,
    eq. 3. Errors as `evaluate`.
    """
    logits, labels = _checked(logits, labels)
    confidence, answers = logits.softmax(1).max(1)
    inner_edges = torch.arange(1, bins, dtype=torch.float64) / bins
    bin_of = torch.bucketize(confidence, inner_edges)  # (N,); an edge belongs to the bin below it
    surplus = confidence - (answers == labels).double()
    return torch.zeros(bins, dtype=torch.float64).index_add(0, bin_of, surplus).abs().sum().item() / len(
        labels
    )


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """The number by which to divide logits so that their probabilities are honest: neither boastful nor shy.

    The minimum of the mean cross-entropy of logits / T over T: Guo, Pleiss, Sun and Weinberger 2017,
    section 4.2. It is convex in 1 / T, so bisection of its slope finds it, between 1/20 and 20. The answers
    stay as they are. Errors as `evaluate`.
    """
    logits, labels = _checked(logits, labels)
    right = logits.gather(1, labels[:, None]).squeeze(1)
    low, high = 1 / WIDEST_TEMPERATURE, WIDEST_TEMPERATURE  # of 1 / T
    for _ in range(60):
        middle = math.sqrt(low * high)
        slope = ((logits * middle).softmax(1) * logits).sum(1) - right  # d loss / d (1 / T), image by image
        low, high = (low, middle) if slope.mean() > 0 else (middle, high)
    return 1 / math.sqrt(low * high)


def most_confident_mistakes(logits: Tensor, labels: Tensor, n: int) -> Tensor:
    """Indices, int64 (at most n,), of the wrong answers, most confident first, equal ones in their order.

    Errors as `evaluate`.
    """
    logits, labels = _checked(logits, labels)
    confidence, answers = logits.softmax(1).max(1)
    wrong = (answers != labels).nonzero().squeeze(1)
    return wrong[confidence[wrong].argsort(descending=True, stable=True)][:n]


def wilson_interval(correct: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The score interval of a fraction `correct / total`: between 0 and 1 and holding the fraction.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927). Near 100 % it is right where the usual +- is too narrow.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)  # 1.96 deviations for 95 %
    p, shrink = correct / total, z * z / total
    centre = (p + shrink / 2) / (1 + shrink)
    radius = math.sqrt(p * (1 - p) * shrink + shrink * shrink / 4) / (1 + shrink)
    return min(p, max(0.0, centre - radius)), max(p, min(1.0, centre + radius))  # against rounding only


def _class_figures(hits: int, support: int, answers: int) -> ClassFigures:
    """The figures of a class with `support` images, `answers` images read as it, `hits` of them rightly."""
    return ClassFigures(
        precision=hits / answers if answers else 0.0,
        recall=hits / support if support else 0.0,
        f1=2 * hits / (support + answers) if support + answers else 0.0,
        support=support,
    )


def _checked(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Logits float64 (N, classes) and labels int64 (N,) that fit each other, on the processor."""
    logits, labels = _finite(logits), labels.detach().cpu().long()
    if labels.shape != logits.shape[:1]:
        raise DataError(
            f"every image needs one label, found {len(logits)} images and labels {tuple(labels.shape)}; "
            "evaluate the images and the labels of the same set"
        )
    low, high, classes = labels.min().item(), labels.max().item(), logits.shape[1]
    if low < 0 or high >= classes:
        raise DataError(
            f"labels must be from 0 to {classes - 1}, found {low} to {high}; "
            "evaluate on the data set the network was trained for"
        )
    return logits, labels


def _finite(logits: Tensor) -> Tensor:
    """Logits as finite float64 (N, classes), N > 0, on the processor."""
    if logits.ndim != 2 or logits.numel() == 0:
        raise DataError(
            f"nothing to evaluate: logits {tuple(logits.shape)}, expected (N, classes), at least one image"
        )
    logits = logits.detach().cpu().double()
    broken = int((~logits.isfinite()).any(1).sum())
    if broken:
        raise TrainingError(
            f"the network's answers to {broken} of {len(logits)} images are not finite numbers; "
            "its weights have overflowed: train again with a lower learning rate"
        )
    return logits
