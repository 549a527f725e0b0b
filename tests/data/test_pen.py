"""Strokes of a pen become MNIST-like images, against a slow obvious version."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strokefont import FONT

from digits.data.pen import EDGE, PEN, as_points, render
from digits.mnist import BOX, SIDE
from digits.reading.components import extent
from digits.reading.ink import stroke_width
from digits.reading.mnist_form import centre_of_mass

Strokes = list[npt.NDArray[np.float64]]


def of(digit: int, scale: float = 100.0, x: float = 0.0, y: float = 0.0) -> Strokes:
    """A digit of the tests' stroke font."""
    return [np.array(stroke) * scale + (x, y) for stroke in FONT[digit]]


def slowly(strokes: Strokes, pen: float) -> npt.NDArray[np.float64]:
    """`render`, pixel by pixel and segment by segment."""
    points = [p for s in strokes for p in s.tolist()]
    left, right = min(p[0] for p in points), max(p[0] for p in points)
    top, bottom = min(p[1] for p in points), max(p[1] for p in points)
    longest = max(right - left, bottom - top)
    scale = (BOX - pen) / longest if longest > 1e-6 else 0.0
    ink = np.zeros((SIDE, SIDE))
    for row in range(SIDE):
        for column in range(SIDE):
            near = math.inf
            for stroke in strokes:
                placed = [
                    ((x - (left + right) / 2) * scale + 13.5, (y - (top + bottom) / 2) * scale + 13.5)
                    for x, y in stroke.tolist()
                ]
                for (ax, ay), (bx, by) in zip(placed[:-1] or placed, placed[1:] or placed, strict=True):
                    length = (bx - ax) ** 2 + (by - ay) ** 2
                    part = ((column - ax) * (bx - ax) + (row - ay) * (by - ay)) / length if length else 0
                    part = min(max(part, 0), 1)
                    near = min(near, math.hypot(column - ax - part * (bx - ax), row - ay - part * (by - ay)))
            ink[row, column] = min(max((pen / 2 - near) / EDGE + 0.5, 0), 1)
    y, x = centre_of_mass(ink.astype(np.float32))
    down, right_ = (min(max(math.floor(13.5 - at + 0.5), -3), 3) for at in (y, x))
    moved = np.zeros_like(ink)
    for row in range(SIDE):
        for column in range(SIDE):
            if 0 <= row - down < SIDE and 0 <= column - right_ < SIDE:
                moved[row, column] = ink[row - down, column - right_]
    return moved


@pytest.mark.parametrize("digit", range(10))
def test_render_is_the_slow_version(digit: int) -> None:
    """Every digit of the stroke font is rendered as by the slow version, pixel by pixel."""
    assert np.allclose(render(of(digit)), slowly(of(digit), PEN), atol=1e-6)


@pytest.mark.parametrize("digit", range(10))
def test_a_drawn_digit_is_mnist_like(digit: int) -> None:
    """A rendered digit has a box of 20 pixels, its centre of mass in the middle, and MNIST's stroke width."""
    image = render(of(digit))
    top, bottom, left, right = extent(image > 0.1)
    assert max(bottom - top, right - left) in (BOX, BOX + 1)
    assert centre_of_mass(image) == pytest.approx((13.5, 13.5), abs=0.51)
    assert stroke_width(image) == pytest.approx(PEN, abs=0.25)


@given(st.floats(0.01, 1000), st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), st.integers(0, 9))
def test_size_and_place_do_not_matter(scale: float, x: float, y: float, digit: int) -> None:
    """Size and place of a drawing do not change the image, except that it may move by one pixel."""
    image, other = render(of(digit)), render(of(digit, scale, x, y))
    shifted = [np.roll(other, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
    assert min(float(np.abs(image - moved).max()) for moved in shifted) < 1e-2


def test_a_dot_and_nothing() -> None:
    """A touch of the pen is a dot in the middle; no stroke is a black image."""
    dot = render([np.array([[5.0, 7.0]])])
    assert dot.sum() == pytest.approx(math.pi * (PEN / 2) ** 2, rel=0.2)
    assert centre_of_mass(dot) == pytest.approx((13.5, 13.5), abs=0.51)
    assert not render([]).any()
    assert not render([np.zeros((0, 2))]).any()


@pytest.mark.parametrize(
    "value",
    [
        None,
        3,
        [3],
        [[1, 2, 3]],
        [[[1, 2]]],
        [[10**400, 1]],
        [[1e7, 0]],
        [[float("nan"), 0]],
        [[0, float("inf")]],
    ],
)
def test_what_is_no_stroke_is_refused(value: Any) -> None:
    """Another shape, a number that is not finite and one beyond a million are refused."""
    with pytest.raises(ValueError, match="stroke"):
        as_points(value)


def test_strokes_of_json_are_points() -> None:
    """Lists of pairs become arrays (N, 2), an empty one too."""
    assert as_points([[1.0, 2.0], [3.5, 4.0]]).tolist() == [[1, 2], [3.5, 4]]
    assert as_points([]).shape == (0, 2)
