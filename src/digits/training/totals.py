"""Sum the losses and count the correct answers of a batch, as whole numbers.

Sums of whole numbers are exact. So the figures are the same with one process and with several, although they
add the images in another order.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.errors import TrainingError

DIVERGED = 2**20  # nats; limit for the loss of one image. Sums of higher losses could overflow 64 bits
FIXED_POINT = 2**24  # losses are rounded to multiples of 2^-24, which is about the precision of float32


def count_totals(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the summed loss, the number of correct answers and the number of images of a batch.

    Args:
        logits: (B, classes).
        labels: int64 (B,).

    Returns:
        int64 (3,): summed cross-entropy in nats times FIXED_POINT, correct answers, images.

    Raises:
        TrainingError: if a loss is infinite, not a number, or DIVERGED or more.
    """
    logits, labels = logits.cpu(), labels.cpu()  # Apple's graphics processors do not support float64.
    losses = F.cross_entropy(logits, labels, reduction="none")
    if not bool((losses < DIVERGED).all()):  # This form of the condition is true for NaN as well.
        what = "above a million nats" if bool(losses.isfinite().all()) else "not a finite number"
        raise TrainingError(f"the loss is {what}; lower --lr, or look for damaged images")
    loss = (losses.double() * FIXED_POINT).round().long().sum()
    correct = (logits.argmax(dim=1) == labels).sum()
    return torch.stack([loss, correct, torch.full_like(correct, len(labels))])
