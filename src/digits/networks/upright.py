"""Remove the slant of digits before the network sees them."""

import torch
from torch import Tensor

from digits.data.augmentation import warp
from digits.mnist import SIDE

FAINT = 1e-6  # divides where there is no ink


def upright(images: Tensor) -> Tensor:
    """Images (B, 1, 28, 28) in [0, 1], their rows moved sideways so that the digits do not lean.

    A row moves in proportion to its height above the ink's centre, by as much as leaves no correlation
    between how far right and how high a pixel of ink is; by at most a pixel a row, which is 45 degrees.
    Between pixels, and from the paper beside them, linearly. LeCun et al. 1998, section III.A: "deslanted".
    """
    place = torch.arange(SIDE, device=images.device, dtype=images.dtype) - (SIDE - 1) / 2
    image = images.squeeze(1)  # (B, 28, 28)
    rows, right = image.sum(dim=2), (image * place).sum(dim=2)  # (B, 28): ink, and how far right it is
    ink = rows.sum(dim=1, keepdim=True).clamp(min=FAINT)  # (B, 1)
    high = place - (rows * place).sum(dim=1, keepdim=True) / ink  # (B, 28): rows from the ink's centre
    spread = (rows * high**2).sum(dim=1, keepdim=True).clamp(min=FAINT)
    lean = ((right * high).sum(dim=1, keepdim=True) / spread).clamp(-1, 1)  # (B, 1): pixels a row
    x = place + (lean * high).unsqueeze(2)  # (B, 28, 28): where each pixel is taken from
    return warp(images, torch.stack([x, place.unsqueeze(1).expand_as(x)], dim=1) * (2 / SIDE))
