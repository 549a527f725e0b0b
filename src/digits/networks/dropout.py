"""Dropout with masks drawn from a given generator."""

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout whose masks are drawn beforehand, from a generator that is passed in.

    While training, each number is zeroed with probability `p` and the others are divided by 1 - p, so that
    the expected sum stays (Srivastava et al. 2014, section 10, "inverted"). Otherwise, and with p = 0,
    nothing happens.
    """

    def __init__(self, features: int, p: float) -> None:
        super().__init__()
        self.features, self.p = features, p
        self.mask = torch.ones(1, features)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """A mask (count, features) for a batch: 0 or 1 / (1 - p)."""
        kept = torch.empty(count, self.features, device=generator.device).bernoulli_(
            1 - self.p, generator=generator
        )
        return kept.div_(1 - self.p)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, features), as it is or under the mask."""
        return x * self.mask if self.training and self.p else x
