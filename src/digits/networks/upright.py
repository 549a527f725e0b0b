"""Remove the slant of handwritten digits, which is called deslanting."""

import torch
from torch import Tensor

from digits.data.augmentation import warp
from digits.mnist import SIDE
from digits.networks.numpy_layers import LEAST_INK


def upright(images: Tensor) -> Tensor:
    """Remove the slant of the digit in each image.

    A straight line is fitted to the ink from top to bottom.
    Then each row moves sideways until the line is vertical.

    Args:
        images: float (B, 1, 28, 28) in [0, 1], white ink on black.

    Returns:
        float (B, 1, 28, 28) in [0, 1].

    Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", section III.A.
    """
    # The line is a least-squares fit of x by y, with the pixel values as weights. Its slope is limited to 1
    # pixel per row, which is 45 degrees. Each row moves by the slope times its distance from the centre of
    # mass. Pixels outside the image are 0. `numpy_layers.Upright` computes the same with NumPy.
    # (28,): x of each column, or y of each row, in pixels from the middle of the image
    from_middle = torch.arange(SIDE, device=images.device, dtype=images.dtype) - (SIDE - 1) / 2
    image = images.squeeze(1)  # (B, 28, 28)
    row_ink = image.sum(dim=2)  # (B, 28): sum of the pixels of each row
    row_moment = (image * from_middle).sum(dim=2)  # (B, 28): sum of pixel times x
    ink = row_ink.sum(dim=1, keepdim=True).clamp(min=LEAST_INK)  # (B, 1)
    centre = (row_ink * from_middle).sum(dim=1, keepdim=True) / ink  # (B, 1): y of the centre of mass
    y = from_middle - centre  # (B, 28): y of each row, from the centre of mass
    spread = (row_ink * y**2).sum(dim=1, keepdim=True).clamp(min=LEAST_INK)  # (B, 1)
    slope = ((row_moment * y).sum(dim=1, keepdim=True) / spread).clamp(-1, 1)  # (B, 1): pixels per row
    x = from_middle + (slope * y).unsqueeze(2)  # (B, 28, 28): the x that each pixel is taken from
    # `warp` measures positions in halves of the image: -1 is its left or top edge, 1 the right or bottom one.
    return warp(images, torch.stack([x, from_middle.unsqueeze(1).expand_as(x)], dim=1) * (2 / SIDE))
