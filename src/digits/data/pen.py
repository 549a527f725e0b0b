"""Draw pen strokes as an image in MNIST's form.

A pen stroke is the line that a pen draws without being lifted. Here it is a sequence of points (x, y), with x
to the right and y downwards, in any unit.

The web page has the same functions in JavaScript (static/drawing.js). Tests compare their results.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.mnist import BOX, SIDE

Array: TypeAlias = npt.NDArray[np.float32]
Points: TypeAlias = npt.NDArray[np.float64]  # (N, 2) as x, y

# px; width of a pen stroke: the median of MNIST's training images, as reading.ink.stroke_width measures it.
PEN = 2.4
# px; distance over which a stroke changes from ink to paper. With this value half of the pixels with ink are
# grey, as in MNIST.
EDGE = 1.0
IMAGE_MARGIN = (
    SIDE - BOX
) // 2 - 1  # px; a digit can be moved this far without losing ink at the image's edge
MAX_COORDINATE = 1e6  # largest allowed absolute value of x and y; no screen has as many pixels
SEGMENTS = 256  # line segments processed at a time, to limit the memory to 1.6 MB for each array
DOT = 1e-6  # unit of the strokes; a drawing of at most this size is a dot


def render(strokes: Sequence[Points], *, pen: float = PEN) -> Array:
    """Draw pen strokes as an image in MNIST's form.

    The digit is scaled to a box of 20 x 20 pixels.
    Then its centre of mass is moved close to the middle, by whole pixels.

    Args:
        strokes: Pen strokes of one digit, each float (N, 2) as x and y, in any unit.
        pen: Width of the pen in pixels of the image.
    Returns:
        Image, float32 (28, 28) in [0, 1], paper 0, ink 1. All 0 without points.
    """
    lines = [np.reshape(stroke, (-1, 2)) for stroke in strokes if len(stroke)]
    if not lines:
        return np.zeros((SIDE, SIDE), np.float32)
    points = np.concatenate(lines)
    low, high = points.min(axis=0), points.max(axis=0)
    longest = float((high - low).max())
    scale = (BOX - pen) / longest if longest > DOT else 0.0
    ink = _ink([(line - (low + high) / 2) * scale for line in lines], pen)
    total, place = float(ink.sum()), np.arange(SIDE)
    rows, columns = ink.sum(axis=1), ink.sum(axis=0)
    # Moving by IMAGE_MARGIN at most keeps all ink inside the image.
    down, right = (_whole_move((SIDE - 1) / 2 - float(line @ place) / total) for line in (rows, columns))
    return _moved(ink, down, right).astype(np.float32)


def _ink(lines: Sequence[Points], pen: float) -> npt.NDArray[np.float64]:
    """Draw lines with a round pen.

    Args:
        lines: Each (N, 2) as x and y, in pixels from the centre of the image.
        pen: Width of the pen in pixels.
    Returns:
        Image (28, 28) in [0, 1], paper 0, ink 1.
    """
    squared = np.full((SIDE, SIDE), np.inf)
    for line in lines:
        squared = np.minimum(squared, _squared_distance(line))
    return np.asarray(np.clip((pen / 2 - np.sqrt(squared)) / EDGE + 0.5, 0, 1))


def _squared_distance(line: Points) -> npt.NDArray[np.float64]:
    """Return the squared distance of every pixel from a line.

    Args:
        line: (N, 2) as x and y, in pixels from the centre; at least one point.
    Returns:
        (28, 28), in square pixels.
    """
    place = np.arange(SIDE) - (SIDE - 1) / 2
    starts, ends = (line[:-1], line[1:]) if len(line) > 1 else (line, line)
    squared = np.full((SIDE, SIDE), np.inf)
    for first in range(0, len(starts), SEGMENTS):
        start, end = starts[first : first + SEGMENTS], ends[first : first + SEGMENTS]
        along = end - start  # (S, 2)
        length = np.maximum((along * along).sum(axis=1), DOT * DOT)  # (S,), squared length
        x = place[None, None, :] - start[:, 0, None, None]  # (S, 1, 28)
        y = place[None, :, None] - start[:, 1, None, None]  # (S, 28, 1)
        part = (x * along[:, 0, None, None] + y * along[:, 1, None, None]) / length[:, None, None]
        part = np.clip(part, 0, 1)  # (S, 28, 28), position of the nearest point: 0 at the start, 1 at the end
        x, y = x - part * along[:, 0, None, None], y - part * along[:, 1, None, None]
        squared = np.minimum(squared, (x * x + y * y).min(axis=0))
    return squared


def _whole_move(move: float) -> int:
    """Round a move to whole pixels from -IMAGE_MARGIN to IMAGE_MARGIN."""
    return min(max(math.floor(move + 0.5), -IMAGE_MARGIN), IMAGE_MARGIN)


def _moved(ink: npt.NDArray[np.float64], down: int, right: int) -> npt.NDArray[np.float64]:
    """Return an image (28, 28) moved by whole pixels; new pixels are 0."""
    moved = np.zeros_like(ink)
    rows, columns = SIDE - abs(down), SIDE - abs(right)
    top, left = max(down, 0), max(right, 0)
    moved[top : top + rows, left : left + columns] = ink[
        top - down : top - down + rows, left - right : left - right + columns
    ]
    return moved


def as_points(stroke: npt.ArrayLike) -> Points:
    """Check a pen stroke and convert it to an array.

    Args:
        stroke: A list of points [x, y], or an array (N, 2).
    Returns:
        float64 (N, 2); N is 0 for an empty stroke.
    Raises:
        ValueError: if the shape is wrong, or a number is not finite or above MAX_COORDINATE.
    """
    try:
        found = np.asarray(stroke, np.float64)
    except OverflowError:  # an integer is too large for a float
        raise ValueError("a point of a stroke is not finite or beyond a million") from None
    if found.size == 0:
        return np.zeros((0, 2))
    if found.ndim != 2 or found.shape[1] != 2:
        raise ValueError(f"a stroke has the shape {found.shape}, not (N, 2)")
    if not np.isfinite(found).all() or (np.abs(found) > MAX_COORDINATE).any():
        raise ValueError("a point of a stroke is not finite or beyond a million")
    return found
