"""A seven-segment display is recognised as such; ones that people wrote are not."""

import pytest
from PIL import Image, ImageDraw
from support.strokefont import sheet, write
from support.templates import found_in, probabilities

# Left, top, and whether it is level, of the seven segments, in their lengths.
SEGMENTS = ((0, 0, 1), (1, 0, 0), (1, 1, 0), (0, 2, 1), (0, 1, 0), (0, 0, 0), (0, 1, 1))
LIT = ("012345", "12", "01346", "01236", "1256", "02356", "023456", "012", "0123456", "012356")


def display(number: str, *, length: int = 70, width: int = 14) -> Image.Image:
    """Return a picture of a display with light segments on black."""
    page = Image.new("L", (60 + len(number) * 2 * length, 3 * length), 0)
    draw = ImageDraw.Draw(page)
    for place, digit in enumerate(number):
        for name in LIT[int(digit)]:
            x, y, level = SEGMENTS[int(name)]
            left, top = 40 + (2 * place * 0.8 + x) * length, 35 + y * length
            end = (left + length - 0.7 * width, top) if level else (left, top + length - 0.7 * width)
            start = (left + 0.7 * width, top) if level else (left, top + 0.7 * width)
            draw.line((*start, *end), fill=230, width=width)
    return page


@pytest.mark.parametrize("number", ["0547", "1133", "88", "1017"])
def test_a_display_is_refused_with_a_note(number: str) -> None:
    """No segment is a mark, and the note says what the picture shows."""
    found = found_in(display(number), classify=probabilities)
    assert not found.marks
    assert found.notes == ("a seven-segment display is not read; only handwritten digits are",)


def test_rows_of_ones_are_no_display() -> None:
    """Ones in two rows, near one another or not, stay marks."""
    for step in (90, 150):
        page = Image.new("L", (500, 400), 255)
        for row in range(2):
            write(page, "1111", (40, 40 + row * step), 80)
        assert len(found_in(page, classify=probabilities).marks) >= 8
    assert len(found_in(sheet("1147", height=100, size=(600, 200)), classify=probabilities).marks) == 4
