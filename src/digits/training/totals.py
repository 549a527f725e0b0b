"""Sum losses and right answers exactly, so that the order of summing does not matter."""

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.errors import TrainingError

DIVERGED = 2**20  # nats for one image; sums of higher losses could overflow 64 bits
FIXED_POINT = 2**24  # losses are summed as whole multiples of 2^-24, about a float32's precision


def count_totals(logits: Tensor, labels: Tensor) -> Tensor:
    """Return [summed loss * FIXED_POINT, right answers, images] of a batch as int64 (3,).

    `logits` are (B, classes), `labels` (B,). Raises TrainingError for a loss that is not finite or at least
    DIVERGED.
    """
    logits, labels = logits.cpu(), labels.cpu()  # Apple's devices have no double precision
    losses = F.cross_entropy(logits, labels, reduction="none")
    if not bool((losses < DIVERGED).all()):  # "not all below" is true for NaN as well
        what = "beyond a million nats" if bool(losses.isfinite().all()) else "not a finite number"
        raise TrainingError(f"the loss is {what}; lower --lr, or look for damaged images")
    loss = (losses.double() * FIXED_POINT).round().long().sum()
    correct = (logits.argmax(dim=1) == labels).sum()
    return torch.stack([loss, correct, torch.full_like(correct, len(labels))])
