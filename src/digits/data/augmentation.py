"""A batch of digits in, the same digits as other hands might have written them out.

    augment()  =  draw()     random numbers for a batch, from a generator that is passed in
               +  distort()  stroke thickness, one warp, sharpness, erasing: no randomness left

A warp moves every pixel once, however many of rotation, scaling, shear, translation and elastic distortion
are on: the places that pixels are taken from are a sum of fixed fields times a few numbers an image, which is
one matrix product, and the image is interpolated once.

Pure functions on images (B, 1, 28, 28), float in [0, 1], on any device. Lengths are in pixels, x to the
right and y downwards from the image's centre. What each transformation is good for, with pictures:
docs/augmentation.md.
"""

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

from digits.errors import DataError
from digits.mnist import SIDE
from digits.options import Augmentation

# What an image's random numbers from -1 to 1 are for; the normal ones of elastic distortion follow them.
AFFINE, WEIGHT, RECTANGLE, EDGE = slice(0, 6), 6, slice(7, 13), 13
UNIFORM = 14
SOFT = 0.4  # the grey that stays: thin strokes of MNIST, of which little is white, must not vanish
KEPT = 0.999  # of the variance of the elastic displacements; the rest is 3 % of their size
# Rectangles: their share of the image, and height over width. As in Zhong et al. 2020, but for the largest
# share, 0.4 of pictures that an object fills: the box that a digit is in is half of its image.
ERASED_AREA = (0.02, 0.2)
ERASED_ASPECT = (0.3, 1 / 0.3)


def augment(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """The images, each changed in its own way; the very same tensor where every strength is 0.

    The same state of the generator gives the same result. Strengths do not change which numbers are drawn,
    only what is made of them; elastic distortion, when on, draws more of them, after the others.
    """
    return distort(images, augmentation, draw(len(images), augmentation, generator))


def draw(count: int, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Random numbers (count, N) for so many images, on the generator's device, as `distort` takes them.

    Apart from `distort` so that several processes can draw for the whole batch and each use its share.
    """
    numbers = torch.empty(count, UNIFORM, device=generator.device).uniform_(-1, 1, generator=generator)
    if not augmentation.elastic:
        return numbers
    modes = len(elastic_modes(augmentation.smoothness))
    normal = torch.empty(count, 2 * modes, device=generator.device).normal_(generator=generator)
    return torch.cat([numbers, normal], 1)


def distort(images: Tensor, augmentation: Augmentation, draws: Tensor) -> Tensor:
    """The images (B, 1, 28, 28), changed by their own of the numbers (B, N) of `draw`."""
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
    """Take every pixel from its position, (B, 2, 28, 28) as x and y, between pixels bilinearly.

    Positions are in half images: -1 and 1 are the outer edges, beyond which there is paper, 0.
    """
    grid = positions.permute(0, 2, 3, 1)  # (B, 28, 28, 2)
    return F.grid_sample(images, grid, align_corners=False).clamp_(0, 1)  # sums of weights exceed 1 by 1e-7


def _positions(augmentation: Augmentation, draws: Tensor) -> Tensor:
    """Where `warp` takes each pixel from: an affine map of its own place, plus elastic displacements."""
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
    """What the coefficients of a warp are multiplied by: x, y, 1 and elastic modes, as rows (3 + M, 784)."""
    place = torch.arange(SIDE, dtype=torch.float64) - (SIDE - 1) / 2
    y, x = torch.meshgrid(place, place, indexing="ij")
    rows = torch.stack([x, y, torch.ones_like(x)])
    if elastic:
        rows = torch.cat([rows, elastic * elastic_modes(smoothness)])
    return (rows.flatten(1) * (2 / SIDE)).to(dtype).to(device)  # pixels to half images


def affine_matrices(
    angle: Tensor, scale_x: Tensor, scale_y: Tensor, shear: Tensor, right: Tensor, down: Tensor
) -> Tensor:
    """Matrices (B, 2, 3) that lead from places in the new image to places in the old one.

    Each argument is (B,). The digit is scaled, then sheared to lean right, then turned anticlockwise (both
    in radians), then moved (in pixels).
    """
    cos, sin, lean = angle.cos(), angle.sin(), shear.tan()
    unturn_unshear = torch.stack([cos + lean * sin, lean * cos - sin, sin, cos], 1).view(-1, 2, 2)
    linear = unturn_unshear / torch.stack([scale_x, scale_y], 1).unsqueeze(2)
    offset = linear @ torch.stack([right, down], 1).unsqueeze(2)
    return torch.cat([linear, -offset], 2)


@functools.lru_cache(maxsize=16)
def elastic_modes(smoothness: float) -> Tensor:
    """Fields (M, 28, 28) whose sum, each times a normal random number, is a displacement for alpha = 1.

    Simard, Steinkraus and Platt 2003 draw a number from -1 to 1 for every pixel and smooth them with a
    Gaussian of deviation sigma. On paper without edges the result is a normal random field in which two
    places at distance d have the covariance exp(-d²/4sigma²) / (12 pi sigma²). Its Karhunen-Loève expansion
    says the same with the fewest numbers: 42 instead of 784 for sigma = 4.
    """
    place = torch.arange(SIDE, dtype=torch.float64)
    distance = place[:, None] - place
    powers, lines = torch.linalg.eigh(torch.exp(-(distance**2) / (4 * smoothness**2)))
    lines = lines * powers.clamp(min=0).sqrt() * lines[0].sign()  # eigenvectors come with any sign
    shares = torch.outer(powers, powers).flatten()  # a field is the product of a line down and one across
    order = shares.argsort(descending=True, stable=True)
    count = int((shares[order].cumsum(0) < KEPT * shares.sum()).sum()) + 1
    modes = torch.einsum("yk,xl->klyx", lines, lines).flatten(0, 1)[order[:count]]
    return modes / (smoothness * math.sqrt(12 * math.pi))


def thicken(images: Tensor, radius: Tensor) -> Tensor:
    """Move the edges of strokes out by `radius` (B,) pixels, in where it is below 0; at most 1.

    Grey dilation, or erosion, by a plus sign whose four arms are `radius` long, values between pixels
    being interpolated linearly.
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
    """Make edges steeper by `factor` (B,), at least 1: greys move away from SOFT, up to black and white."""
    return torch.lerp(images.new_tensor(SOFT), images, factor.view(-1, 1, 1, 1)).clamp_(0, 1)


def erase(images: Tensor, left: Tensor, top: Tensor, width: Tensor, height: Tensor, grey: Tensor) -> Tensor:
    """Paint a rectangle of each image with one grey; all (B,), in whole pixels, of no height where none."""
    place = torch.arange(SIDE, device=images.device, dtype=images.dtype)
    across = (place >= left[:, None]) & (place < (left + width)[:, None])  # (B, 28)
    along = (place >= top[:, None]) & (place < (top + height)[:, None])
    inside = along.to(images)[:, None, :, None] * across.to(images)[:, None, None, :]  # (B, 1, 28, 28)
    return torch.lerp(images, grey.view(-1, 1, 1, 1), inside)  # torch.where takes four times as long


def _rectangles(probability: float, numbers: Tensor) -> tuple[Tensor, ...]:
    """Left, top, width, height and grey of rectangles from numbers (B, 6) in [0, 1)."""
    chance, area, aspect, across, along, grey = numbers.unbind(1)
    area = SIDE**2 * (ERASED_AREA[0] + (ERASED_AREA[1] - ERASED_AREA[0]) * area)
    aspect = ERASED_ASPECT[0] * (ERASED_ASPECT[1] / ERASED_ASPECT[0]) ** aspect
    width = (area / aspect).sqrt().clamp(max=SIDE).round()
    height = (area * aspect).sqrt().clamp(max=SIDE).round()
    left, top = ((SIDE + 1 - width) * across).floor(), ((SIDE + 1 - height) * along).floor()
    return left, top, width, height * (chance < probability), grey
