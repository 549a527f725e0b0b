"""A dropout layer whose random numbers come from a given generator.

Dropout sets random inputs of a layer to zero during training, which reduces overfitting.
"""

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """A dropout layer that multiplies its input by a mask.

    Dropout works only in training mode; otherwise the input does not change.
    Draw a new mask before each training step:

        layer.mask = layer.draw(batch_size, generator)

    Args:
        features: length of each input vector.
        p: probability to set a number to zero, from 0 to below 1.

    Source: Srivastava et al. 2014, "Dropout", section 10.
    """

    def __init__(self, features: int, p: float) -> None:
        super().__init__()
        self.features, self.p = features, p
        self.mask = torch.ones(1, features)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return a random mask for a batch.

        Args:
            count: number of vectors in the batch.
            generator: source of the random numbers.

        Returns:
            float32 (count, features), each value 0 or 1 / (1 - p).
            It is on the generator's device.
        """
        kept = torch.empty(count, self.features, device=generator.device).bernoulli_(
            1 - self.p, generator=generator
        )
        return kept.div_(1 - self.p)  # with this division, dropout does not change the mean of a number

    def forward(self, x: Tensor) -> Tensor:
        """Multiply the input by the mask in training mode.

        Args:
            x: (B, features).

        Returns:
            (B, features).
        """
        return x * self.mask if self.training and self.p else x
