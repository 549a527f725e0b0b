"""Compare two networks image by image: McNemar's test."""

import math
from dataclasses import dataclass
from fractions import Fraction

from torch import Tensor

from digits.evaluation.logits import checked


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


def compare_logits(first: Tensor, second: Tensor, labels: Tensor) -> Comparison:
    """Count two networks' answers, logits (N, classes) each, to the same images. Errors as `evaluate`."""
    (a, truth), (b, _) = checked(first, labels), checked(second, labels)
    right_a, right_b = a.argmax(1) == truth, b.argmax(1) == truth
    counts = [(right_a & right_b), (right_a & ~right_b), (~right_a & right_b), (~right_a & ~right_b)]
    return Comparison(*(int(count.sum()) for count in counts))
