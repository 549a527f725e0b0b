"""Sum losses and right answers exactly, in any order."""

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.errors import TrainingError

DIVERGED = 2**20  # nats, for one image; sums of anything higher could leave 64 bits and turn negative
FIXED_POINT = 2**24  # losses are summed as multiples of 2^-24: whole numbers add up to the same in any order


def count_totals(logits: Tensor, labels: Tensor) -> Tensor:
    """[sum of losses in fixed point, correct, seen] as int64, exact whatever the order of adding."""
    logits, labels = logits.cpu(), labels.cpu()  # Apple's devices have no double precision
    losses = F.cross_entropy(logits, labels, reduction="none")
    if not bool((losses < DIVERGED).all()):  # so that NaN fails too
        what = "beyond a million nats" if bool(losses.isfinite().all()) else "not a finite number"
        raise TrainingError(f"the loss is {what}; lower --lr, or look for damaged images")
    loss = (losses.double() * FIXED_POINT).round().long().sum()
    correct = (logits.argmax(dim=1) == labels).sum()
    return torch.stack([loss, correct, torch.full_like(correct, len(labels))])
