"""Define styles in which people write each digit.

MNIST was written in the United States around 1990 and lacks many of these styles. Its 1 is a single vertical
line. In other countries people write a 1 with a long up-stroke, a 7 with a bar across it, a 4 that is open at
the top, or a 0 with a slash. docs/augmentation.md shows the styles.

A style is a function. It takes a random generator and returns a path: the pen strokes of one digit. Its shape
is a little different in each call.

A pen stroke is a list of points (x, y), with x to the right and y downwards. The digit is 1 high: y is about
0 at its top and 1 at its bottom. A smooth curve joins the points (digits.data.synthetic.curve). A point that
is given twice is a corner. The points were chosen by eye.

Words for parts of a digit:
    stem        the long, nearly vertical line
    bar         a short straight line
    up-stroke   the line up to the top of a 1
    ring        a closed round line, such as a 0
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.random import Generator

Stroke: TypeAlias = list[tuple[float, float]]  # points (x, y)
Path: TypeAlias = list[Stroke]  # pen strokes of one digit
Style: TypeAlias = Callable[[Generator], Path]


def _ring(x: float, y: float, rx: float, ry: float, start: float, end: float, points: int = 9) -> Stroke:
    """Return points on an ellipse, or on a part of it.

    Args:
        x, y: Centre of the ellipse.
        rx, ry: Horizontal and vertical radius.
        start, end: Angles of the first and last point in degrees, clockwise from the right.
        points: Number of points.
    """
    angles = np.radians(np.linspace(start, end, points))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def one_with_upstroke(rng: Generator) -> Path:
    """Return a European 1 with an up-stroke."""
    angle = math.radians(rng.uniform(20, 60))  # between up-stroke and stem
    longest = 0.95 if angle < math.radians(45) else 0.55  # a long and flat up-stroke would make it a 7
    length = rng.uniform(0.25, longest)
    start = (0.6 - length * math.sin(angle), length * math.cos(angle))
    bend = rng.uniform(-0.06, 0.06)
    middle = ((start[0] + 0.6) / 2 + bend, start[1] / 2 + bend)
    hook: Stroke = []  # at the start of the up-stroke
    if rng.random() < 0.25:
        hook = [(start[0] + rng.uniform(-0.1, 0.02), start[1] - rng.uniform(0.04, 0.12))]
    # The top is a corner or a narrow bend.
    top = [(0.6, 0.0)] * 2 if rng.random() < 0.65 else [(0.57, 0.01), (0.62, 0.06)]
    return [[*hook, start, middle, *top, (0.6 + rng.uniform(-0.05, 0.05), 1.0)]]


def one_with_foot(rng: Generator) -> Path:
    """Return a 1 with a horizontal bar at its bottom."""
    (stroke,) = one_with_upstroke(rng) if rng.random() < 0.8 else one_bar(rng)
    x, slope = stroke[-1][0], rng.uniform(-0.06, 0.06)
    left, right = rng.uniform(0.12, 0.5, 2)
    return [stroke, [(x - left, 1.0 + slope), (x + right, 1.0 - slope)]]


def one_looped(rng: Generator) -> Path:
    """Return a 1 with a narrow loop at the top."""
    start = (rng.uniform(0.1, 0.35), rng.uniform(0.4, 0.9))
    wide = rng.uniform(0.04, 0.1)
    return [[start, (0.5 + wide, 0.15), (0.5 + wide / 2, 0.0), (0.5 - wide, 0.1), (0.48, 0.5), (0.46, 1.0)]]


def one_bar(rng: Generator) -> Path:
    """Return a 1 that is only a stem."""
    return [[(0.5, 0.0), (0.5 + rng.uniform(-0.06, 0.06), 0.5), (0.5, 1.0)]]


def _seven(rng: Generator) -> Stroke:
    """Return the bar at the top and the stem of a 7."""
    has_long_bar = rng.random() < 0.8
    left = rng.uniform(0.0, 0.15) if has_long_bar else rng.uniform(0.15, 0.4)
    # A tick is a short vertical line at the left end of the bar.
    ticked = rng.random() < 0.35
    tick = [(left + 0.02, rng.uniform(0.1, 0.3)), (left, 0.03), (left, 0.03)] if ticked else [(left, 0.03)]
    foot, bow = rng.uniform(0.1, 0.5), rng.uniform(-0.1, 0.06)
    wave = rng.uniform(-0.05, 0.08)
    top = (0.7, rng.uniform(-0.03, 0.05))
    return [*tick, ((left + 0.7) / 2, 0.03 + wave), top, top, ((0.7 + foot) / 2 + bow, 0.5), (foot, 1.0)]


def seven_crossed(rng: Generator) -> Path:
    """Return a European 7 with a second bar across its stem."""
    stroke = _seven(rng)
    x, y = stroke[-2]
    y += rng.uniform(-0.08, 0.1)
    left, right, slope = rng.uniform(0.15, 0.35), rng.uniform(0.15, 0.35), rng.uniform(-0.1, 0.06)
    return [stroke, [(x - left, y - slope), (x + right, y + slope)]]


def seven_waved(rng: Generator) -> Path:
    """Return a 7 with a wave at the top and a bar across its stem."""
    depth, foot = rng.uniform(0.2, 0.4), rng.uniform(0.05, 0.35)
    top = (rng.uniform(0.6, 0.75), rng.uniform(0.0, 0.12))
    start = [(rng.uniform(-0.05, 0.1), rng.uniform(0.15, 0.4)), (0.18, rng.uniform(0.0, 0.08)), (0.2, 0.1)]
    stem = ((top[0] + foot) / 2, 0.55)
    stroke = [*start, (rng.uniform(0.25, 0.38), depth), top, top, stem, (foot, 1.0)]
    y, left, right = rng.uniform(0.55, 0.8), rng.uniform(0.1, 0.3), rng.uniform(0.2, 0.4)
    x = top[0] + (foot - top[0]) * y
    return [stroke, [(x - left, y + rng.uniform(-0.05, 0.05)), (x + right, y)]]


def seven_uncrossed(rng: Generator) -> Path:
    """Return a 7 without a bar across its stem."""
    return [_seven(rng)]


def four_open(rng: Generator) -> Path:
    """Return an open 4: its two strokes do not meet at the top."""
    height, reach = rng.uniform(0.5, 0.7), rng.uniform(0.7, 0.9)
    x = rng.uniform(0.5, 0.62)
    corner = (rng.uniform(0.0, 0.15), height)
    first = [(rng.uniform(0.15, 0.35), 0.0), corner, corner, (reach, height + rng.uniform(-0.08, 0.03))]
    return [first, [(x + rng.uniform(0.0, 0.08), rng.uniform(0.0, 0.4)), (x, 1.0)]]


def four_low(rng: Generator) -> Path:
    """Return an open 4 with a short stem, similar to an h."""
    height, x = rng.uniform(0.6, 0.78), rng.uniform(0.4, 0.6)
    corner = (rng.uniform(-0.05, 0.1), height)
    first = [
        (rng.uniform(0.2, 0.4), 0.0),
        corner,
        corner,
        (rng.uniform(0.6, 0.85), height - rng.uniform(0.0, 0.12)),
    ]
    return [first, [(x + rng.uniform(0.0, 0.08), rng.uniform(0.3, 0.55)), (x, 1.0)]]


def four_cup(rng: Generator) -> Path:
    """Return an open 4 with a round first stroke, like a cup."""
    depth = rng.uniform(0.45, 0.6)
    x = rng.uniform(0.6, 0.7)
    cup = [(0.1, 0.0), (0.08, 0.6 * depth), (0.3, depth), (x, 0.9 * depth)]
    return [cup, [(x + 0.03, rng.uniform(-0.03, 0.1)), (x, 0.5), (x - rng.uniform(0.0, 0.1), 1.0)]]


def four_looped(rng: Generator) -> Path:
    """Return a 4 in one stroke with a small loop."""
    height, x = rng.uniform(0.4, 0.55), rng.uniform(0.35, 0.5)
    left = [(0.25, 0.1), (0.02, 0.7 * height), (0.12, height)]
    return [[*left, (0.6, 0.9 * height), (x + 0.15, 0.05), (x + 0.05, 0.1), (x, 0.5), (x, 1.0)]]


def four_closed(rng: Generator) -> Path:
    """Return a closed 4: a triangle and a stem."""
    height, x = rng.uniform(0.55, 0.75), rng.uniform(0.45, 0.6)
    corner = (0.0, height)
    first = [(x, 0.0), corner, corner, (rng.uniform(0.7, 0.9), height)]
    return [first, [(x, rng.choice([0.0, 0.3])), (x, 1.0)]]


def zero_slashed(rng: Generator) -> Path:
    """Return a 0 with a slash (a diagonal line)."""
    rx, start, reach = rng.uniform(0.25, 0.42), rng.uniform(200, 300), rng.uniform(0.75, 1.3)
    x, y = rx * reach * rng.uniform(0.6, 0.9), 0.5 * reach * rng.uniform(0.7, 0.95)
    side = -1 if rng.random() < 0.1 else 1
    ring = _ring(0.4, 0.5, rx, 0.5, start, start + 360 + rng.uniform(-15, 20))
    # The slash ends inside or outside the ring.
    return [ring, [(0.4 + side * x, 0.5 - y), (0.4 - side * x, 0.5 + y)]]


def zero_tailed(rng: Generator) -> Path:
    """Return a 0 with a short line to the right at its end."""
    rx, start = rng.uniform(0.3, 0.55), rng.uniform(230, 320)
    ring = _ring(0.4, 0.55, rx, 0.45, start, start + rng.choice([-1, 1]) * rng.uniform(340, 400))
    x, y = ring[-1]
    return [[*ring, (x + rng.uniform(0.1, 0.45), y + rng.uniform(-0.12, 0.08))]]


def zero_ring(rng: Generator) -> Path:
    """Return a narrow or wide 0."""
    rx, start = rng.uniform(0.22, 0.52), rng.uniform(200, 330)  # with rx = 0.5 it is a circle
    rx *= 1.3 if rng.random() < 0.2 else 1.0  # some are made wider, like zeros in a quickly written 1000
    # The ring has a small gap, or its ends overlap.
    return [_ring(0.4, 0.5, rx, 0.5, start, start + 360 + rng.uniform(-25, 30))]


def two(rng: Generator) -> Path:
    """Return a 2 with a corner or a loop at the lower left."""
    rx = rng.uniform(0.25, 0.36)
    top = _ring(0.4, 0.28, rx, 0.28, rng.uniform(180, 215), 390, 6)
    foot = rng.uniform(-0.05, 0.08)
    if rng.random() < 0.35:
        loop = [(0.12, 0.95), (0.05, 0.85), (0.2, 0.82), (0.45, 0.98), (0.75, 0.95)]
        return [[*top, (0.45, 0.65), *loop]]
    return [[*top, (0.4, 0.68), (0.05, 1.0), (0.05, 1.0), (0.72, 1.0 - foot)]]


def two_curled(rng: Generator) -> Path:
    """Return a 2 that begins with a curl."""
    rx, ry = rng.uniform(0.2, 0.34), rng.uniform(0.2, 0.3)
    top = _ring(0.4, ry, rx, ry, rng.uniform(20, 120), 390, 8)
    if rng.random() < 0.6:
        loop = [(0.15, 0.95), (0.05, 0.86), (0.2, 0.8), (0.45, 0.96), (rng.uniform(0.65, 0.9), 0.95)]
        return [[*top, (0.45, 0.65), *loop]]
    end = (rng.uniform(0.6, 0.8), 1.0 + rng.uniform(-0.06, 0.04))
    return [[*top, (0.4, 0.7), (0.05, 1.0), (0.05, 1.0), end]]


def three(rng: Generator) -> Path:
    """Return a 3 with a round or a flat top."""
    belly = _ring(0.33, 0.7, rng.uniform(0.25, 0.38), 0.3, 285, rng.uniform(430, 520), 7)
    kind = rng.random()
    if kind < 0.45:
        notch = (rng.uniform(0.22, 0.35), 0.44)
        return [[*_ring(0.33, 0.22, rng.uniform(0.22, 0.32), 0.22, 200, 430, 6), notch, notch, *belly]]
    start, corner, notch = (
        (0.05, rng.uniform(0.0, 0.15)),
        (0.62, 0.02),
        (rng.uniform(0.2, 0.4), rng.uniform(0.3, 0.42)),
    )
    if kind < 0.85:
        return [[start, corner, corner, notch, notch, *belly]]
    elbow = (rng.uniform(0.5, 0.65), rng.uniform(0.4, 0.5))
    return [[start, corner, corner, notch, notch, elbow, elbow, (rng.uniform(0.1, 0.35), 1.0)]]


def five(rng: Generator) -> Path:
    """Return a 5 in one or two strokes."""
    corner = (0.12, 0.0)
    elbow = (rng.uniform(0.06, 0.14), rng.uniform(0.28, 0.48))
    belly = _ring(0.32, 0.7, rng.uniform(0.28, 0.38), 0.3, 250, rng.uniform(450, 520), 7)
    start = (0.12 + rng.uniform(-0.02, 0.1), rng.uniform(-0.06, 0.03))
    end = (rng.uniform(0.5, 0.95), rng.uniform(-0.08, 0.02))
    if rng.random() < 0.5:
        return [[corner, elbow, elbow, *belly], [start, end]]
    return [[end, corner, corner, elbow, elbow, *belly]]


def six(rng: Generator) -> Path:
    """Return a 6 with a small or large loop."""
    loop = rng.uniform(0.22, 0.33)
    bow = rng.uniform(-0.1, 0.05)
    back = [(rng.uniform(0.35, 0.65), 0.0), (0.18 + bow, 0.4)]
    return [[*back, *_ring(0.36, 1 - loop, rng.uniform(0.24, 0.36), loop, 180, 180 - rng.uniform(330, 400))]]


def eight(rng: Generator) -> Path:
    """Return an 8 from two rings or from one line."""
    upper, lower = rng.uniform(0.2, 0.26), rng.uniform(0.24, 0.3)
    a, b = rng.uniform(0.18, 0.28), rng.uniform(0.24, 0.36)
    if rng.random() < 0.35:
        return [_ring(0.4, upper, a, upper, 90, 450), _ring(0.4, 1 - lower, b, lower, 270, 630)]
    down = [(0.62, 0.12), (0.4, 0.0), (0.17, 0.18), (0.4, 0.45), (0.66, 0.75), (0.4, 1.0)]
    up = [(0.12, 0.76), (0.4, 0.46), (0.64, rng.uniform(0.1, 0.25))]
    return [[*down, *up]]


def nine(rng: Generator) -> Path:
    """Return a 9 with a straight, slanted or hooked stem."""
    loop, start = rng.uniform(0.2, 0.3), rng.uniform(-60, -10)
    ring = _ring(0.35, loop, rng.uniform(0.22, 0.33), loop, start, start - 360)
    x = 0.62
    kind = rng.random()
    if kind < 0.4:
        return [[*ring, (x, 0.15), (x, 0.15), (x + rng.uniform(-0.12, 0.02), 1.0)]]
    if kind < 0.7:
        return [[*ring, (x, 0.3), (0.5, 0.7), (rng.uniform(0.15, 0.4), 1.0)]]
    return [[*ring, (x, 0.15), (x, 0.15), (x, 0.7), (0.4, 1.0), (rng.uniform(0.05, 0.15), 0.88)]]


def nine_lollipop(rng: Generator) -> Path:
    """Return a 9 with its stem below the ring, like a lollipop."""
    loop, rx, start = rng.uniform(0.2, 0.3), rng.uniform(0.2, 0.34), rng.uniform(60, 130)
    x = 0.35 + rng.uniform(-0.14, 0.14)
    ring = _ring(0.35, loop, rx, loop, start, start + rng.choice([-1, 1]) * rng.uniform(320, 380))
    stem = [(x, 2 * loop - rng.uniform(0.0, 0.06)), (x + rng.uniform(-0.06, 0.04), 1.0)]
    return [[*ring, *stem]] if rng.random() < 0.6 else [ring, stem]


STYLES: dict[int, tuple[Style, ...]] = {
    0: (zero_slashed, zero_ring, zero_tailed),
    1: (one_with_upstroke, one_with_upstroke, one_with_upstroke, one_with_foot, one_looped, one_bar),
    2: (two, two_curled),
    3: (three,),
    4: (four_open, four_open, four_cup, four_low, four_low, four_looped, four_closed),
    5: (five,),
    6: (six,),
    7: (seven_crossed, seven_crossed, seven_waved, seven_uncrossed),
    8: (eight,),
    9: (nine, nine_lollipop),
}
"""Digit -> its styles. One of them is chosen at random; a style that is listed twice is twice as likely."""
