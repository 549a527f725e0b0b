"""An ensemble: several networks whose probabilities are averaged."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from digits.networks.network import Network


class Ensemble(nn.Module):
    """Several networks used as one: its class probabilities are the mean of theirs.

    It returns the logarithm of that mean as logits, so it can be used wherever a single network can. At
    temperature 1 the softmax of these logits is the mean itself.
    """

    temperature: Tensor

    def __init__(self, members: Sequence[Network]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("temperature", torch.tensor(1.0))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (B, classes) of images (B, 1, 28, 28) in [0, 1]."""
        logs = torch.stack([member(images).log_softmax(dim=1) for member in self.members])  # (N, B, classes)
        mean = logs.logsumexp(dim=0) - torch.tensor(len(self.members), device=logs.device).log()
        return mean / self.temperature

    @torch.inference_mode()
    def probabilities(self, images: Tensor) -> Tensor:
        """Return the class probabilities (B, classes) of images (B, 1, 28, 28) in [0, 1]; rows sum to 1."""
        probabilities: Tensor = self(images).softmax(dim=1)
        return probabilities
