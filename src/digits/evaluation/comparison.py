"""Compare two networks on the same images: McNemar's test."""

import math
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from digits.evaluation.logits import checked


@dataclass(frozen=True)
class Comparison:
    """How many images both, one or neither of two networks classified correctly."""

    both: int
    first: int  # only the first network was right
    second: int  # only the second network was right
    neither: int

    @property
    def p_value(self) -> float:
        """P-value of McNemar's exact test, from 0 to 1; a small value means that the accuracies differ.

        It is the probability of a difference at least this large between two equally good networks: of the
        images that only one of them classifies correctly, each is then the first one's with probability 1/2.
        Source: McNemar 1947; Dietterich 1998, "Approximate statistical tests for comparing supervised
        classification learning algorithms", section 3.1.
        """
        differ = self.first + self.second
        tail = sum(math.comb(differ, k) for k in range(min(self.first, self.second) + 1))
        return min(1.0, float(Fraction(2 * tail, 2**differ)))


def compare_logits(first: Tensor, second: Tensor, labels: Tensor) -> Comparison:
    """Compare the predictions of two networks for the same images.

    `first` and `second` are their logits (N, classes), `labels` the true classes (N,). Raises the errors of
    `metrics.evaluate_logits`.
    """
    (a, truth), (b, _) = checked(first, labels), checked(second, labels)
    right_a, right_b = a.argmax(1) == truth, b.argmax(1) == truth
    counts = [(right_a & right_b), (right_a & ~right_b), (~right_a & right_b), (~right_a & ~right_b)]
    return Comparison(*(int(count.sum()) for count in counts))
