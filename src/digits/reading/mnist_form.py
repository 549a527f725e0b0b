"""Bring a character into MNIST's form: a box of 20 pixels, MNIST's stroke width, centred by mass."""

import functools
from collections.abc import Callable

import numpy as np
from PIL import Image

from digits.mnist import BOX, SIDE
from digits.reading.components import Component, extent
from digits.reading.decoding import Pixels
from digits.reading.filters import Array, running, with_margin
from digits.reading.ink import stroke_width

# Of MNIST's training images a quarter has thinner strokes and one in twenty thicker ones. 1.6 to 2.8 px and
# 3.0 to 5.0 px made no difference: docs/log.md, 2026-11-26.
MIN_STROKE_WIDTH, MAX_STROKE_WIDTH = 2.0, 3.6  # px of the 20-pixel box
VISIBLE = 0.2  # ink strength; fainter ink does not count for the box (chosen by eye)

# A picture that has MNIST's form already. The margins are MNIST's, with one pixel for rounding.
EMPTY_ROWS = 3  # px above and below the digit, at least
BRIGHTEST = 200  # of 255, at least: ink at full strength
OFF_CENTRE = 1.01  # px between the centre of mass and the middle, at most

# The soft edge of a component that is cut out of its page.
CUT_MARGIN = 2  # px
LARGE, LARGE_WINDOW, SMALL_WINDOW = 40, 5, 3  # px: from this size on the soft edge is wider

# How the stroke width is changed: in each step, an image FINE times the final size gains or loses 1 px on
# either side of a stroke.
FINE = 4
FINE_MARGIN = 6  # px of that image, room for growing strokes
STEPS_PER_PIXEL = 2  # of the final size: 2 px in an image four times as large are half a pixel
MAX_THINNING = 4  # steps; more would break strokes of uneven width (chosen by eye)

MATRIX_SIDE = 64  # px; smaller images are scaled faster by two matrix products: docs/log.md, 2026-11-26


def as_mnist_image(pixels: Pixels) -> Array | None:
    """Return the picture as (28, 28) float32 in [0, 1] if it has MNIST's form already, else None.

    That is: 28 x 28 pixels, white on black, a box of 20 pixels, centred by mass.
    """
    if pixels.shape != (SIDE, SIDE) or pixels[:EMPTY_ROWS].any() or pixels[-EMPTY_ROWS:].any():
        return None
    if pixels.max() < BRIGHTEST:
        return None
    top, bottom, left, right = extent(pixels > 0)
    if max(bottom - top, right - left) != BOX:
        return None
    ink = pixels.astype(np.float32) / np.float32(255)
    y, x = centre_of_mass(ink)
    off = max(abs(y - (SIDE - 1) / 2), abs(x - (SIDE - 1) / 2))
    return ink if off <= OFF_CENTRE else None


def cut_out(strength: Array, component: Component) -> Array:
    """Return the ink of a component alone, cut out of the page's `strength` (H, W).

    The result has the size of its box and CUT_MARGIN more on each side, for the soft edges of its strokes.
    """
    margin = CUT_MARGIN
    window = LARGE_WINDOW if component.size > LARGE else SMALL_WINDOW
    mask = running(np.maximum, with_margin(component.mask, margin), window)
    soft = np.zeros(mask.shape, np.float32)
    top, left = max(component.top - margin, 0), max(component.left - margin, 0)
    piece = strength[top : component.bottom + margin, left : component.right + margin]
    y, x = top - component.top + margin, left - component.left + margin
    soft[y : y + piece.shape[0], x : x + piece.shape[1]] = piece
    return np.asarray(soft * mask, dtype=np.float32)


def mnist_form(ink: Array) -> Array:
    """Bring the ink of one character (H, W), in [0, 1], into MNIST's form.

    Returns (28, 28) float32 in [0, 1], white on black; all 0 if there is no visible ink.
    """
    ink = _visible_part(ink)
    if not ink.size:
        return np.zeros((SIDE, SIDE), np.float32)
    boxed = _boxed(ink)
    width = stroke_width(boxed)
    if not MIN_STROKE_WIDTH <= width <= MAX_STROKE_WIDTH:
        changed = _visible_part(_with_stroke_width_of_mnist(ink, width))
        boxed = _boxed(changed if changed.size else ink)
    return _centred(boxed / max(float(boxed.max()), 1e-6))


def _visible_part(ink: Array) -> Array:
    """Crop an image (H, W) to its visible ink; the result is empty, (0, 0), if there is none."""
    visible = ink > VISIBLE
    if not visible.any():
        return ink[:0, :0]
    top, bottom, left, right = extent(visible)
    return ink[top:bottom, left:right]


def _boxed(ink: Array) -> Array:
    """Scale the ink so that its longer side is 20 pixels."""
    return ink if max(ink.shape) == BOX else scaled(ink, BOX / max(ink.shape))


def scaled(ink: Array, scale: float) -> Array:
    """Scale an image (H, W) by bicubic interpolation, clipped to [0, 1]; each side is at least 1 pixel."""
    height, width = (max(1, round(n * scale)) for n in ink.shape)
    if max(ink.shape) <= MATRIX_SIDE:
        new = _resampling(ink.shape[0], height).T @ ink @ _resampling(ink.shape[1], width)
    else:
        new = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC))
    return np.clip(new, 0, 1)


@functools.lru_cache(maxsize=512)  # at most 10 MB
def _resampling(before: int, after: int) -> Array:
    """Return the weights (before, after) of each old pixel in each new one, as Pillow computes them."""
    identity = Image.fromarray(np.eye(before, dtype=np.float32))
    return np.asarray(identity.resize((after, before), Image.Resampling.BICUBIC))


def _with_stroke_width_of_mnist(ink: Array, width: float) -> Array:
    """Make strokes thicker or thinner until they are as wide as MNIST's.

    `width` is their width in pixels of the 20-pixel box. The result is about 80 pixels long, with margins.
    """
    fine = scaled(ink, FINE * BOX / max(ink.shape))
    if width < MIN_STROKE_WIDTH:
        fine = with_margin(fine, FINE_MARGIN)
        for i in range(round(STEPS_PER_PIXEL * (MIN_STROKE_WIDTH - width))):
            fine = _dilated(fine, np.maximum, square=i % 2 == 1)
    else:
        for i in range(min(MAX_THINNING, round(STEPS_PER_PIXEL * (width - MAX_STROKE_WIDTH)))):
            fine = _dilated(with_margin(fine, 1), np.minimum, square=i % 2 == 1)
    return fine


def _dilated(ink: Array, extreme: Callable[..., Array], *, square: bool) -> Array:
    """Dilate (`np.maximum`) or erode (`np.minimum`) by one pixel, with a square or a cross.

    Crosses and squares one after the other approximate a circle by an octagon.
    """
    if square:
        return np.asarray(running(extreme, ink, 3))
    return extreme(running(extreme, ink, 3, axes=(0,)), running(extreme, ink, 3, axes=(1,)))


def centre_of_mass(ink: Array) -> tuple[float, float]:
    """Return the centre of mass (y, x) in pixels of an image (H, W) that has some ink."""
    total = float(ink.sum())
    y = float(ink.sum(1) @ np.arange(ink.shape[0])) / total
    x = float(ink.sum(0) @ np.arange(ink.shape[1])) / total
    return y, x


def _centred(boxed: Array) -> Array:
    """Place an image of at most 20 x 20 pixels in 28 x 28, its centre of mass in the middle."""
    y, x = centre_of_mass(boxed)
    top = min(max(round((SIDE - 1) / 2 - y + 0.0), 0), SIDE - boxed.shape[0])
    left = min(max(round((SIDE - 1) / 2 - x + 0.0), 0), SIDE - boxed.shape[1])
    canvas = np.zeros((SIDE, SIDE), np.float32)
    canvas[top : top + boxed.shape[0], left : left + boxed.shape[1]] = boxed
    return canvas
