"""Draw synthetic digits in styles that MNIST does not have, as additional training images.

Each digit is made in three steps:
    1. Choose a style at random. It returns a path: the points of each pen stroke (digits.data.digit_styles).
    2. Change the path like handwriting: move its points a little, then shear, stretch and rotate it.
    3. Draw the path with a pen of random width, as an image in MNIST's form (digits.data.pen).
"""

import math

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from digits.data.digit_styles import STYLES, Path, Stroke
from digits.data.pen import Points, render
from digits.mnist import CLASSES, SIDE

# Ranges (lowest, highest) of uniform random numbers:
PEN_WIDTHS = (1.5, 4.0)  # px; width of the pen. 95 % of MNIST's training images are in this range
LEAN = (-0.25, 0.4)  # shear: px to the right for each px upwards. Most people's writing leans to the right
STRETCH = (0.75, 1.35)  # factor for the width of the digit; its logarithm is uniform
TURN = 8.0  # degrees; largest rotation in either direction
JITTER = 0.02  # standard deviation of the random move of a point, as a fraction of the digit's height
ANGULAR = 0.15  # probability that the points are joined by straight lines, as if drawn with a mouse
ANGULAR_JITTER = 1.5 * JITTER  # such digits are less precise
# Digit -> its share of all synthetic digits. 3, 5, 6 and 8 have equal shares of the rest: they are fewer,
# because people write them as in MNIST.
SHARES = {1: 0.26, 7: 0.18, 4: 0.15, 0: 0.11, 9: 0.09, 2: 0.09}


def synthetic_digits(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Draw random digits.

    Args:
        count: Number of digits, 0 or more.
        seed: Seed of all random choices. The same count and seed give the same digits.
    Returns:
        Images, uint8 (count, 28, 28), paper 0, ink 255; and labels, int64 (count,), from 0 to 9.
    """
    rng = np.random.default_rng([seed, 1])
    rest = (1 - sum(SHARES.values())) / (CLASSES - len(SHARES))
    labels = rng.choice(CLASSES, count, p=[SHARES.get(digit, rest) for digit in range(CLASSES)])
    images = [draw_digit(int(label), rng) for label in labels]
    stacked = np.stack(images) if images else np.zeros((0, SIDE, SIDE), np.uint8)
    return stacked, labels.astype(np.int64)


def draw_digit(digit: int, rng: Generator) -> npt.NDArray[np.uint8]:
    """Draw one digit in a random style.

    Args:
        digit: The digit, from 0 to 9.
        rng: Generator of all random choices.
    Returns:
        Image, uint8 (28, 28), paper 0, ink 255.
    """
    styles = STYLES[digit]
    path = styles[int(rng.integers(len(styles)))](rng)
    image = render(handwritten(path, rng), pen=float(rng.uniform(*PEN_WIDTHS)))
    return np.asarray(np.rint(image * 255), dtype=np.uint8)


def handwritten(path: Path, rng: Generator) -> list[Points]:
    """Change a path at random to look like handwriting.

    Args:
        path: Points of the pen strokes, from a style. The digit has height 1.
        rng: Generator of all random choices.
    Returns:
        The pen strokes, each float64 (N, 2) as x and y.
    """
    lean, width = rng.uniform(*LEAN), math.exp(rng.uniform(*np.log(STRETCH)))
    turn = math.radians(rng.uniform(-TURN, TURN))
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    transform = np.array([[width, 0.0], [-lean, 1.0]]) @ rotation  # (2, 2); new points = points @ transform
    # Straight lines join the points with the probability ANGULAR. Otherwise a curve joins them.
    if rng.random() < ANGULAR:
        return [_jittered(stroke, rng, ANGULAR_JITTER) @ transform for stroke in path]
    return [curve(_jittered(stroke, rng, JITTER)) @ transform for stroke in path]


def _jittered(stroke: Stroke, rng: Generator, deviation: float) -> Points:
    """Move each point of a pen stroke a little, at random.

    Args:
        stroke: Points (x, y) of a digit of height 1.
        rng: Generator of the moves.
        deviation: Standard deviation of the moves in x and in y.
    Returns:
        The moved points, float64 (N, 2).
    """
    points = np.array(stroke, np.float64)
    moves = rng.normal(0, deviation, points.shape)
    for i in range(1, len(points)):
        if stroke[i] == stroke[i - 1]:  # a corner is a point that is given twice; both move together
            moves[i] = moves[i - 1]
    return points + moves


def curve(points: Points, steps: int = 6) -> Points:
    """Return points on a smooth curve through the given points.

    The curve has a corner where a point is given twice.

    Args:
        points: (N, 2) as x and y.
        steps: Number of points to return for each interval between two points.
    Returns:
        ((N - 1) * steps + 1, 2); the given points if N is below 3.

    Source: Catmull and Rom 1974 (uniform Catmull-Rom spline).
    """
    if len(points) < 3:
        return points
    # Between two points the curve is a polynomial of degree 3. p1 and p2 are the ends of an interval, p0 and
    # p3 the points before and after it.
    padded = np.concatenate([points[:1], points, points[-1:]])
    p0, p1, p2, p3 = (padded[i : len(points) - 1 + i, None] for i in range(4))  # (N - 1, 1, 2) each
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    smooth = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return np.concatenate([smooth.reshape(-1, 2), points[-1:]])
