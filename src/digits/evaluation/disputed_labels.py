"""Evaluate MNIST's test set without the images whose labels are disputed."""

import torch
from torch import Tensor

from digits.evaluation.metrics import Evaluation, evaluate_logits

# Indices of the 15 images in MNIST's test set whose labels are disputed: most people who were asked see
# another digit, or none. Source: Northcutt, Athalye and Mueller, "Pervasive label errors in test sets
# destabilize machine learning benchmarks", NeurIPS 2021.
DISPUTED = (947, 1621, 1901, 2130, 2462, 2597, 2654, 3520, 3558, 5937, 6651, 6783, 8527, 9679, 9729)


def evaluate_undisputed(logits: Tensor, labels: Tensor) -> Evaluation:
    """Evaluate MNIST's test set without the 15 disputed labels.

    Most people who were asked disagree with these labels.

    Args:
        logits: float (10000, classes), for the whole test set in its usual order.
        labels: the labels of the whole test set, integers (10000,).

    Returns:
        The evaluation of the other 9,985 images.

    Raises:
        DataError, TrainingError: if logits or labels are not valid; see `logits.checked`.
    """
    kept = torch.ones(len(labels), dtype=torch.bool)
    kept[list(DISPUTED)] = False
    return evaluate_logits(logits[kept], labels[kept])
