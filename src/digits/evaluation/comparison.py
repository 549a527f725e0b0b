"""Test whether one of two networks is better than the other.

The method is McNemar's test. It needs the predictions of both networks for the same images.
"""

import math
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from digits.evaluation.logits import checked


@dataclass(frozen=True)
class Comparison:
    """Four counts of images that compare two networks."""

    both: int  # images that both networks classified correctly
    first: int  # images that only the first network classified correctly
    second: int  # images that only the second network classified correctly
    neither: int  # images that no network classified correctly

    @property
    def p_value(self) -> float:
        """Probability that two equally good networks differ this much.

        It is from 0 to 1. Below 0.05 usually counts as a real difference.

        Sources: McNemar 1947; Dietterich 1998, "Approximate statistical tests for comparing supervised
        classification learning algorithms", section 3.1.
        """
        # McNemar's exact test uses only the images that exactly one network classifies correctly. If the
        # networks are equally good, each of these images belongs to `first` with probability 1/2.
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
        Four counts of images, and the p-value of their difference.

    Raises:
        DataError, TrainingError: if logits or labels are not valid; see `logits.checked`.
    """
    (a, truth), (b, _) = checked(first, labels), checked(second, labels)
    right_a, right_b = a.argmax(1) == truth, b.argmax(1) == truth
    counts = [(right_a & right_b), (right_a & ~right_b), (~right_a & right_b), (~right_a & ~right_b)]
    return Comparison(*(int(count.sum()) for count in counts))
