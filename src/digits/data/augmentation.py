"""Change the images of a batch at random, as if other people had written the digits.

`augment` consists of two steps:
    1. `draw` returns random numbers for the batch.
    2. `distort` uses them to change the thickness of strokes, the geometry (`warp`) and the sharpness, and to
       erase rectangles. This step has no randomness.

Rotation, scaling, shear, translation and elastic distortion are done together in one warp: for each pixel of
the new image, a position in the old image is computed, and the value at this position is interpolated. All
positions of a batch are computed by one matrix product.

All images are float (B, 1, 28, 28) in [0, 1], on any device. The given images stay unchanged. Positions and
lengths are in pixels unless stated otherwise. The origin is the centre of the image; x points to the right
and y downwards. docs/augmentation.md shows an example of each change.
"""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.errors import DataError
from digits.mnist import SIDE
from digits.options import Augmentation

# Columns of the random numbers that `draw` returns. The first 14 are uniform: those for the affine map, the
# thickness, the erased rectangle and the sharpness. Normal ones for elastic distortion follow.
AFFINE, WEIGHT, RECTANGLE, EDGE = slice(0, 6), 6, slice(7, 13), 13
UNIFORM = 14  # number of uniform random numbers for each image
# Grey value that sharpening does not change. It is below 0.5, because thin strokes in MNIST are mostly grey.
SOFT = 0.4
# The elastic modes keep this part of the variance of the displacements. The part that they leave out has 3 %
# of the size of the displacements.
KEPT = 0.999
# Range of the area of an erased rectangle, as a fraction of the image. Zhong et al. 2020 erase up to 0.4, but
# in images that an object fills. A digit's box is only half of its image.
ERASED_AREA = (0.02, 0.2)
ERASED_ASPECT = (0.3, 1 / 0.3)  # range of the height of an erased rectangle divided by its width


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Change each image of a batch at random.

    Args:
        images: float32 or float64 (B, 1, 28, 28) in [0, 1].
        augmentation: Strength of each change; 0 turns it off.
        generator: Source of the random numbers. The same state of the generator gives the same result.
    Returns:
        Changed images of the same type and shape; `images` itself if all strengths are 0.
    Raises:
        DataError: if the images have another type or shape.
    """
    return distort(images, augmentation, draw(len(images), augmentation, generator))


def draw(count: int, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Return the random numbers that `distort` needs, one row for each image.

    This is a separate function for training with several processes. Each process draws the numbers of the
    whole batch and uses only the rows of its images, so the result does not depend on their number.

    Elastic distortion needs additional numbers. Otherwise the strengths have no influence on the numbers.

    Args:
        count: Number of images B.
        augmentation: Says whether elastic distortion is on, and its smoothness.
        generator: Source of the random numbers.
    Returns:
        float32 (B, 14) on the generator's device, uniform in [-1, 1). With elastic distortion it is
        (B, 14 + 2 M) for M elastic modes, and the additional numbers have a standard normal distribution.
    """
    numbers = torch.empty(count, UNIFORM, device=generator.device).uniform_(-1, 1, generator=generator)
    if not augmentation.elastic:
        return numbers
    modes = len(elastic_modes(augmentation.smoothness))
    normal = torch.empty(count, 2 * modes, device=generator.device).normal_(generator=generator)
    return torch.cat([numbers, normal], 1)


def distort(images: Tensor, augmentation: Augmentation, draws: Tensor) -> Tensor:
    """Change each image of a batch, with random numbers that were drawn before.

    Args:
        images: float32 or float64 (B, 1, 28, 28) in [0, 1].
        augmentation: Strength of each change; 0 turns it off.
        draws: One row of random numbers for each image, as `draw` returns them.
    Returns:
        Changed images of the same type and shape; `images` itself if all strengths are 0.
    Raises:
        DataError: if the images have another type or shape.
    """
    if images.shape[1:] != (1, SIDE, SIDE) or images.dtype not in (torch.float32, torch.float64):
        raise DataError(
            f"the images are {images.dtype} of the shape {tuple(images.shape)}; "
            f"expected float32 or float64 (B, 1, {SIDE}, {SIDE}), with values from 0 to 1"
        )
    draws = draws.to(images)
    if augmentation.thickness:
        images = thicken(images, augmentation.thickness * draws[:, WEIGHT])
    if augmentation.warps:
        images = warp(images, _positions(augmentation, draws))
    if augmentation.sharpness:
        images = sharpen(images, (1 + augmentation.sharpness) ** ((draws[:, EDGE] + 1) / 2))
    if augmentation.erasing:
        images = erase(images, *_rectangles(augmentation.erasing, (draws[:, RECTANGLE] + 1) / 2))
    return images


def warp(images: Tensor, positions: Tensor) -> Tensor:
    """Return new images whose pixels are taken from given positions of the old images.

    Values between pixels are interpolated bilinearly. Outside the old image they are 0.

    Args:
        images: float (B, 1, 28, 28) in [0, 1].
        positions: float (B, 2, 28, 28), for each new pixel its x and y in the old image. The unit is that of
            PyTorch's grid_sample: -1 is the left or upper edge of the image, 1 the right or lower edge.
    Returns:
        float (B, 1, 28, 28) in [0, 1].
    """
    grid = positions.permute(0, 2, 3, 1)  # (B, 28, 28, 2)
    # Clamped, because rounding errors can make a value slightly larger than 1.
    return F.grid_sample(images, grid, align_corners=False).clamp_(0, 1)


def _positions(augmentation: Augmentation, draws: Tensor) -> Tensor:
    """Compute the positions for `warp`: an affine map of each pixel plus its elastic displacement.

    Args:
        augmentation: Strengths of the changes.
        draws: (B, N), as `draw` returns them.
    Returns:
        (B, 2, 28, 28) as x and y, in the unit of `warp`.
    """
    turn, wider, higher, slant, right, down = draws[:, AFFINE].unbind(1)
    matrices = affine_matrices(
        math.radians(augmentation.rotation) * turn,
        (1 + augmentation.scaling) ** wider,
        (1 + augmentation.scaling) ** higher,
        math.radians(augmentation.shear) * slant,
        augmentation.translation * right,
        augmentation.translation * down,
    )
    basis = _basis(augmentation.elastic, augmentation.smoothness, draws.dtype, draws.device)
    normal = draws[:, UNIFORM:].view(len(draws), 2, len(basis) - 3)
    positions = torch.cat([matrices, normal], 2) @ basis  # (B, 2, 3 + M) @ (3 + M, 784)
    return positions.view(-1, 2, SIDE, SIDE)


@functools.lru_cache(maxsize=16)
def _basis(elastic: float, smoothness: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the fixed fields from which all positions are computed as weighted sums.

    A field is one number for each pixel. The rows are the x and the y of each pixel, a constant, and the M
    elastic modes. The constant allows translation.

    Args:
        elastic: Strength of elastic distortion; 0 for no modes.
        smoothness: Smoothness of elastic distortion in pixels.
        dtype, device: Type and device of the result.
    Returns:
        (3 + M, 784), in the unit of `warp`.
    """
    place = torch.arange(SIDE, dtype=torch.float64) - (SIDE - 1) / 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    rows = torch.stack([x, y, torch.ones_like(x)])
    if elastic:
        rows = torch.cat([rows, elastic * elastic_modes(smoothness)])
    return (rows.flatten(1) * (2 / SIDE)).to(dtype).to(device)  # half an image is 1


def affine_matrices(
    angle: Tensor, scale_x: Tensor, scale_y: Tensor, shear: Tensor, right: Tensor, down: Tensor
) -> Tensor:
    """Return the affine maps from positions in the new images to positions in the old images.

    The digit is first scaled, then sheared, then rotated, then moved. The matrices contain the inverse of
    these steps, because a warp needs the old position of each new pixel.

    Args:
        angle: (B,), rotation anticlockwise in radians.
        scale_x, scale_y: (B,), factors of width and height.
        shear: (B,), angle in radians by which the digit leans to the right.
        right, down: (B,), translation in pixels.
    Returns:
        (B, 2, 3). The product with (x, y, 1) of a new pixel is (x, y) in the old image, in pixels.
    """
    cos, sin, lean = angle.cos(), angle.sin(), shear.tan()
    unturn_unshear = torch.stack([cos + lean * sin, lean * cos - sin, sin, cos], 1).view(-1, 2, 2)
    linear = unturn_unshear / torch.stack([scale_x, scale_y], 1).unsqueeze(2)
    offset = linear @ torch.stack([right, down], 1).unsqueeze(2)
    return torch.cat([linear, -offset], 2)


@functools.lru_cache(maxsize=16)
def elastic_modes(smoothness: float) -> Tensor:
    """Return the modes of elastic distortion: smooth fields of displacements.

    Elastic distortion moves each pixel by a random displacement that changes smoothly over the image. Here
    the displacements along x are the sum of all modes, each multiplied by a standard normal random number.
    Those along y are a second such sum.

    Simard et al. draw a uniform random number from -1 to 1 for each pixel and smooth these numbers with a
    Gaussian. The smoothed numbers have, nearly, a joint normal distribution. The covariance of two pixels at
    the distance d is exp(-d² / (4 s²)) / (12 pi s²), where s is `smoothness`. The modes are the eigenvectors
    of this covariance, multiplied by the square roots of the eigenvalues (Karhunen-Loève expansion). They
    need fewer random numbers: for s = 4, 42 instead of 784 along each axis.

    Args:
        smoothness: Standard deviation of the Gaussian in pixels.
    Returns:
        float64 (M, 28, 28), displacements in pixels for the strength 1. The strongest mode is the first.

    Source: Simard, Steinkraus and Platt 2003, section 2.
    """
    place = torch.arange(SIDE, dtype=torch.float64)
    distance = place[:, None] - place
    powers, lines = torch.linalg.eigh(torch.exp(-(distance**2) / (4 * smoothness**2)))
    # Eigenvectors have an arbitrary sign. Making their first value positive gives the same modes everywhere.
    lines = lines * powers.clamp(min=0).sqrt() * lines[0].sign()
    # A mode is the outer product of two one-dimensional eigenvectors, one for y and one for x.
    shares = torch.outer(powers, powers).flatten()  # (784,), variance of each possible mode
    order = shares.argsort(descending=True, stable=True)
    count = int((shares[order].cumsum(0) < KEPT * shares.sum()).sum()) + 1
    modes = torch.einsum("yk,xl->klyx", lines, lines).flatten(0, 1)[order[:count]]
    return modes / (smoothness * math.sqrt(12 * math.pi))


def thicken(images: Tensor, radius: Tensor) -> Tensor:
    """Make the strokes of each image thicker or thinner.

    For thicker strokes, the maximum of each pixel and its four neighbours is computed (a dilation). For
    thinner strokes it is the minimum (an erosion). The result is a mean of the old image and this image, in
    which this image has the weight |radius|.

    Args:
        images: float (B, 1, 28, 28) in [0, 1].
        radius: float (B,) from -1 to 1: pixels by which the edges of strokes move outwards. Negative values
            make strokes thinner.
    Returns:
        float (B, 1, 28, 28) in [0, 1].
    """
    radius = radius.view(-1, 1, 1, 1)
    sign = radius.sign()
    signed = images * sign  # allows one code for both: an erosion of x is minus the dilation of -x
    grown = signed.clone()
    for axis in (2, 3):
        for start in (0, 1):
            here, there = grown.narrow(axis, start, SIDE - 1), signed.narrow(axis, 1 - start, SIDE - 1)
            torch.maximum(here, there, out=here)
    return torch.lerp(images, grown.mul_(sign), radius.abs())


def sharpen(images: Tensor, factor: Tensor) -> Tensor:
    """Increase the contrast of each image, which makes the edges of strokes sharper.

    The difference between each pixel and SOFT is multiplied by the factor. The result is clipped to [0, 1].

    Args:
        images: float (B, 1, 28, 28) in [0, 1].
        factor: float (B,), at least 1.
    Returns:
        float (B, 1, 28, 28) in [0, 1].
    """
    return torch.lerp(images.new_tensor(SOFT), images, factor.view(-1, 1, 1, 1)).clamp_(0, 1)


def erase(images: Tensor, left: Tensor, top: Tensor, width: Tensor, height: Tensor, grey: Tensor) -> Tensor:
    """Fill a rectangle of each image with a grey value.

    Args:
        images: float (B, 1, 28, 28) in [0, 1].
        left, top: (B,), position of the rectangle in whole pixels from the upper left corner of the image.
        width, height: (B,), size of the rectangle in whole pixels. With the height 0 nothing is filled.
        grey: (B,), value in [0, 1].
    Returns:
        float (B, 1, 28, 28) in [0, 1].
    """
    place = torch.arange(SIDE, device=images.device, dtype=images.dtype)
    across = (place >= left[:, None]) & (place < (left + width)[:, None])  # (B, 28)
    along = (place >= top[:, None]) & (place < (top + height)[:, None])
    inside = along.to(images)[:, None, :, None] * across.to(images)[:, None, None, :]  # (B, 1, 28, 28)
    return torch.lerp(images, grey.view(-1, 1, 1, 1), inside)  # four times as fast as torch.where


def _rectangles(probability: float, numbers: Tensor) -> tuple[Tensor, ...]:
    """Choose a rectangle for each image, from random numbers.

    Args:
        probability: Probability that an image gets a rectangle. Otherwise its height is 0.
        numbers: (B, 6), uniform in [0, 1).
    Returns:
        left, top, width, height and grey for `erase`, each (B,).
    """
    chance, area, aspect, across, along, grey = numbers.unbind(1)
    area = SIDE**2 * (ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * area)
    aspect = ERASED_ASPECT[0] * (ERASED_ASPECT[1] / ERASED_ASPECT[0]) ** aspect
    width = (area / aspect).sqrt().clamp(max=SIDE).round()
    height = (area * aspect).sqrt().clamp(max=SIDE).round()
    left, top = ((SIDE + 1 - width) * across).floor(), ((SIDE + 1 - height) * along).floor()
    return left, top, width, height * (chance < probability), grey
