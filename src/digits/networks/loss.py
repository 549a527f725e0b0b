"""The training loss: cross-entropy with the labels, and with a teacher's predictions (distillation).

loss = (1 - w) * cross_entropy(targets, softmax(z))
       + w * T^2 * cross_entropy(softmax(t / T), softmax(z / T))

z        logits of the network in training
targets  1 for the right class and 0 for the others; label smoothing spreads part of the 1 over all
         classes (Szegedy et al. 2016, "Rethinking the Inception architecture", section 7)
t        logits of the teacher, a trained network; w is its weight and T the distillation temperature
         (Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a neural network", section 2)
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


def smoothed(targets: Tensor, smoothing: float) -> Tensor:
    """Return one-hot targets (B, classes) after label smoothing.

    The share `smoothing` of each row, from 0 to below 1, is spread evenly over all classes. Every row still
    sums to 1.
    """
    return targets * (1 - smoothing) + smoothing / targets.shape[1] if smoothing else targets


@dataclass(frozen=True)
class Loss:
    """The loss of one batch as a function of the network's logits (B, classes)."""

    targets: Tensor  # (B, classes), each row sums to 1
    teacher_logits: Tensor | None = None  # (B, classes); None: no distillation
    teacher_weight: float = 0.0  # w, from 0 to 1
    distillation_temperature: float = 1.0  # T, above 0

    def summed(self, logits: Tensor) -> Tensor:
        """Return the sum of the losses of all images, a scalar that autograd can differentiate."""
        loss = F.cross_entropy(logits, self.targets, reduction="sum")
        if self.teacher_logits is None:
            return loss
        t = self.distillation_temperature
        teacher = (self.teacher_logits / t).softmax(dim=1)
        distillation = F.cross_entropy(logits / t, teacher, reduction="sum")
        return (1 - self.teacher_weight) * loss + self.teacher_weight * t * t * distillation

    def gradient(self, logits: Tensor) -> Tensor:
        """Return the gradient (B, classes) of `summed` with respect to the logits, without autograd."""
        gradient = logits.softmax(dim=1).sub_(self.targets)  # Bishop 2006, equation 4.109
        if self.teacher_logits is None:
            return gradient
        t = self.distillation_temperature
        distillation = (logits / t).softmax(dim=1).sub_((self.teacher_logits / t).softmax(dim=1))
        return gradient.mul_(1 - self.teacher_weight).add_(distillation, alpha=self.teacher_weight * t)
