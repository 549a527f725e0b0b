"""Bring a character into MNIST's form: 20-pixel box, stroke width, centred by mass."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.mnist import BOX, SIDE
from digits.reading.components import Component, extent, union
from digits.reading.filters import Array, running, with_margin
from digits.reading.ink import stroke_width
from digits.reading.page_edges import TINY

THIN, THICK = 2.0, 3.6  # px in that box: of MNIST's training images a quarter is thinner, 1 in 20 thicker


def as_mnist_image(pixels: npt.NDArray[np.uint8]) -> Array | None:
    """A picture made as MNIST's were needs no finding: 28 x 28, white on black, boxed and centred by mass."""
    if pixels.shape != (SIDE, SIDE) or pixels[:3].any() or pixels[-3:].any():
        return None
    if pixels.max() < 200:
        return None
    top, bottom, left, right = extent(pixels > 0)
    if max(bottom - top, right - left) != BOX:
        return None
    ink = pixels.astype(np.float32) / np.float32(255)
    y, x = centre_of_mass(ink)
    off = max(abs(y - (SIDE - 1) / 2), abs(x - (SIDE - 1) / 2))
    return ink if off <= 1.01 else None


def cut_out(amount: Array, parts: Sequence[Component]) -> Array:
    """The soft ink of these strokes alone, with a margin of two pixels for their fading edges."""
    whole = union(parts)
    mask = running(np.maximum, with_margin(whole.mask, 2), 5 if whole.size > 40 else 3)
    soft = np.zeros(mask.shape, np.float32)
    top, left = max(whole.top - 2, 0), max(whole.left - 2, 0)
    piece = amount[top : whole.bottom + 2, left : whole.right + 2]
    y, x = top - whole.top + 2, left - whole.left + 2
    soft[y : y + piece.shape[0], x : x + piece.shape[1]] = piece
    return np.asarray(soft * mask, dtype=np.float32)


def mnist_form(ink: Array) -> Array:
    """Ink of any size (H, W) as (28, 28): 20-pixel box, MNIST's stroke width, centred by mass."""
    seen = ink > 0.2
    if not seen.any():
        return np.zeros((SIDE, SIDE), np.float32)
    top, bottom, left, right = extent(seen)
    ink = ink[top:bottom, left:right]
    boxed = _boxed(ink)
    width = stroke_width(boxed)
    if not THIN <= width <= THICK:
        boxed = _boxed(_restroked(ink, width))
    return centred(boxed / max(float(boxed.max()), 1e-6))


def _boxed(ink: Array) -> Array:
    """Scaled so that the longer side is 20 pixels."""
    return ink if max(ink.shape) == BOX else scaled(ink, BOX / max(ink.shape))


def scaled(ink: Array, scale: float) -> Array:
    """Bicubic, in [0, 1]."""
    height, width = (max(1, round(n * scale)) for n in ink.shape)
    if max(ink.shape) <= 2 * TINY:
        new = _resampling(ink.shape[0], height).T @ ink @ _resampling(ink.shape[1], width)
    else:
        new = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC))
    return np.clip(new, 0, 1)


@functools.lru_cache(maxsize=512)  # at most 10 MB
def _resampling(before: int, after: int) -> Array:
    """(before, after): what each old pixel gives to each new one: Pillow's numbers in a fifth of its time."""
    identity = Image.fromarray(np.eye(before, dtype=np.float32))
    return np.asarray(identity.resize((after, before), Image.Resampling.BICUBIC))


def _restroked(ink: Array, width: float) -> Array:
    """Strokes made thicker or thinner at four times the final size, until they are as wide as MNIST's."""
    fine = scaled(ink, 4 * BOX / max(ink.shape))
    if width < THIN:
        fine = with_margin(fine, 6)
        for i in range(round(2 * (THIN - width))):
            fine = _grown(fine, np.maximum, diagonal=i % 2 == 1)
    else:
        for i in range(min(4, round(2 * (width - THICK)))):
            fine = _grown(with_margin(fine, 1), np.minimum, diagonal=i % 2 == 1)
    seen = fine > 0.2
    if not seen.any():
        return ink
    top, bottom, left, right = extent(seen)
    return fine[top:bottom, left:right]


def _grown(ink: Array, extreme: Callable[..., Array], diagonal: bool) -> Array:
    """One pixel more (or less) on either side: a cross, or a square; in turns they make an octagon."""
    if diagonal:
        return np.asarray(running(extreme, ink, 3))
    return extreme(running(extreme, ink, 3, axes=(0,)), running(extreme, ink, 3, axes=(1,)))


def centre_of_mass(ink: Array) -> tuple[float, float]:
    """(y, x) in pixels."""
    total = float(ink.sum())
    y = float(ink.sum(1) @ np.arange(ink.shape[0])) / total
    x = float(ink.sum(0) @ np.arange(ink.shape[1])) / total
    return y, x


def centred(boxed: Array) -> Array:
    """A box of at most 20 pixels laid into 28 x 28 so that its centre of mass is in the middle."""
    y, x = centre_of_mass(boxed)
    top = min(max(round((SIDE - 1) / 2 - y + 0.0), 0), SIDE - boxed.shape[0])
    left = min(max(round((SIDE - 1) / 2 - x + 0.0), 0), SIDE - boxed.shape[1])
    canvas = np.zeros((SIDE, SIDE), np.float32)
    canvas[top : top + boxed.shape[0], left : left + boxed.shape[1]] = boxed
    return canvas
