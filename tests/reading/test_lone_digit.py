"""The pieces of one digit are put together without being told that a picture holds only one."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw
from support.strokefont import sheet, write

from digits.reading.reader import Reader

READER = Reader.load("cnn")


def grainy(digit: str) -> npt.NDArray[np.uint8]:
    """Return a binary scan of a digit on rough paper, 60 pixels high: half of its pixels are missing."""
    pixels = np.array(sheet(digit, size=(150, 150), height=60, pen=0.07))
    pixels[np.random.default_rng(int(digit)).random(pixels.shape) < 0.5] = 255
    return pixels


def dashed(digit: str) -> Image.Image:
    """Return a small digit of thin dashes: every fourth row and column of 28 x 28 pixels is empty."""
    image = sheet(digit, size=(28, 28), height=18, pen=0.06)
    draw = ImageDraw.Draw(image)
    for place in range(6, 28, 5):
        draw.line((0, place, 28, place), fill=255)
        draw.line((place, 0, place, 28), fill=255)
    return image


def interrupted(digit: str) -> Image.Image:
    """Return a large digit with gaps as wide as its pen."""
    image = sheet(digit, size=(900, 1000), height=700, pen=0.05)
    draw = ImageDraw.Draw(image)
    for y in range(220, 900, 150):
        draw.rectangle((0, y, 900, y + 35), fill=255)
    return image


@pytest.mark.parametrize(
    ("way", "digit"),
    [(grainy, digit) for digit in "0234568"]
    + [(dashed, digit) for digit in "0236"]
    + [(interrupted, digit) for digit in "034568"],
)
def test_a_digit_in_pieces_is_one_digit(
    digit: str, way: Callable[[str], Image.Image | npt.NDArray[np.uint8]]
) -> None:
    """A digit whose strokes have gaps is read, with and without `single`; its box is around all pieces."""
    picture = way(digit)
    assert READER.read(picture, single=True).text == digit
    reading = READER.read(picture)
    assert reading.text == digit
    (found,) = reading.digits
    ink = np.argwhere(np.asarray(picture) < 128)
    (top, left), (bottom, right) = ink.min(0), ink.max(0)
    x, y, width, height = found.box
    near = 0.05 * max(bottom - top, right - left) + 1
    assert np.allclose((x, y, x + width, y + height), (left, top, right, bottom), atol=near + 1)


@pytest.mark.parametrize("dust", [2, 4, 8])
def test_a_one_beside_dust_is_no_crease(dust: int) -> None:
    """A 1 that is a plain line is read, whatever the size of the specks around it."""
    paper = sheet("", size=(300, 300))
    draw = ImageDraw.Draw(paper)
    draw.line((150, 70, 140, 230), fill=40, width=5)
    for x, y in ((40, 50), (250, 60), (60, 240), (200, 260)):
        draw.ellipse((x, y, x + dust, y + dust), fill=60)
    assert READER.read(paper).text == "1"


def test_a_crease_beside_small_digits_is_no_one() -> None:
    """A line that is much longer than the digits beside it is no digit."""
    paper = sheet("407", size=(600, 500), height=60)
    ImageDraw.Draw(paper).line((80, 40, 90, 440), fill=120, width=4)
    assert READER.read(paper).text == "407"


@pytest.mark.parametrize("digits", ["11", "10", "47", "71"])
def test_two_narrow_digits_stay_two(digits: str) -> None:
    """Two digits that stand close together are not one."""
    assert READER.read(sheet(digits, size=(200, 200), height=120, space=0.0)).text == digits


@pytest.mark.parametrize(("upper", "lower"), ["00", "11", "70"])
def test_two_digits_above_each_other_stay_two(upper: str, lower: str) -> None:
    """Two zeros above each other are not an eight, and two ones are not one."""
    paper = Image.new("L", (300, 400), 255)
    write(paper, upper, (110, 50), 110)
    write(paper, lower, (110, 225), 110)
    assert READER.read(paper).text == f"{upper}\n{lower}"
