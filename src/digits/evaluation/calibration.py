"""Calibration: are a network's probabilities as high as its accuracy?"""

import math

import torch
from torch import Tensor

from digits.evaluation.logits import checked

# Temperatures are sought between 1/20 and 20. A network without mistakes on the given images, or one that
# has learned nothing, gets one of these two values, because its best temperature would be 0 or infinite.
MAX_TEMPERATURE = 20.0
BINS = 15  # number of confidence bins, as in Guo et al. 2017


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Return the expected calibration error (ECE): the mean gap between confidence and accuracy.

    Confidence is the highest class probability of an image. If a network is 90 % confident of some images
    and right on 90 % of them, the gap is 0. Images are sorted by confidence into bins of equal width:

        ECE = sum over bins of (images in the bin / all images) * |accuracy - mean confidence in the bin|

    Source: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017, eq. 3.

    Args:
        logits: (N, classes).
        labels: (N,), the true classes.
        bins: number of bins; bin m holds confidences above (m - 1) / bins and up to m / bins.

    Returns a number from 0, perfectly calibrated, to 1. Raises the errors of `metrics.evaluate_logits`.
    """
    logits, labels = checked(logits, labels)
    confidence, answers = logits.softmax(1).max(1)
    inner_edges = torch.arange(1, bins, dtype=torch.float64) / bins
    bin_of = torch.bucketize(confidence, inner_edges)  # (N,); a confidence on an edge is in the lower bin
    surplus = confidence - (answers == labels).double()
    gaps = torch.zeros(bins, dtype=torch.float64).index_add(0, bin_of, surplus).abs()
    return gaps.sum().item() / len(labels)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature by which to divide logits so that their softmax is calibrated.

    It is the T that minimises the mean cross-entropy of logits / T, found by bisection between 1/20 and 20:
    the loss is convex in 1 / T. The predicted classes do not change. Source: temperature scaling, Guo et al.
    2017, section 4.2.

    Args:
        logits: (N, classes), of images that the network was not trained on.
        labels: (N,), the true classes.

    Raises the errors of `metrics.evaluate_logits`.
    """
    logits, labels = checked(logits, labels)
    right = logits.gather(1, labels[:, None]).squeeze(1)
    low, high = 1 / MAX_TEMPERATURE, MAX_TEMPERATURE  # of 1 / T
    for _ in range(60):  # halvings: far more than a double can resolve
        middle = math.sqrt(low * high)
        slope = ((logits * middle).softmax(1) * logits).sum(1) - right  # (N,): d loss / d (1 / T)
        low, high = (low, middle) if slope.mean() > 0 else (middle, high)
    return 1 / math.sqrt(low * high)
