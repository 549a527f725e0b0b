"""An ensemble: several networks that predict together, by the mean of their probabilities."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from digits.networks.network import Network


class Ensemble(nn.Module):
    """Several networks that are used like a single network.

    The ensemble's class probabilities are the mean of its members' class probabilities. Like a single
    network, an ensemble returns logits. They are the logarithm of the mean, divided by `temperature`. At
    temperature 1, the softmax of these logits is the mean.

    Args:
        members: the networks, all with the same number of classes.
    """

    temperature: Tensor

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("temperature", torch.tensor(1.0))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images.

        Args:
            images: float (B, 1, 28, 28) in [0, 1], white ink on black.

        Returns:
            float (B, classes).
        """
        logs = torch.stack([member(images).log_softmax(dim=1) for member in self.members])  # (N, B, classes)
        mean = logs.logsumexp(dim=0) - torch.tensor(len(self.members), device=logs.device).log()
        return mean / self.temperature

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Return the class probabilities of images.

        Args:
            images: float (B, 1, 28, 28) in [0, 1], white ink on black.

        Returns:
            float (B, classes); each row sums to 1.
        """
        probabilities: Tensor = self(images).softmax(dim=1)
        return probabilities
