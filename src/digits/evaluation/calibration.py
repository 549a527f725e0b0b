"""Calibration: expected calibration error and temperature scaling."""

import math

import torch
from torch import Tensor

from digits.evaluation.logits import checked

WIDEST_TEMPERATURE = 20.0  # what is sure, or sure of nothing, in every answer ends here
BINS = 15  # bins of the calibration error, as in Guo et al. 2017


def expected_calibration_error(logits: Tensor, labels: Tensor, bins: int = BINS) -> float:
    """How far, on average, the network's confidence is from its accuracy; 0 is honest, 1 the worst.

    Confidence is the highest softmax probability. The answers are sorted into `bins` equal bins of it,
    ((m-1)/bins, m/bins], and the gaps between mean confidence and accuracy averaged, weighted by the
    answers in each: Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017,
    eq. 3. Errors as `evaluate`.
    """
    logits, labels = checked(logits, labels)
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
    logits, labels = checked(logits, labels)
    right = logits.gather(1, labels[:, None]).squeeze(1)
    low, high = 1 / WIDEST_TEMPERATURE, WIDEST_TEMPERATURE  # of 1 / T
    for _ in range(60):
        middle = math.sqrt(low * high)
        slope = ((logits * middle).softmax(1) * logits).sum(1) - right  # d loss / d (1 / T), image by image
        low, high = (low, middle) if slope.mean() > 0 else (middle, high)
    return 1 / math.sqrt(low * high)
