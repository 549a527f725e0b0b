"""Digits drawn in code, in hands that MNIST lacks: training images for the way that other people write.

MNIST was written in the United States around 1990. Its 1 is a bar; elsewhere a 1 has a long up-stroke, a 7 is
crossed, a 4 is open, a 0 has a slash. `drawn` makes such digits: a habit below is a pen's path with numbers
that vary from writer to writer; the path trembles, leans and stretches, and is drawn with pens of different
width, straight into MNIST's form. Everything comes from one seed.

Paths are strokes of points (x, y) in a box of height 1, y downwards; a point named twice is a corner, the
others are joined by a smooth curve. What the habits look like: docs/augmentation.md.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.data.pen import Points, render

Path: TypeAlias = list[list[tuple[float, float]]]
Numbers: TypeAlias = np.random.Generator
Habit: TypeAlias = Callable[[Numbers], Path]
PENS = (1.5, 4.0)  # px in MNIST's box; 19 in 20 of its training images lie between
LEAN = (-0.25, 0.4)  # columns a row: most hands lean to the right
WIDTH = (0.75, 1.35)  # times the habit's
TURN = 8.0  # degrees, either way
JITTER = 0.02  # of the height: how far a point of the path is missed, one deviation
ANGULAR = 0.15  # of the digits: from point to point in straight lines, as a mouse goes
SHARES = {1: 0.26, 7: 0.18, 4: 0.15, 0: 0.11, 9: 0.09, 2: 0.09}  # of the digits drawn; the rest: 3, 5, 6, 8


def synthetic_digits(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Images (count, 28, 28) and labels (count,); the same seed draws the same digits."""
    numbers = np.random.default_rng([seed, 1])
    rest = (1 - sum(SHARES.values())) / (10 - len(SHARES))
    labels = numbers.choice(10, count, p=[SHARES.get(digit, rest) for digit in range(10)])
    images = [draw(int(label), numbers) for label in labels]
    return (np.stack(images) if images else np.zeros((0, 28, 28), np.uint8)), labels.astype(np.int64)


def draw(digit: int, numbers: Numbers) -> npt.NDArray[np.uint8]:
    """One image (28, 28) of a digit, in one of its habits."""
    habits = HABITS[digit]
    path = habits[int(numbers.integers(len(habits)))](numbers)
    image = render(written(path, numbers), pen=float(numbers.uniform(*PENS)))
    return np.asarray(np.rint(image * 255), dtype=np.uint8)


def written(path: Path, numbers: Numbers) -> list[Points]:
    """A path as a hand would write it: points missed a little, curves, tremor, leaning, wider or narrower."""
    lean, wide = numbers.uniform(*LEAN), math.exp(numbers.uniform(*np.log(WIDTH)))
    turn = math.radians(numbers.uniform(-TURN, TURN))
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    shape = np.array([[wide, 0.0], [-lean, 1.0]]) @ rotation  # rows are x and y of the unit vectors
    if numbers.random() < ANGULAR:
        return [_missed(stroke, numbers, 1.5 * JITTER) @ shape for stroke in path]
    return [curve(_missed(stroke, numbers, JITTER)) @ shape for stroke in path]


def _missed(stroke: list[tuple[float, float]], numbers: Numbers, jitter: float) -> Points:
    """The points, each missed by a little; both halves of a corner by the same."""
    points = np.array(stroke, np.float64)
    slips = numbers.normal(0, jitter, points.shape)
    for i in range(1, len(points)):
        if stroke[i] == stroke[i - 1]:
            slips[i] = slips[i - 1]
    return points + slips


def curve(points: Points, steps: int = 6) -> Points:
    """A smooth line through the points, with corners where two are alike: Catmull and Rom 1974, uniform."""
    if len(points) < 3:
        return points
    padded = np.concatenate([points[:1], points, points[-1:]])
    p0, p1, p2, p3 = (padded[i : len(points) - 1 + i, None] for i in range(4))
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    smooth = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return np.concatenate([smooth.reshape(-1, 2), points[-1:]])


def _ring(
    x: float, y: float, rx: float, ry: float, start: float, end: float, points: int = 9
) -> list[tuple[float, float]]:
    """Points on an ellipse, from one angle to another in degrees, 0 to the right, growing clockwise."""
    angles = np.radians(np.linspace(start, end, points))
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in angles]


def one_with_upstroke(n: Numbers) -> Path:
    """The European 1: an up-stroke of a quarter to all of the stem's length, 20 to 60 degrees from it.

    The top is a corner or a narrow bend; the up-stroke may begin with a small hook.
    """
    angle = math.radians(n.uniform(20, 60))
    length = n.uniform(0.25, 0.95 if angle < math.radians(45) else 0.55)  # longer and flatter is a 7
    start = (0.6 - length * math.sin(angle), length * math.cos(angle))
    bend = n.uniform(-0.06, 0.06)
    middle = ((start[0] + 0.6) / 2 + bend, start[1] / 2 + bend)
    hook = [(start[0] + n.uniform(-0.1, 0.02), start[1] - n.uniform(0.04, 0.12))] if n.random() < 0.25 else []
    top = [(0.6, 0.0)] * 2 if n.random() < 0.65 else [(0.57, 0.01), (0.62, 0.06)]
    return [[*hook, start, middle, *top, (0.6 + n.uniform(-0.05, 0.05), 1.0)]]


def one_with_foot(n: Numbers) -> Path:
    """A 1 with a foot to stand on, and mostly with an up-stroke."""
    (stroke,) = one_with_upstroke(n) if n.random() < 0.8 else one_bar(n)
    x, slope = stroke[-1][0], n.uniform(-0.06, 0.06)
    left, right = n.uniform(0.12, 0.5, 2)
    return [stroke, [(x - left, 1.0 + slope), (x + right, 1.0 - slope)]]


def one_looped(n: Numbers) -> Path:
    """A 1 whose up-stroke bends into its stem, with a narrow loop at the top."""
    start = (n.uniform(0.1, 0.35), n.uniform(0.4, 0.9))
    wide = n.uniform(0.04, 0.1)
    return [[start, (0.5 + wide, 0.15), (0.5 + wide / 2, 0.0), (0.5 - wide, 0.1), (0.48, 0.5), (0.46, 1.0)]]


def one_bar(n: Numbers) -> Path:
    """A plain bar."""
    return [[(0.5, 0.0), (0.5 + n.uniform(-0.06, 0.06), 0.5), (0.5, 1.0)]]


def _seven(n: Numbers) -> list[tuple[float, float]]:
    """The top bar, perhaps with a tick at its start, and the stem, straight or curved."""
    left = n.uniform(0.0, 0.15) if n.random() < 0.8 else n.uniform(0.15, 0.4)  # now and then a short bar
    ticked = n.random() < 0.35
    tick = [(left + 0.02, n.uniform(0.1, 0.3)), (left, 0.03), (left, 0.03)] if ticked else [(left, 0.03)]
    foot, bow = n.uniform(0.1, 0.5), n.uniform(-0.1, 0.06)
    wave = n.uniform(-0.05, 0.08)
    top = (0.7, n.uniform(-0.03, 0.05))
    return [*tick, ((left + 0.7) / 2, 0.03 + wave), top, top, ((0.7 + foot) / 2 + bow, 0.5), (foot, 1.0)]


def seven_crossed(n: Numbers) -> Path:
    """The European 7, with a bar across its stem."""
    stroke = _seven(n)
    x, y = stroke[-2]
    y += n.uniform(-0.08, 0.1)
    left, right, slope = n.uniform(0.15, 0.35), n.uniform(0.15, 0.35), n.uniform(-0.1, 0.06)
    return [stroke, [(x - left, y - slope), (x + right, y + slope)]]


def seven_waved(n: Numbers) -> Path:
    """A 7 whose top is a hook and a deep wave, crossed low on its stem."""
    depth, foot = n.uniform(0.2, 0.4), n.uniform(0.05, 0.35)
    top = (n.uniform(0.6, 0.75), n.uniform(0.0, 0.12))
    start = [(n.uniform(-0.05, 0.1), n.uniform(0.15, 0.4)), (0.18, n.uniform(0.0, 0.08)), (0.2, 0.1)]
    stem = ((top[0] + foot) / 2, 0.55)
    stroke = [*start, (n.uniform(0.25, 0.38), depth), top, top, stem, (foot, 1.0)]
    y, left, right = n.uniform(0.55, 0.8), n.uniform(0.1, 0.3), n.uniform(0.2, 0.4)
    x = top[0] + (foot - top[0]) * y
    return [stroke, [(x - left, y + n.uniform(-0.05, 0.05)), (x + right, y)]]


def seven_plain(n: Numbers) -> Path:
    """A 7 without a bar, often with a tick."""
    return [_seven(n)]


def four_open(n: Numbers) -> Path:
    """Two strokes that do not meet at the top."""
    height, reach = n.uniform(0.5, 0.7), n.uniform(0.7, 0.9)
    x = n.uniform(0.5, 0.62)
    corner = (n.uniform(0.0, 0.15), height)
    first = [(n.uniform(0.15, 0.35), 0.0), corner, corner, (reach, height + n.uniform(-0.08, 0.03))]
    return [first, [(x + n.uniform(0.0, 0.08), n.uniform(0.0, 0.4)), (x, 1.0)]]


def four_low(n: Numbers) -> Path:
    """An open 4 like an h: a long first stroke, and a stem that begins halfway down."""
    height, x = n.uniform(0.6, 0.78), n.uniform(0.4, 0.6)
    corner = (n.uniform(-0.05, 0.1), height)
    first = [
        (n.uniform(0.2, 0.4), 0.0),
        corner,
        corner,
        (n.uniform(0.6, 0.85), height - n.uniform(0.0, 0.12)),
    ]
    return [first, [(x + n.uniform(0.0, 0.08), n.uniform(0.3, 0.55)), (x, 1.0)]]


def four_cup(n: Numbers) -> Path:
    """An open 4 whose first stroke is a round cup."""
    depth = n.uniform(0.45, 0.6)
    x = n.uniform(0.6, 0.7)
    cup = [(0.1, 0.0), (0.08, 0.6 * depth), (0.3, depth), (x, 0.9 * depth)]
    return [cup, [(x + 0.03, n.uniform(-0.03, 0.1)), (x, 0.5), (x - n.uniform(0.0, 0.1), 1.0)]]


def four_looped(n: Numbers) -> Path:
    """In one stroke, with a loop where the others lift the pen."""
    height, x = n.uniform(0.4, 0.55), n.uniform(0.35, 0.5)
    left = [(0.25, 0.1), (0.02, 0.7 * height), (0.12, height)]
    return [[*left, (0.6, 0.9 * height), (x + 0.15, 0.05), (x + 0.05, 0.1), (x, 0.5), (x, 1.0)]]


def four_closed(n: Numbers) -> Path:
    """A triangle with a stem, which may begin at the top or lower."""
    height, x = n.uniform(0.55, 0.75), n.uniform(0.45, 0.6)
    corner = (0.0, height)
    first = [(x, 0.0), corner, corner, (n.uniform(0.7, 0.9), height)]
    return [first, [(x, n.choice([0.0, 0.3])), (x, 1.0)]]


def zero_slashed(n: Numbers) -> Path:
    """A 0 with a slash, inside or beyond."""
    rx, start, reach = n.uniform(0.25, 0.42), n.uniform(200, 300), n.uniform(0.75, 1.3)
    x, y = rx * reach * n.uniform(0.6, 0.9), 0.5 * reach * n.uniform(0.7, 0.95)
    side = -1 if n.random() < 0.1 else 1
    ring = _ring(0.4, 0.5, rx, 0.5, start, start + 360 + n.uniform(-15, 20))
    return [ring, [(0.4 + side * x, 0.5 - y), (0.4 - side * x, 0.5 + y)]]


def zero_tailed(n: Numbers) -> Path:
    """A 0 that ends in a tail, on the way to the next digit or inside."""
    rx, start = n.uniform(0.3, 0.55), n.uniform(230, 320)
    ring = _ring(0.4, 0.55, rx, 0.45, start, start + n.choice([-1, 1]) * n.uniform(340, 400))
    x, y = ring[-1]
    return [[*ring, (x + n.uniform(0.1, 0.45), y + n.uniform(-0.12, 0.08))]]


def zero_plain(n: Numbers) -> Path:
    """A 0, narrow or wide, not quite closed or with an overlap."""
    rx, start = n.uniform(0.22, 0.52), n.uniform(200, 330)  # 0.5 is a circle
    rx *= 1.3 if n.random() < 0.2 else 1.0  # flat ones, as in 1000
    return [_ring(0.4, 0.5, rx, 0.5, start, start + 360 + n.uniform(-25, 30))]


def two(n: Numbers) -> Path:
    """A 2 with a sharp foot or with a loop."""
    rx = n.uniform(0.25, 0.36)
    top = _ring(0.4, 0.28, rx, 0.28, n.uniform(180, 215), 390, 6)
    foot = n.uniform(-0.05, 0.08)
    if n.random() < 0.35:
        loop = [(0.12, 0.95), (0.05, 0.85), (0.2, 0.82), (0.45, 0.98), (0.75, 0.95)]
        return [[*top, (0.45, 0.65), *loop]]
    return [[*top, (0.4, 0.68), (0.05, 1.0), (0.05, 1.0), (0.72, 1.0 - foot)]]


def two_curled(n: Numbers) -> Path:
    """A 2 that begins with a curl or a whole ring, and ends with a loop or a sharp foot."""
    rx, ry = n.uniform(0.2, 0.34), n.uniform(0.2, 0.3)
    top = _ring(0.4, ry, rx, ry, n.uniform(20, 120), 390, 8)
    if n.random() < 0.6:
        loop = [(0.15, 0.95), (0.05, 0.86), (0.2, 0.8), (0.45, 0.96), (n.uniform(0.65, 0.9), 0.95)]
        return [[*top, (0.45, 0.65), *loop]]
    return [[*top, (0.4, 0.7), (0.05, 1.0), (0.05, 1.0), (n.uniform(0.6, 0.8), 1.0 + n.uniform(-0.06, 0.04))]]


def three(n: Numbers) -> Path:
    """A 3 with a round top, with a flat one, or all in corners."""
    belly = _ring(0.33, 0.7, n.uniform(0.25, 0.38), 0.3, 285, n.uniform(430, 520), 7)
    kind = n.random()
    if kind < 0.45:
        notch = (n.uniform(0.22, 0.35), 0.44)
        return [[*_ring(0.33, 0.22, n.uniform(0.22, 0.32), 0.22, 200, 430, 6), notch, notch, *belly]]
    start, corner, notch = (
        (0.05, n.uniform(0.0, 0.15)),
        (0.62, 0.02),
        (n.uniform(0.2, 0.4), n.uniform(0.3, 0.42)),
    )
    if kind < 0.85:
        return [[start, corner, corner, notch, notch, *belly]]
    elbow = (n.uniform(0.5, 0.65), n.uniform(0.4, 0.5))
    return [[start, corner, corner, notch, notch, elbow, elbow, (n.uniform(0.1, 0.35), 1.0)]]


def five(n: Numbers) -> Path:
    """A 5 in one stroke or in two, its bar short or long, detached at times."""
    corner = (0.12, 0.0)
    elbow = (n.uniform(0.06, 0.14), n.uniform(0.28, 0.48))
    belly = _ring(0.32, 0.7, n.uniform(0.28, 0.38), 0.3, 250, n.uniform(450, 520), 7)
    start = (0.12 + n.uniform(-0.02, 0.1), n.uniform(-0.06, 0.03))
    end = (n.uniform(0.5, 0.95), n.uniform(-0.08, 0.02))
    if n.random() < 0.5:
        return [[corner, elbow, elbow, *belly], [start, end]]
    return [[end, corner, corner, elbow, elbow, *belly]]


def six(n: Numbers) -> Path:
    """A 6 with a straight or a curved back, its loop high or low."""
    loop = n.uniform(0.22, 0.33)
    bow = n.uniform(-0.1, 0.05)
    back = [(n.uniform(0.35, 0.65), 0.0), (0.18 + bow, 0.4)]
    return [[*back, *_ring(0.36, 1 - loop, n.uniform(0.24, 0.36), loop, 180, 180 - n.uniform(330, 400))]]


def eight(n: Numbers) -> Path:
    """An 8 as two rings or as one line that crosses itself."""
    upper, lower = n.uniform(0.2, 0.26), n.uniform(0.24, 0.3)
    a, b = n.uniform(0.18, 0.28), n.uniform(0.24, 0.36)
    if n.random() < 0.35:
        return [_ring(0.4, upper, a, upper, 90, 450), _ring(0.4, 1 - lower, b, lower, 270, 630)]
    down = [(0.62, 0.12), (0.4, 0.0), (0.17, 0.18), (0.4, 0.45), (0.66, 0.75), (0.4, 1.0)]
    up = [(0.12, 0.76), (0.4, 0.46), (0.64, n.uniform(0.1, 0.25))]
    return [[*down, *up]]


def nine(n: Numbers) -> Path:
    """A 9 with a straight stem, a slanting one, or a hook as a g has it."""
    loop, start = n.uniform(0.2, 0.3), n.uniform(-60, -10)
    ring = _ring(0.35, loop, n.uniform(0.22, 0.33), loop, start, start - 360)
    x = 0.62
    kind = n.random()
    if kind < 0.4:
        return [[*ring, (x, 0.15), (x, 0.15), (x + n.uniform(-0.12, 0.02), 1.0)]]
    if kind < 0.7:
        return [[*ring, (x, 0.3), (0.5, 0.7), (n.uniform(0.15, 0.4), 1.0)]]
    return [[*ring, (x, 0.15), (x, 0.15), (x, 0.7), (0.4, 1.0), (n.uniform(0.05, 0.15), 0.88)]]


def nine_lollipop(n: Numbers) -> Path:
    """A 9 whose stem hangs under the middle of its ring."""
    loop, rx, start = n.uniform(0.2, 0.3), n.uniform(0.2, 0.34), n.uniform(60, 130)
    x = 0.35 + n.uniform(-0.14, 0.14)
    ring = _ring(0.35, loop, rx, loop, start, start + n.choice([-1, 1]) * n.uniform(320, 380))
    stem = [(x, 2 * loop - n.uniform(0.0, 0.06)), (x + n.uniform(-0.06, 0.04), 1.0)]
    return [[*ring, *stem]] if n.random() < 0.6 else [ring, stem]


HABITS: dict[int, tuple[Habit, ...]] = {
    0: (zero_slashed, zero_plain, zero_tailed),
    1: (one_with_upstroke, one_with_upstroke, one_with_upstroke, one_with_foot, one_looped, one_bar),
    2: (two, two_curled),
    3: (three,),
    4: (four_open, four_open, four_cup, four_low, four_low, four_looped, four_closed),
    5: (five,),
    6: (six,),
    7: (seven_crossed, seven_crossed, seven_waved, seven_plain),
    8: (eight,),
    9: (nine, nine_lollipop),
}
