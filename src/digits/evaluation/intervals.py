"""Confidence intervals of accuracies."""

import math
from statistics import NormalDist

CONFIDENCE = 0.95  # how often the interval holds the true accuracy, over many test sets


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
