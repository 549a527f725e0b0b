"""Dropout whose masks are computed from a given random generator."""

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Dropout with a mask that is set beforehand.

    Set `mask` to the result of `draw` before each training step. In training mode each input is zeroed with
    probability `p`, and the others are divided by 1 - p, which keeps the expected sum ("inverted dropout":
    Srivastava et al. 2014, section 10). In evaluation mode, or with p = 0, the input passes unchanged.

    Args:
        features: length of the vectors (B, features) that are masked.
        p: probability of zeroing a number, 0 <= p < 1.
    """

    def __init__(self, features: int, p: float) -> None:
        super().__init__()
        self.features, self.p = features, p
        self.mask = torch.ones(1, features)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return a random mask (count, features) for `count` vectors, with the values 0 and 1 / (1 - p)."""
        kept = torch.empty(count, self.features, device=generator.device).bernoulli_(
            1 - self.p, generator=generator
        )
        return kept.div_(1 - self.p)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (B, features), multiplied by the mask in training mode."""
        return x * self.mask if self.training and self.p else x
