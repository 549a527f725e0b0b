"""Confidence interval of an accuracy."""

import math
from statistics import NormalDist

CONFIDENCE = 0.95  # share of all test sets for which the interval contains the true accuracy


def wilson_interval(correct: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the Wilson score interval (low, high) of the accuracy `correct / total`, both from 0 to 1.

    It says where the accuracy on further images of the same kind lies. Unlike the usual normal interval it
    is right near 100 % too. `total` must be above 0. Source: E. B. Wilson, "Probable inference, the law of
    succession, and statistical inference", Journal of the American Statistical Association 22 (1927).
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)  # 1.96 standard deviations for 95 %
    p, shrink = correct / total, z * z / total
    centre = (p + shrink / 2) / (1 + shrink)
    radius = math.sqrt(p * (1 - p) * shrink + shrink * shrink / 4) / (1 + shrink)
    # Without rounding, the interval lies between 0 and 1 and contains p; min and max keep it so.
    return min(p, max(0.0, centre - radius)), max(p, min(1.0, centre + radius))
