"""Draw digits in code, in styles that MNIST lacks, as extra training images.

A style's path (digits.data.digit_styles) is varied as a hand would vary it: it trembles, leans, turns and
stretches. It is then drawn with a pen of random width in MNIST's form. The seed decides everything.
"""

import math

import numpy as np
import numpy.typing as npt
from numpy.random import Generator

from digits.data.digit_styles import STYLES, Path, Stroke
from digits.data.pen import Points, render
from digits.mnist import CLASSES, SIDE

# Lowest and highest values; a number is chosen between them, each equally likely.
PEN_WIDTHS = (1.5, 4.0)  # px in MNIST's box of 20; 19 in 20 of its training images lie between
LEAN = (-0.25, 0.4)  # px to the right for each px up; most people's writing leans to the right
WIDTH = (0.75, 1.35)  # times the style's width; its logarithm is what is equally likely
TURN = 8.0  # degrees, in either direction
JITTER = 0.02  # of the digit's height: standard deviation of the distance by which a point is missed
ANGULAR = 0.15  # share of the digits that are drawn in straight lines, as with a mouse,
ANGULAR_JITTER = 1.5 * JITTER  # and less precisely
# Share of a digit among all that are drawn; 3, 5, 6 and 8, which people write as in MNIST, share the rest.
SHARES = {1: 0.26, 7: 0.18, 4: 0.15, 0: 0.11, 9: 0.09, 2: 0.09}


def synthetic_digits(count: int, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Return drawn digits: images (count, 28, 28), ink 255 on paper 0, and labels (count,) from 0 to 9.

    The same count and seed give the same digits.
    """
    rng = np.random.default_rng([seed, 1])
    rest = (1 - sum(SHARES.values())) / (CLASSES - len(SHARES))
    labels = rng.choice(CLASSES, count, p=[SHARES.get(digit, rest) for digit in range(CLASSES)])
    images = [draw(int(label), rng) for label in labels]
    stacked = np.stack(images) if images else np.zeros((0, SIDE, SIDE), np.uint8)
    return stacked, labels.astype(np.int64)


def draw(digit: int, rng: Generator) -> npt.NDArray[np.uint8]:
    """Return one image (28, 28) of a digit in a random style, ink 255 on paper 0."""
    styles = STYLES[digit]
    path = styles[int(rng.integers(len(styles)))](rng)
    image = render(handwritten(path, rng), pen=float(rng.uniform(*PEN_WIDTHS)))
    return np.asarray(np.rint(image * 255), dtype=np.uint8)


def handwritten(path: Path, rng: Generator) -> list[Points]:
    """Return a path's strokes as a hand might draw them, each as an array (N, 2) of x and y.

    Points are missed a little, then joined by curves or, for a share of ANGULAR, by straight lines; the
    whole is leaned, stretched and turned.
    """
    lean, width = rng.uniform(*LEAN), math.exp(rng.uniform(*np.log(WIDTH)))
    turn = math.radians(rng.uniform(-TURN, TURN))
    rotation = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    transform = np.array([[width, 0.0], [-lean, 1.0]]) @ rotation  # rows: where the two unit vectors go
    if rng.random() < ANGULAR:
        return [_jittered(stroke, rng, ANGULAR_JITTER) @ transform for stroke in path]
    return [curve(_jittered(stroke, rng, JITTER)) @ transform for stroke in path]


def _jittered(stroke: Stroke, rng: Generator, deviation: float) -> Points:
    """Return the points, each moved at random; both points of a corner are moved alike."""
    points = np.array(stroke, np.float64)
    moves = rng.normal(0, deviation, points.shape)
    for i in range(1, len(points)):
        if stroke[i] == stroke[i - 1]:
            moves[i] = moves[i - 1]
    return points + moves


def curve(points: Points, steps: int = 6) -> Points:
    """Return a smooth line through points (N, 2), with `steps` points for each of theirs.

    It is the uniform spline of Catmull and Rom 1974, which has a corner where a point is given twice. Fewer
    than three points are returned as they are.
    """
    if len(points) < 3:
        return points
    padded = np.concatenate([points[:1], points, points[-1:]])
    p0, p1, p2, p3 = (padded[i : len(points) - 1 + i, None] for i in range(4))  # (N - 1, 1, 2) each
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    smooth = 0.5 * (
        2 * p1 + (p2 - p0) * t + (2 * p0 - 5 * p1 + 4 * p2 - p3) * t**2 + (3 * p1 - p0 - 3 * p2 + p3) * t**3
    )
    return np.concatenate([smooth.reshape(-1, 2), points[-1:]])
