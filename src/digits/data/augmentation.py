"""Change the images of a batch at random, similar to other people's handwriting.

`augment` consists of two steps:
    1. `draw_numbers` returns random numbers for the batch.
    2. `distort` uses them to change the images. This step has no randomness.

`distort` makes these changes, one after another:
    - `thicken` makes strokes thicker or thinner.
    - `warp` rotates, scales, shears, moves and bends the digit.
    - `sharpen` makes the edges of strokes sharper.
    - `erase` fills a rectangle with grey.

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

# Columns of the random numbers that `draw_numbers` returns. AFFINE is for rotation, scaling, shear and
# translation, WEIGHT for the thickness, RECTANGLE for erasing, SHARPNESS for the sharpness.
# These 14 numbers are uniform. Normal numbers for elastic distortion follow.
AFFINE, WEIGHT, RECTANGLE, SHARPNESS = slice(0, 6), 6, slice(7, 13), 13
UNIFORM = 14  # number of uniform random numbers for each image
# Grey value that sharpening does not change. It is below 0.5, because thin strokes in MNIST are mostly grey.
SOFT = 0.4
# Elastic modes are smooth displacement fields (see `elastic_modes`). Weak ones are left out. The others keep
# this part of the variance. The displacements change by about 3 % of their size (the square root of 0.001).
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
        generator: Source of the random numbers.
    Returns:
        Changed images of the same type and shape; `images` itself if all strengths are 0.
    Raises:
        DataError: if the images have another type or shape.
    """
    return distort(images, augmentation, draw_numbers(len(images), augmentation, generator))


def draw_numbers(count: int, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Return the random numbers for `distort`.

    Args:
        count: Number of images B.
        augmentation: Its `elastic` and `smoothness` decide how many numbers are needed.
        generator: Source of the random numbers.
    Returns:
        float32, one row for each image, on the generator's device:
            (B, 14) without elastic distortion, uniform in [-1, 1).
            (B, 14 + 2 M) with M elastic modes. The other 2 M are standard normal.
    """
    # Each of several training processes draws the numbers of the whole batch and uses the rows of its own
    # images. So the result does not depend on the number of processes.
    numbers = torch.empty(count, UNIFORM, device=generator.device).uniform_(-1, 1, generator=generator)
    if not augmentation.elastic:
        return numbers
    modes = len(elastic_modes(augmentation.smoothness))
    normal = torch.empty(count, 2 * modes, device=generator.device).normal_(generator=generator)
    return torch.cat([numbers, normal], 1)


def distort(images: Tensor, augmentation: Augmentation, draws: Tensor) -> Tensor:
    """Change each image of a batch with given random numbers.

    Args:
        images: float32 or float64 (B, 1, 28, 28) in [0, 1].
        augmentation: Strength of each change; 0 turns it off.
        draws: Random numbers from `draw_numbers`, one row for each image.
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
        images = sharpen(images, (1 + augmentation.sharpness) ** ((draws[:, SHARPNESS] + 1) / 2))
    if augmentation.erasing:
        images = erase(images, *_rectangles(augmentation.erasing, (draws[:, RECTANGLE] + 1) / 2))
    return images


def warp(images: Tensor, positions: Tensor) -> Tensor:
    """Build new images from given positions in the old images.

    For each new pixel a position in the old image is given.
    The new pixel gets the interpolated value there, or 0 outside the old image.

    Args:
        images: float (B, 1, 28, 28) in [0, 1], the old images.
        positions: float (B, 2, 28, 28), x and y in the old image for each new pixel.
            -1 is the left or upper edge, 1 the right or lower edge.
    Returns:
        float (B, 1, 28, 28) in [0, 1].
    """
    grid = positions.permute(0, 2, 3, 1)  # (B, 28, 28, 2)
    # Bilinear interpolation. Rounding errors can make a value slightly larger than 1, so it is clamped.
    return F.grid_sample(images, grid, align_corners=False).clamp_(0, 1)


def _positions(augmentation: Augmentation, draws: Tensor) -> Tensor:
    """Compute the positions for `warp` from random numbers.

    Args:
        augmentation: Strengths of the changes.
        draws: (B, N), random numbers from `draw_numbers`.
    Returns:
        (B, 2, 28, 28), x and y in the old image. The image reaches from -1 to 1.
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
    # An affine map (rotation, scaling, shear, translation) of each pixel, plus its elastic displacement. One
    # matrix product computes both for the whole batch.
    basis = _basis(augmentation.elastic, augmentation.smoothness, draws.dtype, draws.device)
    # One sum of the modes for the displacements along x, another one for those along y.
    normal = draws[:, UNIFORM:].view(len(draws), 2, len(basis) - 3)
    positions = torch.cat([matrices, normal], 2) @ basis  # (B, 2, 3 + M) @ (3 + M, 784)
    return positions.view(-1, 2, SIDE, SIDE)


@functools.lru_cache(maxsize=16)
def _basis(elastic: float, smoothness: float, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the fixed part of the positions for `warp`.

    Each row has one number for each pixel.
    The positions are sums of the rows, each multiplied by a random weight.

    Args:
        elastic: Strength of elastic distortion; 0 for no modes.
        smoothness: Smoothness of elastic distortion in pixels.
        dtype, device: Type and device of the result.
    Returns:
        (3 + M, 784): rows x, y and 1, then M elastic modes. The unit is half an image.
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
    """Return matrices that scale, shear, rotate and move digits.

    The changes happen in this order.

    Args:
        angle: (B,), rotation anticlockwise in radians.
        scale_x, scale_y: (B,), factors of width and height.
        shear: (B,), angle in radians by which the digit leans to the right.
        right, down: (B,), translation in pixels.
    Returns:
        (B, 2, 3). Matrix @ (new x, new y, 1) = (old x, old y), in pixels.
    """
    # The inverse of the changes, because a warp needs the old position of each new pixel.
    cos, sin, lean = angle.cos(), angle.sin(), shear.tan()
    unturn_unshear = torch.stack([cos + lean * sin, lean * cos - sin, sin, cos], 1).view(-1, 2, 2)
    linear = unturn_unshear / torch.stack([scale_x, scale_y], 1).unsqueeze(2)
    offset = linear @ torch.stack([right, down], 1).unsqueeze(2)
    return torch.cat([linear, -offset], 2)


@functools.lru_cache(maxsize=16)
def elastic_modes(smoothness: float) -> Tensor:
    """Return smooth displacement fields for elastic distortion.

    Elastic distortion moves each pixel by a random distance; neighbours move nearly alike.
    The distances are the sum of all fields, each multiplied by a random number.

    Args:
        smoothness: Standard deviation in pixels of the Gaussian that smooths the distances.
    Returns:
        float64 (M, 28, 28), displacements in pixels for strength 1. The strongest is first.

    Source: Simard, Steinkraus and Platt 2003, section 2.
    """
    # Simard et al. draw a uniform random number from -1 to 1 for each pixel, and smooth these numbers with a
    # Gaussian. The smoothed numbers are nearly normal. Two pixels at the distance d have the covariance
    # exp(-d² / (4 s²)) / (12 pi s²), where s is `smoothness`. The modes are the eigenvectors of this
    # covariance, multiplied by the square roots of the eigenvalues (Karhunen-Loève expansion). A sum of all
    # modes, each multiplied by a standard normal number, has the same covariance. It needs fewer random
    # numbers: for s = 4, 42 instead of 784 along each axis.
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

    Thicker: each pixel gets the highest value among itself and its four neighbours.
    Thinner: it gets the lowest value.

    Args:
        images: float (B, 1, 28, 28) in [0, 1].
        radius: float (B,) from -1 to 1, pixels by which the edges move outwards.
    Returns:
        float (B, 1, 28, 28) in [0, 1].
    """
    # The result is a mean of the old image and of a thicker or thinner one. The weight of the second image
    # is |radius|. The maximum over the neighbours is called dilation, the minimum erosion.
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
    """Make the edges of strokes sharper by more contrast.

    Args:
        images: float (B, 1, 28, 28) in [0, 1].
        factor: float (B,), at least 1. With 1 nothing changes, 2 doubles the contrast.
    Returns:
        float (B, 1, 28, 28) in [0, 1].
    """
    # The factor multiplies the difference between each pixel and SOFT.
    return torch.lerp(images.new_tensor(SOFT), images, factor.view(-1, 1, 1, 1)).clamp_(0, 1)


def erase(images: Tensor, left: Tensor, top: Tensor, width: Tensor, height: Tensor, grey: Tensor) -> Tensor:
    """Fill one rectangle of each image with a grey value.

    Args:
        images: float (B, 1, 28, 28) in [0, 1].
        left, top: (B,), whole pixels from the upper left corner of the image.
        width, height: (B,), size in whole pixels. Height 0 fills nothing.
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
        probability: Probability of a rectangle. Without one its height is 0.
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
