"""Count the correct answers and add up the losses of a batch.

The sums are whole numbers, so they are exact. Any number of processes gives the same sums.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.errors import TrainingError

DIVERGED = 2**20  # nats; limit for the loss of one image. Sums of higher losses could overflow 64 bits
FIXED_POINT = 2**24  # losses are rounded to multiples of 2^-24, which is about the precision of float32


def count_totals(logits: Tensor, labels: Tensor) -> Tensor:
    """Add up the losses and correct answers of a batch.

    Args:
        logits: float (B, classes).
        labels: int64 (B,).

    Returns:
        int64 (3,): loss in nats times FIXED_POINT, number of correct answers, number of images.

    Raises:
        TrainingError: if a loss is DIVERGED or more, or not a number.
    """
    logits, labels = logits.cpu(), labels.cpu()  # Apple's graphics processors do not support float64.
    losses = F.cross_entropy(logits, labels, reduction="none")
    if not bool((losses < DIVERGED).all()):  # This form of the condition is true for NaN as well.
        what = "above a million nats" if bool(losses.isfinite().all()) else "not a finite number"
        raise TrainingError(f"the loss is {what}; lower --lr, or look for damaged images")
    loss = (losses.double() * FIXED_POINT).round().long().sum()
    correct = (logits.argmax(dim=1) == labels).sum()
    return torch.stack([loss, correct, torch.full_like(correct, len(labels))])
