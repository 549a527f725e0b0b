"""A pen's path in, a digit the way MNIST has them out: what was drawn on a screen needs no finding of ink.

A stroke is a sequence of points (x, y), x to the right and y downwards, in any unit. `render` draws strokes
with a round pen straight into MNIST's box of 20 pixels; the page in the browser does the same, line by line
(static/drawing.js), and the tests hold the two to each other.
"""

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from digits.mnist import BOX, SIDE

Array: TypeAlias = npt.NDArray[np.float32]
Points: TypeAlias = npt.NDArray[np.float64]  # (N, 2) as x, y
PEN = 2.4  # px across a stroke (ink.stroke_width): the median of MNIST's training images
EDGE = 1.0  # px over which ink fades to paper: as many grey pixels as in MNIST, half of those with ink
OVERLAP = 0.3  # of the narrower stroke's width: strokes that share so much of a column are one digit
MARGIN = 3  # px, the least that lies around the box and its fading edge
SEGMENTS = 256  # of a line at once: 1.6 MB an array
DOT = 1e-6  # of anything; a path no longer than this is a dot


def render(strokes: Sequence[Points], *, pen: float = PEN) -> Array:
    """Strokes as an image (28, 28) in [0, 1], white on black: 20-pixel box, centred by mass.

    `pen` is the width of a stroke in pixels of that box. Without points the image is black.
    """
    points = np.concatenate([np.reshape(s, (-1, 2)) for s in strokes]) if len(strokes) else np.zeros((0, 2))
    if not len(points):
        return np.zeros((SIDE, SIDE), np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    longest = float((high - low).max())
    scale = (BOX - pen) / longest if longest > DOT else 0.0
    middle = (low + high) / 2
    lines = [(np.reshape(s, (-1, 2)) - middle) * scale for s in strokes if len(s)]
    ink = _ink(lines, pen)
    total = float(ink.sum())
    rows, columns = ink.sum(axis=1), ink.sum(axis=0)
    place = np.arange(SIDE)
    down, right = (_whole((SIDE - 1) / 2 - float(line @ place) / total) for line in (rows, columns))
    return _moved(ink, down, right).astype(np.float32)


def _whole(move: float) -> int:
    """A move in whole pixels, no further than the margin around the box: no ink is lost."""
    return min(max(math.floor(move + 0.5), -MARGIN), MARGIN)


def _ink(lines: Sequence[Points], pen: float) -> npt.NDArray[np.float64]:
    """Ink (28, 28) around lines whose points are in pixels from the image's centre."""
    place = np.arange(SIDE) - (SIDE - 1) / 2
    squared = np.full((SIDE, SIDE), np.inf)
    for line in lines:
        squared = np.minimum(squared, _nearest(line, place))
    return np.asarray(np.clip((pen / 2 - np.sqrt(squared)) / EDGE + 0.5, 0, 1))


def _nearest(line: Points, place: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Squared distance (28, 28) of every pixel from a line, some segments at a time: memory stays small."""
    starts, ends = (line[:-1], line[1:]) if len(line) > 1 else (line, line)
    squared = np.full((SIDE, SIDE), np.inf)
    for first in range(0, len(starts), SEGMENTS):
        start, end = starts[first : first + SEGMENTS], ends[first : first + SEGMENTS]
        along = end - start  # (S, 2)
        length = np.maximum((along * along).sum(axis=1), DOT * DOT)
        x = place[None, None, :] - start[:, 0, None, None]  # (S, 1, 28)
        y = place[None, :, None] - start[:, 1, None, None]  # (S, 28, 1)
        part = (x * along[:, 0, None, None] + y * along[:, 1, None, None]) / length[:, None, None]
        part = np.clip(part, 0, 1)
        x, y = x - part * along[:, 0, None, None], y - part * along[:, 1, None, None]
        squared = np.minimum(squared, (x * x + y * y).min(axis=0))
    return squared


def _moved(ink: npt.NDArray[np.float64], down: int, right: int) -> npt.NDArray[np.float64]:
    """The picture moved by whole pixels; what comes in is paper."""
    moved = np.zeros_like(ink)
    rows, columns = SIDE - abs(down), SIDE - abs(right)
    top, left = max(down, 0), max(right, 0)
    moved[top : top + rows, left : left + columns] = ink[
        top - down : top - down + rows, left - right : left - right + columns
    ]
    return moved


def characters(strokes: Sequence[Points]) -> list[list[int]]:
    """Which strokes make up each digit, by their numbers; digits from left to right.

    Strokes above one another belong together: the bar of a 5 or a 7, the stem of a 4.
    """
    spans = [(float(s[:, 0].min()), float(s[:, 0].max()), [i]) for i, s in enumerate(strokes) if len(s)]
    spans.sort(key=lambda span: (span[0], span[1]))
    found: list[tuple[float, float, list[int]]] = []
    for left, right, numbers in spans:
        if found:
            before_left, before_right, before = found[-1]
            shared = min(right, before_right) - left
            if shared >= OVERLAP * min(right - left, before_right - before_left) and shared >= 0:
                found[-1] = (before_left, max(right, before_right), before + numbers)
                continue
        found.append((left, right, numbers))
    return [sorted(numbers) for _, _, numbers in found]


def as_strokes(value: Any) -> list[Points]:
    """Lists of [x, y] pairs, as JSON has them, checked. Raises ValueError that says what is wrong."""
    if not isinstance(value, list) or not all(isinstance(stroke, list) for stroke in value):
        raise ValueError("strokes are no list of lists of [x, y]")
    found = []
    for stroke in value:
        if not all(
            isinstance(point, list) and list(map(_is_number, point)) == [True, True] for point in stroke
        ):
            raise ValueError("a point of a stroke is no pair of numbers [x, y]")
        found.append(points(stroke))
    return found


def points(stroke: npt.ArrayLike) -> Points:
    """A stroke as an array (N, 2), checked. Raises ValueError that says what is wrong."""
    try:
        found = np.asarray(stroke, np.float64)
    except OverflowError:  # a whole number of hundreds of digits
        raise ValueError("a point of a stroke is not finite or beyond a million") from None
    if found.size == 0:
        return np.zeros((0, 2))
    if found.ndim != 2 or found.shape[1] != 2:
        raise ValueError(f"a stroke is of shape {found.shape}, not (N, 2)")
    if not np.isfinite(found).all() or (np.abs(found) > 1e6).any():
        raise ValueError("a point of a stroke is not finite or beyond a million")
    return found


def _is_number(value: Any) -> bool:
    """Neither true nor "0.5", which NumPy would take for numbers."""
    return type(value) in (int, float)
