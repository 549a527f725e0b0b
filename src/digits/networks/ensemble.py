"""An ensemble: several networks that predict together, by the mean of their probabilities."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from digits.networks.network import LogitModule, Network


class Ensemble(LogitModule):
    """A group of networks that works like a single network.

    Its class probabilities are the mean of its members' class probabilities.
    The number `temperature` divides its logits; it is 1 at first.

    Args:
        members: the networks, all with the same number of classes.
    """

    temperature: Tensor

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("temperature", torch.tensor(1.0))

    def forward(self, images: Tensor) -> Tensor:
        """Compute the logits of images.

        Args:
            images: float (B, 1, 28, 28) in [0, 1], white ink on black.

        Returns:
            float (B, classes).
        """
        # The logarithms of the mean probabilities serve as logits: their softmax is the mean again.
        # `forward`, because the call of the ensemble has checked the images.
        logs = torch.stack(
            [member.forward(images).log_softmax(1) for member in self.members]
        )  # (N, B, classes)
        mean = logs.logsumexp(dim=0) - torch.tensor(len(self.members), device=logs.device).log()
        return mean / self.temperature
