"""Remove the slant of handwritten digits, which is called deslanting."""

import torch
from torch import Tensor

from digits.data.augmentation import warp
from digits.mnist import SIDE
from digits.networks.numpy_layers import LEAST_INK


def upright(images: Tensor) -> Tensor:
    """Return images in which each digit stands upright.

    The digit's slant is the slope of a straight line through its ink, from top to bottom. The line is fitted
    by least squares: it predicts the x of a pixel from its y, and each pixel has its value as weight. Each
    row then moves sideways by the slope times the row's distance from the centre of mass, until the line is
    vertical. The slope is limited to 1 pixel per row, which is 45 degrees.

    Values between two pixels are interpolated linearly, and pixels outside the image are 0.
    `numpy_layers.Upright` computes the same with NumPy. Source: LeCun et al. 1998, "Gradient-based learning
    applied to document recognition", section III.A.

    Args:
        images: float (B, 1, 28, 28) in [0, 1], white ink on black.

    Returns:
        float (B, 1, 28, 28) in [0, 1].
    """
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
