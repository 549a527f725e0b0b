"""A dropout layer whose random numbers come from a given generator.

Dropout sets random inputs of a layer to zero during training, which reduces overfitting.
"""

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """A dropout layer that multiplies its input by a mask.

    In training mode, each number is set to zero with probability `p`. The other numbers are divided by
    1 - p, so that the expected value stays the same. In evaluation mode, the input is not changed.

    Before each training step, assign a new mask:

        layer.mask = layer.draw(batch_size, generator)

    Source: "inverted dropout", Srivastava et al. 2014, "Dropout", section 10.

    Args:
        features: length of each input vector.
        p: probability that a number is set to zero, from 0 to below 1.
    """

    def __init__(self, features: int, p: float) -> None:
        super().__init__()
        self.features, self.p = features, p
        self.mask = torch.ones(1, features)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return a random mask for `count` vectors.

        Args:
            count: number of vectors in the batch.
            generator: source of the random numbers.

        Returns:
            float32 (count, features), on the generator's device. Each value is 0 or 1 / (1 - p).
        """
        kept = torch.empty(count, self.features, device=generator.device).bernoulli_(
            1 - self.p, generator=generator
        )
        return kept.div_(1 - self.p)

    def forward(self, x: Tensor) -> Tensor:
        """Return x (B, features), multiplied by the mask in training mode and unchanged otherwise."""
        return x * self.mask if self.training and self.p else x
