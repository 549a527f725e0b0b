"""Bring a character into MNIST's form: a box of 20 pixels, MNIST's stroke width, centred by mass.

`mnist_form` crops the ink and scales it to the box. Then it corrects an unusual stroke width and places the
result in an image of 28 x 28 pixels.
"""

import functools
from collections.abc import Callable

import numpy as np
from PIL import Image

from digits.mnist import BOX, SIDE
from digits.reading.components import Component, extent
from digits.reading.decoding import Pixels
from digits.reading.filters import Array, running, with_margin
from digits.reading.ink import stroke_width

# Range of stroke widths that are not changed. A quarter of MNIST's training images has thinner strokes, and
# 5 % have thicker ones. Limits of 1.6 to 2.8 px and of 3.0 to 5.0 px read as many pictures: docs/log.md,
# 2026-11-26.
MIN_STROKE_WIDTH, MAX_STROKE_WIDTH = 2.0, 3.6  # px of the 20-pixel box
VISIBLE = 0.2  # ink strength; fainter ink does not count when the box is measured (chosen by eye)

# Conditions for a picture that is already in MNIST's form. One pixel is allowed for rounding.
EMPTY_ROWS = 3  # px; smallest empty margin above and below the digit
BRIGHTEST = 200  # of 255; smallest value of the brightest pixel
OFF_CENTRE = 1.01  # px; largest distance of the centre of mass from the middle, down or across

# How much of the soft edge is kept when a component is cut out of its page.
CUT_MARGIN = 2  # px around the component's box
LARGE = 40  # px; a component that is larger has a wider soft edge
LARGE_WINDOW, SMALL_WINDOW = 5, 3  # px; ink within this square around a pixel of the component is kept

# The stroke width is changed in steps. In each step, strokes grow or shrink by 1 px on each side, in an image
# that is FINE times as large as the final one.
FINE = 4  # side of that image, divided by the final side
FINE_MARGIN = 6  # px of the larger image; space for growing strokes
STEPS_PER_PIXEL = 2  # a step of 2 px in the larger image is half a pixel in the final one
MAX_THINNING = 4  # steps of thinning; more would break strokes of uneven width (chosen by eye)

MATRIX_SIDE = 64  # px; up to this side two matrix products scale an image faster: docs/log.md, 2026-11-26


def as_mnist_image(pixels: Pixels) -> Array | None:
    """Convert a picture that is already in MNIST's form to float.

    MNIST's form is 28 x 28 pixels, white on black. The digit fills 20 pixels and is centred by mass.

    Args:
        pixels: uint8, (H, W) grey or (H, W, 3) RGB.

    Returns:
        float32 (28, 28) in [0, 1]; None if the picture has another form.
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
    """Cut the ink of one component out of its page.

    The ink of other components becomes 0.

    Args:
        strength: Ink strength of the page, float32 (H, W) in [0, 1].
        component: The component.

    Returns:
        float32, size of the component's box plus CUT_MARGIN pixels on each side.
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
    """Bring the ink of one character into MNIST's form.

    Args:
        ink: Ink strength, float32 (H, W) in [0, 1].

    Returns:
        float32 (28, 28) in [0, 1], white on black; 0 without visible ink.
    """
    ink = _visible_part(ink)
    if not ink.size:
        return np.zeros((SIDE, SIDE), np.float32)
    boxed = _scaled_to_box(ink)
    width = stroke_width(boxed)
    if not MIN_STROKE_WIDTH <= width <= MAX_STROKE_WIDTH:
        changed = _visible_part(_with_stroke_width_of_mnist(ink, width))
        boxed = _scaled_to_box(changed if changed.size else ink)
    return _centred(boxed / max(float(boxed.max()), 1e-6))


def _visible_part(ink: Array) -> Array:
    """Crop an image (H, W) to its visible ink.

    Args:
        ink: Ink strength, float32 (H, W).

    Returns:
        The part inside the box of the ink; (0, 0) if there is none.
    """
    visible = ink > VISIBLE
    if not visible.any():
        return ink[:0, :0]
    top, bottom, left, right = extent(visible)
    return ink[top:bottom, left:right]


def _scaled_to_box(ink: Array) -> Array:
    """Scale an image (H, W) so that its longer side is 20 pixels."""
    return ink if max(ink.shape) == BOX else scaled(ink, BOX / max(ink.shape))


def scaled(ink: Array, scale: float) -> Array:
    """Scale an image by bicubic interpolation.

    Args:
        ink: float32 (H, W) in [0, 1].
        scale: Factor for both sides, which are rounded to whole pixels.

    Returns:
        float32 in [0, 1], at least (1, 1).
    """
    height, width = (max(1, round(n * scale)) for n in ink.shape)
    if max(ink.shape) <= MATRIX_SIDE:
        new = _resampling(ink.shape[0], height).T @ ink @ _resampling(ink.shape[1], width)
    else:
        new = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC))
    return np.asarray(np.clip(new, 0, 1))


@functools.lru_cache(maxsize=512)  # at most 10 MB
def _resampling(before: int, after: int) -> Array:
    """Return Pillow's bicubic weights (before, after) from old to new pixels."""
    identity = Image.fromarray(np.eye(before, dtype=np.float32))
    return np.asarray(identity.resize((after, before), Image.Resampling.BICUBIC))


def _with_stroke_width_of_mnist(ink: Array, width: float) -> Array:
    """Make strokes as wide as MNIST's.

    Args:
        ink: Ink strength, float32 (H, W) in [0, 1].
        width: Stroke width in pixels, measured in the 20-pixel box.

    Returns:
        float32 in [0, 1], longer side about 80 pixels plus margins.
    """
    fine = scaled(ink, FINE * BOX / max(ink.shape))
    if width < MIN_STROKE_WIDTH:
        fine = with_margin(fine, FINE_MARGIN)
        for i in range(round(STEPS_PER_PIXEL * (MIN_STROKE_WIDTH - width))):
            # Crosses and squares in turn approximate a circle by an octagon.
            fine = _dilated_or_eroded(fine, np.maximum, square=i % 2 == 1)
    else:
        for i in range(min(MAX_THINNING, round(STEPS_PER_PIXEL * (width - MAX_STROKE_WIDTH)))):
            fine = _dilated_or_eroded(with_margin(fine, 1), np.minimum, square=i % 2 == 1)
    return fine


def _dilated_or_eroded(ink: Array, extreme: Callable[..., Array], *, square: bool) -> Array:
    """Grow or shrink the ink by one pixel on each side.

    Args:
        ink: float32 (H, W).
        extreme: `np.maximum` to grow, `np.minimum` to shrink.
        square: True for a 3 x 3 square, False for a cross.

    Returns:
        float32 (H, W).
    """
    if square:
        return np.asarray(running(extreme, ink, 3))
    return extreme(running(extreme, ink, 3, axes=(0,)), running(extreme, ink, 3, axes=(1,)))


def centre_of_mass(ink: Array) -> tuple[float, float]:
    """Return the centre of mass (y, x) of an image in pixels.

    Args:
        ink: float (H, W), with at least one pixel above 0.
    """
    total = float(ink.sum())
    y = float(ink.sum(1) @ np.arange(ink.shape[0])) / total
    x = float(ink.sum(0) @ np.arange(ink.shape[1])) / total
    return y, x


def _centred(boxed: Array) -> Array:
    """Place an image in the middle of 28 x 28 pixels, by its mass.

    Args:
        boxed: float32 (H, W), both sides at most 20.

    Returns:
        float32 (28, 28), black around the image.
    """
    y, x = centre_of_mass(boxed)
    top = min(max(round((SIDE - 1) / 2 - y + 0.0), 0), SIDE - boxed.shape[0])
    left = min(max(round((SIDE - 1) / 2 - x + 0.0), 0), SIDE - boxed.shape[1])
    canvas = np.zeros((SIDE, SIDE), np.float32)
    canvas[top : top + boxed.shape[0], left : left + boxed.shape[1]] = boxed
    return canvas
