"""Compute the confidence interval of an accuracy.

The accuracy on a test set depends on which images are in the set. The true accuracy is the accuracy on all
images of the same kind. The confidence interval is a range that probably contains the true accuracy.
"""

import math
from statistics import NormalDist

CONFIDENCE = 0.95  # probability that the interval of a random test set contains the true accuracy


def wilson_interval(correct: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Compute the confidence interval of an accuracy.

    The method also works for accuracies near 100 %.

    Args:
        correct: number of images classified correctly.
        total: number of images, above 0.
        confidence: probability that the interval contains the true accuracy, 0 to 1.

    Returns:
        The lower and the upper end of the interval, from 0 to 1.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of
    the American Statistical Association 22 (1927).
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)  # 1.96 standard deviations for 95 %
    p, shrink = correct / total, z * z / total
    centre = (p + shrink / 2) / (1 + shrink)
    radius = math.sqrt(p * (1 - p) * shrink + shrink * shrink / 4) / (1 + shrink)
    # The exact interval lies between 0 and 1 and contains p. With rounding errors, min and max ensure this.
    return min(p, max(0.0, centre - radius)), max(p, min(1.0, centre + radius))
