"""Turn the strokes of a pen into an image as MNIST has them.

A stroke is a sequence of points (x, y), x to the right and y downwards, in any unit. `render` draws strokes
with a round pen straight into MNIST's box of 20 pixels. The page in the browser does the same, function by
function (static/drawing.js), and tests compare the two.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.mnist import BOX, SIDE

Array: TypeAlias = npt.NDArray[np.float32]
Points: TypeAlias = npt.NDArray[np.float64]  # (N, 2) as x, y

PEN = 2.4  # px, width of a stroke: the median of MNIST's training images, by reading.ink.stroke_width
EDGE = 1.0  # px over which ink fades to paper: gives as many grey pixels as MNIST has, half of those with ink
MARGIN = (SIDE - BOX) // 2 - 1  # px around the box and its fading edge, by which a digit can be moved
SHARED_WIDTH = 0.3  # strokes of one digit share this part of the narrower one's width, or more
MAX_COORDINATE = 1e6  # greatest absolute x or y: a generous limit for any screen
SEGMENTS = 256  # of a stroke, handled at once: arrays of 1.6 MB
DOT = 1e-6  # in the strokes' unit; a drawing no larger than this is a dot


def render(strokes: Sequence[Points], *, pen: float = PEN) -> Array:
    """Return strokes, each (N, 2), as an image (28, 28) in [0, 1], ink 1 on paper 0.

    The drawing is scaled to fit a box of 20 pixels and moved by whole pixels until its centre of mass is in
    the middle. `pen` is the width of the strokes in pixels of that box. Without points the image is 0.
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
    down, right = (_whole_move((SIDE - 1) / 2 - float(line @ place) / total) for line in (rows, columns))
    return _moved(ink, down, right).astype(np.float32)


def _ink(lines: Sequence[Points], pen: float) -> npt.NDArray[np.float64]:
    """Return ink (28, 28) in [0, 1] around lines whose points are in pixels from the image's centre."""
    squared = np.full((SIDE, SIDE), np.inf)
    for line in lines:
        squared = np.minimum(squared, _squared_distance(line))
    return np.asarray(np.clip((pen / 2 - np.sqrt(squared)) / EDGE + 0.5, 0, 1))


def _squared_distance(line: Points) -> npt.NDArray[np.float64]:
    """Return the squared distance (28, 28) of every pixel from a line, in pixels."""
    place = np.arange(SIDE) - (SIDE - 1) / 2
    starts, ends = (line[:-1], line[1:]) if len(line) > 1 else (line, line)
    squared = np.full((SIDE, SIDE), np.inf)
    for first in range(0, len(starts), SEGMENTS):
        start, end = starts[first : first + SEGMENTS], ends[first : first + SEGMENTS]
        along = end - start  # (S, 2)
        length = np.maximum((along * along).sum(axis=1), DOT * DOT)  # squared, (S,)
        x = place[None, None, :] - start[:, 0, None, None]  # (S, 1, 28)
        y = place[None, :, None] - start[:, 1, None, None]  # (S, 28, 1)
        part = (x * along[:, 0, None, None] + y * along[:, 1, None, None]) / length[:, None, None]
        part = np.clip(part, 0, 1)  # (S, 28, 28): how far along the segment its nearest point is
        x, y = x - part * along[:, 0, None, None], y - part * along[:, 1, None, None]
        squared = np.minimum(squared, (x * x + y * y).min(axis=0))
    return squared


def _whole_move(move: float) -> int:
    """Return a move rounded to whole pixels, and limited to the margin, so that no ink is lost."""
    return min(max(math.floor(move + 0.5), -MARGIN), MARGIN)


def _moved(ink: npt.NDArray[np.float64], down: int, right: int) -> npt.NDArray[np.float64]:
    """Return an image (28, 28) moved by whole pixels; pixels that come in are 0."""
    moved = np.zeros_like(ink)
    rows, columns = SIDE - abs(down), SIDE - abs(right)
    top, left = max(down, 0), max(right, 0)
    moved[top : top + rows, left : left + columns] = ink[
        top - down : top - down + rows, left - right : left - right + columns
    ]
    return moved


def characters(strokes: Sequence[Points]) -> list[list[int]]:
    """Return for each digit the indices of its strokes; digits are in order from left to right.

    Strokes that lie above one another belong to one digit, such as the bar of a 5 or 7 and the stem of a 4.
    """
    spans = [(float(s[:, 0].min()), float(s[:, 0].max()), i) for i, s in enumerate(strokes) if len(s)]
    spans.sort(key=lambda span: span[:2])
    found: list[tuple[float, float, list[int]]] = []  # left, right and strokes of each digit
    for left, right, index in spans:
        if found:
            digit_left, digit_right, indices = found[-1]
            shared = min(right, digit_right) - left
            if shared >= SHARED_WIDTH * min(right - left, digit_right - digit_left) and shared >= 0:
                found[-1] = (digit_left, max(right, digit_right), [*indices, index])
                continue
        found.append((left, right, [index]))
    return [sorted(indices) for _, _, indices in found]


def as_points(stroke: npt.ArrayLike) -> Points:
    """Return a stroke as an array (N, 2).

    Raises ValueError, with a clause that says what is wrong, for another shape and for numbers that are not
    finite or beyond a million.
    """
    try:
        found = np.asarray(stroke, np.float64)
    except OverflowError:  # a whole number of hundreds of digits
        raise ValueError("a point of a stroke is not finite or beyond a million") from None
    if found.size == 0:
        return np.zeros((0, 2))
    if found.ndim != 2 or found.shape[1] != 2:
        raise ValueError(f"a stroke is of shape {found.shape}, not (N, 2)")
    if not np.isfinite(found).all() or (np.abs(found) > MAX_COORDINATE).any():
        raise ValueError("a point of a stroke is not finite or beyond a million")
    return found
