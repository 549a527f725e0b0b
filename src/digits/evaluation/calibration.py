"""Measure and improve the calibration of a network.

A network is calibrated if its probabilities fit its accuracy: of all images that it classifies with a
probability of 90 %, it classifies 90 % correctly.
"""

import math

import torch
from torch import Tensor

from digits.evaluation.logits import checked

MAX_TEMPERATURE = 20.0  # `fit_temperature` returns a value from 1/20 to 20
# Strength of the prior on the temperature: it pulls like so many mistakes whose logit is 1 below the highest.
# Of 0 to 8, 4 gave the lowest loss with 20 to 500 images: docs/log.md, 2026-11-28.
PRIOR_MISTAKES = 4.0
BINS = 15  # number of confidence bins; Guo et al. 2017 use 15 too


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """Compute the expected calibration error (ECE).

    It is the mean difference between confidence and accuracy in groups of images.
    The confidence of an image is the probability of its predicted class.

    Args:
        logits: float (N, classes).
        labels: the true classes, integers (N,).
        bins: number of groups; images in a group have similar confidence.

    Returns:
        The error, from 0 (perfectly calibrated) to 1.

    Raises:
        DataError, TrainingError: if logits or labels are not valid; see `logits.checked`.

    Source: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017, eq. 3.
    """
    # Bin m, from 1, has the confidences above (m - 1) / bins, up to m / bins. In each bin, the mean
    # confidence is compared with the accuracy:
    # ECE = sum over bins of (images in the bin / all images) * |accuracy - mean confidence in the bin|
    logits, labels = checked(logits, labels)
    confidence, answers = logits.softmax(1).max(1)
    inner_edges = torch.arange(1, bins, dtype=torch.float64) / bins
    bin_of = torch.bucketize(confidence, inner_edges)  # (N,): index of each image's bin
    differences = confidence - (answers == labels).double()  # (N,)
    gaps = torch.zeros(bins, dtype=torch.float64).index_add(0, bin_of, differences).abs()  # (bins,)
    return gaps.sum().item() / len(labels)


def fit_temperature(logits: Tensor, labels: Tensor) -> float:
    """Find the temperature that calibrates a network.

    Divide the logits by it. The predicted classes stay the same.
    A temperature above 1 makes the probabilities less extreme.
    With few images or without mistakes, a prior keeps it near 1; with thousands, the prior changes nothing.

    Args:
        logits: float (N, classes), for images that the network was not trained on. Without a temperature: the
            prior expects that 1 is nearly right.
        labels: the true classes, integers (N,).

    Returns:
        The temperature, from 1/20 to 20.

    Raises:
        DataError, TrainingError: if logits or labels are not valid; see `logits.checked`.

    Source: "temperature scaling", Guo et al. 2017, section 4.2; the prior is the project's own addition.
    """
    logits, labels = checked(logits, labels)
    # The best b = 1 / T minimises the sum of the cross-entropies of b * logits, plus k (b - ln b), where k is
    # PRIOR_MISTAKES. That is the negative logarithm of a gamma distribution of b, highest at 1. Without it, T
    # would be 0 for a network without mistakes. The sum is convex in b, so it has a single minimum. Bisection
    # finds the point where its slope is 0.
    right = logits.gather(1, labels[:, None]).squeeze(1)  # (N,): the logit of the true class
    low, high = 1 / MAX_TEMPERATURE, MAX_TEMPERATURE  # limits of 1 / T
    for _ in range(60):  # each step halves the range on a logarithmic scale; 60 exceed a double's precision
        middle = math.sqrt(low * high)
        slope = ((logits * middle).softmax(1) * logits).sum(1) - right  # (N,): d cross-entropy / d b
        prior = PRIOR_MISTAKES * (1 - 1 / middle)
        low, high = (low, middle) if slope.sum() + prior > 0 else (middle, high)
    return 1 / math.sqrt(low * high)
