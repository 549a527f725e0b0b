"""Augmentation: change a batch of digits as other people might have written them.

    augment()  =  draw()     random numbers for a batch, from the given generator
               +  distort()  stroke thickness, one warp, sharpness and erasing, without further randomness

Rotation, scaling, shear, translation and elastic distortion together are one warp: the position that each
pixel is taken from is a sum of fixed fields, weighted with a few numbers for each image. That is one matrix
product, and the image is interpolated only once.

All functions are pure, take images (B, 1, 28, 28), float in [0, 1], and work on any device. Lengths are in
pixels, from the image's centre, x to the right and y downwards. docs/augmentation.md shows each
transformation and says what it is good for.
"""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.errors import DataError
from digits.mnist import SIDE
from digits.options import Augmentation

# Places of an image's uniform random numbers in the rows of `draw`: for the affine map, the thickness, the
# erased rectangle and the sharpness. The normal ones for elastic distortion follow them.
AFFINE, WEIGHT, RECTANGLE, EDGE = slice(0, 6), 6, slice(7, 13), 13
UNIFORM = 14  # how many they are
SOFT = 0.4  # grey that sharpening keeps; below 0.5, because thin strokes of MNIST are mostly grey
KEPT = 0.999  # share of the variance of elastic displacements that is kept; what is lost is 3 % of their size
# Smallest and greatest area of an erased rectangle, as a share of the image, and its height over its width.
# Zhong et al. 2020 erase up to 0.4 of images that an object fills; a digit's box is half of its image.
ERASED_AREA = (0.02, 0.2)
ERASED_ASPECT = (0.3, 1 / 0.3)


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Return images (B, 1, 28, 28), float in [0, 1], each changed at random.

    The same state of the generator gives the same result. If every strength is 0, the tensor itself is
    returned. Strengths do not change which random numbers are drawn, only how they are used; elastic
    distortion draws additional ones, after the others. Raises DataError for tensors of another type or shape.
    """
    return distort(images, augmentation, draw(len(images), augmentation, generator))


def draw(count: int, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Return random numbers (count, N) for `distort`, one row for each image, on the generator's device.

    Drawing is separate from `distort` so that several processes can draw for the whole batch, and each use
    its share. N is UNIFORM, and with elastic distortion UNIFORM plus two for each of its modes.
    """
    numbers = torch.empty(count, UNIFORM, device=generator.device).uniform_(-1, 1, generator=generator)
    if not augmentation.elastic:
        return numbers
    modes = len(elastic_modes(augmentation.smoothness))
    normal = torch.empty(count, 2 * modes, device=generator.device).normal_(generator=generator)
    return torch.cat([numbers, normal], 1)


def distort(images: Tensor, augmentation: Augmentation, draws: Tensor) -> Tensor:
    """Return images (B, 1, 28, 28), each changed by its row of `draws` (B, N), which `draw` returns.

    Raises DataError for tensors of another type or shape.
    """
    if images.shape[1:] != (1, SIDE, SIDE) or images.dtype not in (torch.float32, torch.float64):
        raise DataError(
            f"the images are {images.dtype} {tuple(images.shape)}; "
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
    """Return images (B, 1, 28, 28) whose pixels are taken from `positions` (B, 2, 28, 28), as x and y.

    Positions are in half images: -1 and 1 are the outer edges, beyond which everything is 0. Between pixels
    the values are interpolated bilinearly.
    """
    grid = positions.permute(0, 2, 3, 1)  # (B, 28, 28, 2)
    # Clamped, because the weights of interpolation add up to 1 only within 1e-7.
    return F.grid_sample(images, grid, align_corners=False).clamp_(0, 1)


def _positions(augmentation: Augmentation, draws: Tensor) -> Tensor:
    """Return the positions (B, 2, 28, 28) for `warp`: an affine map of each place, and elastic moves."""
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
    """Return the fields whose weighted sum is a warp, as rows (3 + M, 784): x, y, 1 and M elastic modes.

    They are in half images.
    """
    place = torch.arange(SIDE, dtype=torch.float64) - (SIDE - 1) / 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    rows = torch.stack([x, y, torch.ones_like(x)])
    if elastic:
        rows = torch.cat([rows, elastic * elastic_modes(smoothness)])
    return (rows.flatten(1) * (2 / SIDE)).to(dtype).to(device)  # pixels to half images


def affine_matrices(
    angle: Tensor, scale_x: Tensor, scale_y: Tensor, shear: Tensor, right: Tensor, down: Tensor
) -> Tensor:
    """Return matrices (B, 2, 3) that map positions (x, y, 1) in the new image to positions in the old one.

    Each argument is (B,). The digit is scaled, then sheared to lean right (in radians), then turned
    anticlockwise (in radians), then moved (in pixels).
    """
    cos, sin, lean = angle.cos(), angle.sin(), shear.tan()
    unturn_unshear = torch.stack([cos + lean * sin, lean * cos - sin, sin, cos], 1).view(-1, 2, 2)
    linear = unturn_unshear / torch.stack([scale_x, scale_y], 1).unsqueeze(2)
    offset = linear @ torch.stack([right, down], 1).unsqueeze(2)
    return torch.cat([linear, -offset], 2)


@functools.lru_cache(maxsize=16)
def elastic_modes(smoothness: float) -> Tensor:
    """Return fields (M, 28, 28), in pixels, for elastic distortion with strength 1.

    The sum of all fields, each times a standard normal number, is the displacement of each pixel along one
    axis. Simard, Steinkraus and Platt 2003 draw a number from -1 to 1 for every pixel and smooth them with a
    Gaussian of deviation sigma, here `smoothness`. On an image without edges that is a normal random field
    in which two places at distance d have the covariance exp(-d²/4sigma²) / (12 pi sigma²). Its
    Karhunen-Loève expansion needs the fewest numbers: 42 instead of 784 for sigma = 4.
    """
    place = torch.arange(SIDE, dtype=torch.float64)
    distance = place[:, None] - place
    powers, lines = torch.linalg.eigh(torch.exp(-(distance**2) / (4 * smoothness**2)))
    lines = lines * powers.clamp(min=0).sqrt() * lines[0].sign()  # eigenvectors have an arbitrary sign
    shares = torch.outer(powers, powers).flatten()  # a field is a vertical line times a horizontal one
    order = shares.argsort(descending=True, stable=True)
    count = int((shares[order].cumsum(0) < KEPT * shares.sum()).sum()) + 1
    modes = torch.einsum("yk,xl->klyx", lines, lines).flatten(0, 1)[order[:count]]
    return modes / (smoothness * math.sqrt(12 * math.pi))


def thicken(images: Tensor, radius: Tensor) -> Tensor:
    """Return images (B, 1, 28, 28) with the edges of strokes moved out by `radius` (B,) pixels, -1 to 1.

    A negative radius moves them in. This is grey dilation (or erosion) by a plus sign with arms of that
    length; values between pixels are interpolated linearly.
    """
    radius = radius.view(-1, 1, 1, 1)
    sign = radius.sign()
    signed = images * sign  # the erosion of x is -1 times the dilation of -x
    grown = signed.clone()
    for axis in (2, 3):
        for start in (0, 1):
            here, there = grown.narrow(axis, start, SIDE - 1), signed.narrow(axis, 1 - start, SIDE - 1)
            torch.maximum(here, there, out=here)
    return torch.lerp(images, grown.mul_(sign), radius.abs())


def sharpen(images: Tensor, factor: Tensor) -> Tensor:
    """Return images (B, 1, 28, 28) with edges steeper by `factor` (B,), 1 or more.

    Greys move away from SOFT by that factor, as far as black and white.
    """
    return torch.lerp(images.new_tensor(SOFT), images, factor.view(-1, 1, 1, 1)).clamp_(0, 1)


def erase(images: Tensor, left: Tensor, top: Tensor, width: Tensor, height: Tensor, grey: Tensor) -> Tensor:
    """Return images (B, 1, 28, 28) in which a rectangle is painted with `grey`.

    All arguments are (B,): the rectangle in whole pixels from the top left, with height 0 for none, and the
    grey in [0, 1].
    """
    place = torch.arange(SIDE, device=images.device, dtype=images.dtype)
    across = (place >= left[:, None]) & (place < (left + width)[:, None])  # (B, 28)
    along = (place >= top[:, None]) & (place < (top + height)[:, None])
    inside = along.to(images)[:, None, :, None] * across.to(images)[:, None, None, :]  # (B, 1, 28, 28)
    return torch.lerp(images, grey.view(-1, 1, 1, 1), inside)  # torch.where would take four times as long


def _rectangles(probability: float, numbers: Tensor) -> tuple[Tensor, ...]:
    """Return left, top, width, height and grey of rectangles, each (B,), from numbers (B, 6) in [0, 1).

    Images are erased with `probability`; the height is 0 for the others.
    """
    chance, area, aspect, across, along, grey = numbers.unbind(1)
    area = SIDE**2 * (ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * area)
    aspect = ERASED_ASPECT[0] * (ERASED_ASPECT[1] / ERASED_ASPECT[0]) ** aspect
    width = (area / aspect).sqrt().clamp(max=SIDE).round()
    height = (area * aspect).sqrt().clamp(max=SIDE).round()
    left, top = ((SIDE + 1 - width) * across).floor(), ((SIDE + 1 - height) * along).floor()
    return left, top, width, height * (chance < probability), grey
