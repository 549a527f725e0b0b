"""Find the signs of a row of strokes: points, commas, colons, dashes and slashes.

A sign is a stroke apart from the others, of a certain size, at a certain place beside the digits. Lengths
are in heights of the row's digits. A level is a place between 0 at the top and 1 at the bottom of the digits
beside it. The web page has the same functions in JavaScript (static/strokes.js). Limits were chosen on
drawings of benchmarks/strokes.py, with other seeds than those of its figures.
"""

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from digits.reading.stroke_rows import MOST_COMPARED, Place, Stroke, distance

FREE = 0.06  # smallest distance of a sign from other strokes
DOT_SIZE = 0.22  # largest width and height of a point
DOT_LEVEL = 0.7  # highest level of a point's middle
COMMA_WIDTH, COMMA_HEIGHT, COMMA_LEVELS = 0.3, 0.4, (0.7, 1.05)  # size; highest levels of top and bottom
COMMA_LONG, COMMA_LEAST = 1.2, 0.1  # smallest height of a comma, in its widths and in heights
DASH_WIDTHS, DASH_FLAT = (0.15, 1.3), 0.35  # width of a dash; its largest height, in its widths
DASH_LEVELS = (0.25, 0.75)  # of a dash's middle
INSIDE = 0.3  # of its width; a dash of which more is between a digit's left and right is a part of the digit
SLASH_HEIGHT, SLASH_LEAN, SLASH_LONG = 1.15, 0.2, 1.1  # height; width in its heights; length in its chords
SLASH_LEVELS = (0.02, 0.98)  # lowest level of its top, highest of its bottom
COLON_APART = 0.3  # largest distance of a colon's points, across

Signs: TypeAlias = list[tuple[str, list[Stroke]]]  # character and strokes of each sign


def may_be_signs(row: Sequence[Stroke], height: float) -> list[Stroke]:
    """Return the strokes of a row that may be signs: low or a slash, and apart from all others.

    Args:
        row: Strokes from left to right.
        height: Height of the row's digits.
    """
    if len(row) > MOST_COMPARED:
        return []
    found = [
        stroke
        for stroke in row
        if (stroke.height <= COMMA_HEIGHT * height or _is_slash(stroke, height))
        and all(distance(stroke, s, FREE * height) >= FREE * height for s in row if s is not stroke)
    ]
    return found if len(found) < len(row) else []


def signs_among(strokes: Sequence[Stroke], digits: Sequence[Place], height: float) -> Signs:
    """Return those strokes of a row that are signs, from left to right.

    Args:
        strokes: Strokes that may be signs, from left to right.
        digits: Boxes of the row's digits from left to right, at least one.
        height: Height of the row's digits.
    """
    found: Signs = []
    dots = [stroke for stroke in strokes if max(stroke.width, stroke.height) <= DOT_SIZE * height]
    for stroke in strokes:
        below = next((dot for dot in dots if _is_colon(stroke, dot, height)), None)
        if below is not None and stroke in dots:
            found.append((":", [stroke, below]))
    taken = {stroke for _, members in found for stroke in members}
    for stroke in strokes:
        character = None if stroke in taken else _sign(stroke, digits, height)
        if character:
            found.append((character, [stroke]))
    return sorted(found, key=lambda sign: sign[1][0].middle)


def _sign(stroke: Stroke, digits: Sequence[Place], height: float) -> str | None:
    """Return the sign that a stroke is by its size and its place; None if it is none."""
    if any(_shared(stroke, d) > INSIDE * stroke.width and d.bottom < stroke.top for d in digits):
        return None  # it is below a ring, such as the stem of a 9
    top, bottom = _level(stroke, digits)
    wide, tall = stroke.width / height, stroke.height / height
    middle = (stroke.top + stroke.bottom) / 2
    first, at, last = ((y - top) / (bottom - top) for y in (stroke.top, middle, stroke.bottom))
    is_long = tall >= max(COMMA_LONG * wide, COMMA_LEAST) and last >= COMMA_LEVELS[1]
    if is_long and wide <= COMMA_WIDTH and tall <= COMMA_HEIGHT and first >= COMMA_LEVELS[0]:
        return ","
    if max(wide, tall) <= DOT_SIZE and at >= DOT_LEVEL:
        return "."
    is_flat = DASH_WIDTHS[0] <= wide <= DASH_WIDTHS[1] and tall <= DASH_FLAT * wide
    if is_flat and DASH_LEVELS[0] <= at <= DASH_LEVELS[1]:
        return "-" if all(_shared(stroke, d) <= INSIDE * stroke.width for d in digits) else None
    is_between = digits[0].middle < stroke.middle < digits[-1].middle
    if tall >= SLASH_HEIGHT and is_between and first < SLASH_LEVELS[0] and last > SLASH_LEVELS[1]:
        return "/"
    return None


def _shared(a: Place, b: Place) -> float:
    """Return the width that two boxes share; negative if there is a gap."""
    return min(a.right, b.right) - max(a.left, b.left)


def _level(stroke: Stroke, digits: Sequence[Place]) -> tuple[float, float]:
    """Return top and bottom of the nearest digits to the left and right of a stroke, as means."""
    left = [digit for digit in digits if digit.middle <= stroke.middle]
    right = [digit for digit in digits if digit.middle > stroke.middle]
    near = [*left[-1:], *right[:1]]
    return sum(d.top for d in near) / len(near), sum(d.bottom for d in near) / len(near)


def _is_slash(stroke: Stroke, height: float) -> bool:
    """Check if a stroke is high, straight and leans to the right."""
    is_high = stroke.height >= SLASH_HEIGHT * height and stroke.width >= SLASH_LEAN * stroke.height
    return is_high and _is_straight(stroke)


def _is_straight(stroke: Stroke) -> bool:
    """Check that a stroke is a straight line between lower left and upper right."""
    (ax, ay), (bx, by) = stroke.points[0].tolist(), stroke.points[-1].tolist()
    steps = np.diff(stroke.points, axis=0)
    length = float(np.sqrt((steps * steps).sum(axis=1)).sum())
    chord = math.sqrt((bx - ax) * (bx - ax) + (by - ay) * (by - ay))
    return length <= SLASH_LONG * chord and (bx - ax) * (by - ay) < 0


def _is_colon(upper: Stroke, lower: Stroke, height: float) -> bool:
    """Check if two points are a colon."""
    return upper.bottom < lower.top and abs(upper.middle - lower.middle) <= COLON_APART * height
