"""Several networks that answer as one."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from digits.networks.network import Network


class Ensemble(nn.Module):
    """Several networks that answer as one: the mean of their probabilities.

    The logits are the logarithm of that mean, so that at temperature 1 their softmax is the mean itself and
    everything that takes logits works as for a single network.
    """

    temperature: Tensor

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("temperature", torch.tensor(1.0))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, classes) of images (B, 1, 28, 28) in [0, 1]."""
        logs = torch.stack([member(images).log_softmax(dim=1) for member in self.members])  # (N, B, classes)
        mean = logs.logsumexp(dim=0) - torch.tensor(len(self.members), device=logs.device).log()
        return mean / self.temperature

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Softmax of the logits: (B, classes), every row sums to 1."""
        probabilities: Tensor = self(images).softmax(dim=1)
        return probabilities
