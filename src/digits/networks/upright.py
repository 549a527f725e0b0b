"""Remove the slant of digits ("deslanting") before a network sees them."""

import torch
from torch import Tensor

from digits.data.augmentation import warp
from digits.mnist import SIDE
from digits.networks.numpy_layers import LEAST_INK


def upright(images: Tensor) -> Tensor:
    """Return images (B, 1, 28, 28) in [0, 1] sheared horizontally so that each digit stands upright.

    Each row moves sideways by its distance from the centre of mass of the ink, times the slope of the line
    that predicts a pixel's x from its y (least squares, weighted by ink). The slope is limited to 1 pixel
    per row, that is 45 degrees. Values between pixels are interpolated linearly; outside the image there is
    no ink. Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition", section
    III.A. `numpy_layers.Upright` computes the same with NumPy.
    """
    place = torch.arange(SIDE, device=images.device, dtype=images.dtype) - (SIDE - 1) / 2
    image = images.squeeze(1)  # (B, 28, 28)
    rows, right = image.sum(dim=2), (image * place).sum(dim=2)  # (B, 28): ink per row, and times its x
    ink = rows.sum(dim=1, keepdim=True).clamp(min=LEAST_INK)  # (B, 1)
    high = place - (rows * place).sum(dim=1, keepdim=True) / ink  # (B, 28): rows from the centre of mass
    spread = (rows * high**2).sum(dim=1, keepdim=True).clamp(min=LEAST_INK)
    slope = ((right * high).sum(dim=1, keepdim=True) / spread).clamp(-1, 1)  # (B, 1): pixels per row
    x = place + (slope * high).unsqueeze(2)  # (B, 28, 28): the x that each pixel is taken from
    return warp(images, torch.stack([x, place.unsqueeze(1).expand_as(x)], dim=1) * (2 / SIDE))
