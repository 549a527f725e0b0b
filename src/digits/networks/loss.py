"""What training makes small: cross-entropy, against labels and against a teacher.

    targets   1 for the right class and 0 for the others; smoothed, a little of the 1 goes to every class
              (Szegedy et al. 2016, section 7)
    teacher   the answers of another network, softened by a temperature T: what it holds possible besides the
              right class is worth learning too (Hinton, Vinyals and Dean 2015)

    loss = (1 - w) * cross_entropy(targets, softmax(z))
           + w * T^2 * cross_entropy(softmax(t / T), softmax(z / T))

`summed` is what autograd differentiates; `slope` is its derivative by the logits, written out.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


def smoothed(targets: Tensor, smoothing: float) -> Tensor:
    """Targets (B, classes) with `smoothing` of the whole spread evenly over all classes."""
    return targets * (1 - smoothing) + smoothing / targets.shape[1] if smoothing else targets


@dataclass(frozen=True)
class Loss:
    """The loss of one batch, as a function of the logits z (B, classes)."""

    targets: Tensor  # (B, classes), rows sum to 1
    teacher: Tensor | None = None  # its logits t, (B, classes)
    weight: float = 0.0  # w: the teacher's share, from 0 to 1
    temperature: float = 1.0  # T

    def summed(self, logits: Tensor) -> Tensor:
        """The losses of all images, added."""
        loss = F.cross_entropy(logits, self.targets, reduction="sum")
        if self.teacher is None:
            return loss
        t = self.temperature
        soft = F.cross_entropy(logits / t, (self.teacher / t).softmax(dim=1), reduction="sum")
        return (1 - self.weight) * loss + self.weight * t * t * soft

    def slope(self, logits: Tensor) -> Tensor:
        """d summed / d logits, (B, classes)."""
        slope = logits.softmax(dim=1).sub_(self.targets)  # Bishop 2006, eq. 4.109
        if self.teacher is None:
            return slope
        t = self.temperature
        soft = (logits / t).softmax(dim=1).sub_((self.teacher / t).softmax(dim=1))
        return slope.mul_(1 - self.weight).add_(soft, alpha=self.weight * t)
