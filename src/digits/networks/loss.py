"""Compute the training loss: cross-entropy with label smoothing and distillation.

Label smoothing replaces the target 1 of the right class by a slightly smaller number, and the target 0 of
the other classes by a small positive number. Distillation trains a network to predict the same
probabilities as a teacher, which is a network that is trained already. For one image:

    loss = (1 - w) * cross_entropy(targets, softmax(z))
           + w * T^2 * cross_entropy(softmax(t / T), softmax(z / T))

    z        logits of the network in training
    targets  one number per class: 1 for the right class and 0 for the others, or smoothed
    t        logits of the teacher
    w        weight of the teacher, from 0 (no distillation) to 1 (labels are ignored)
    T        distillation temperature; a higher one gives the teacher's less likely classes more weight

Sources: Szegedy et al. 2016, "Rethinking the Inception architecture", section 7 (label smoothing); Hinton,
Vinyals and Dean 2015, "Distilling the knowledge in a neural network", section 2.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


def smoothed(targets: Tensor, smoothing: float) -> Tensor:
    """Apply label smoothing to one-hot targets.

    With smoothing 0.1 and 10 classes, 1 becomes 0.91 and 0 becomes 0.01.

    Args:
        targets: float (B, classes); each row sums to 1.
        smoothing: fraction spread evenly over all classes, from 0 to below 1.

    Returns:
        float (B, classes); each row sums to 1.
    """
    return targets * (1 - smoothing) + smoothing / targets.shape[1] if smoothing else targets


@dataclass(frozen=True)
class Loss:
    """The loss function for one batch of B images."""

    targets: Tensor  # float (B, classes); each row sums to 1
    teacher_logits: Tensor | None = None  # t, float (B, classes); None: no distillation
    teacher_weight: float = 0.0  # w, from 0 to 1
    distillation_temperature: float = 1.0  # T, above 0

    def summed(self, logits: Tensor) -> Tensor:
        """Compute the sum of the losses of all images in the batch.

        Args:
            logits: float (B, classes).

        Returns:
            A scalar tensor that autograd can differentiate.
        """
        loss = F.cross_entropy(logits, self.targets, reduction="sum")
        if self.teacher_logits is None:
            return loss
        t = self.distillation_temperature
        teacher = (self.teacher_logits / t).softmax(dim=1)
        distillation = F.cross_entropy(logits / t, teacher, reduction="sum")
        return (1 - self.teacher_weight) * loss + self.teacher_weight * t * t * distillation

    def gradient(self, logits: Tensor) -> Tensor:
        """Compute the gradient of `summed` with respect to the logits.

        Args:
            logits: float (B, classes).

        Returns:
            float (B, classes).
        """
        gradient = logits.softmax(dim=1).sub_(self.targets)  # Bishop 2006, equation 4.109
        if self.teacher_logits is None:
            return gradient
        t = self.distillation_temperature
        distillation = (logits / t).softmax(dim=1).sub_((self.teacher_logits / t).softmax(dim=1))
        return gradient.mul_(1 - self.teacher_weight).add_(distillation, alpha=self.teacher_weight * t)
