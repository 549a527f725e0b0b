"""Test whether one of two networks is better, on the same images, by McNemar's test."""

import math
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from digits.evaluation.logits import checked


@dataclass(frozen=True)
class Comparison:
    """The numbers of images that both, one or neither of two networks classified correctly."""

    both: int  # images that both networks classified correctly
    first: int  # images that only the first network classified correctly
    second: int  # images that only the second network classified correctly
    neither: int  # images that no network classified correctly

    @property
    def p_value(self) -> float:
        """P-value of McNemar's exact test, from 0 to 1. Below 0.05 usually counts as a real difference.

        The test uses only the images that exactly one network classifies correctly. If the networks are
        equally good, either of them is the correct one with probability 1/2. The p-value is then the
        probability that the counts `first` and `second` differ at least as much as they do.

        Sources: McNemar 1947; Dietterich 1998, "Approximate statistical tests for comparing supervised
        classification learning algorithms", section 3.1.
        """
        differ = self.first + self.second
        tail = sum(math.comb(differ, k) for k in range(min(self.first, self.second) + 1))
        return min(1.0, float(Fraction(2 * tail, 2**differ)))


def compare_logits(first: Tensor, second: Tensor, labels: Tensor) -> Comparison:
    """Compare the predictions of two networks for the same images.

    Args:
        first: logits of the first network, float (N, classes).
        second: logits of the second network, float (N, classes).
        labels: the true classes, integers (N,).

    Returns:
        The numbers of images that both, one or neither network classified correctly.

    Raises:
        DataError, TrainingError: if logits or labels are not valid; see `metrics.evaluate_logits`.
    """
    (a, truth), (b, _) = checked(first, labels), checked(second, labels)
    right_a, right_b = a.argmax(1) == truth, b.argmax(1) == truth
    counts = [(right_a & right_b), (right_a & ~right_b), (~right_a & right_b), (~right_a & ~right_b)]
    return Comparison(*(int(count.sum()) for count in counts))
