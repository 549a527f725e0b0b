"""Frames, form cells, rules and combs are taken away, and the digits at them are read."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw
from support.strokefont import write
from support.templates import found_in, probabilities, text

from digits.reading.frames import lines_of_frames
from digits.reading.ink import Ink
from digits.reading.open_lines import open_lines
from digits.reading.work import Work

NUMBER = "43188"
HIGH, WIDE, LEFT, TOP = 90, 70, 60, 50  # px; size of a cell, and the corner of the first
BOTTOM, RIGHT = TOP + HIGH, LEFT + len(NUMBER) * WIDE
EDGES = range(LEFT, RIGHT + 1, WIDE)


def rectangle(draw: ImageDraw.ImageDraw) -> None:
    """Draw one rectangle around all digits."""
    draw.rectangle((LEFT, TOP, RIGHT, BOTTOM), outline=0, width=3)


def rounded(draw: ImageDraw.ImageDraw) -> None:
    """Draw one rectangle with round corners."""
    draw.rounded_rectangle((LEFT, TOP, RIGHT, BOTTOM), 20, outline=0, width=2)


def cells(draw: ImageDraw.ImageDraw) -> None:
    """Draw cells that share their walls."""
    for x in EDGES[:-1]:
        draw.rectangle((x, TOP, x + WIDE, BOTTOM), outline=0, width=2)


def separate(draw: ImageDraw.ImageDraw) -> None:
    """Draw cells with gaps between them."""
    for x in EDGES[:-1]:
        draw.rectangle((x + 2, TOP, x + WIDE - 4, BOTTOM), outline=90, width=2)


def dashed(draw: ImageDraw.ImageDraw) -> None:
    """Draw cells with dashed walls."""
    for x in EDGES:
        for y in range(TOP, BOTTOM, 6):
            draw.line((x, y, x, y + 3), fill=0, width=2)
    for y in (TOP, BOTTOM):
        for x in range(LEFT, RIGHT, 6):
            draw.line((x, y, x + 3, y), fill=0, width=2)


def by_hand(draw: ImageDraw.ImageDraw) -> None:
    """Draw cells with walls that sway and end before or behind the line that they should meet."""
    draw.line(((LEFT, TOP + 2), (RIGHT + 3, TOP - 2), (RIGHT, BOTTOM + 3)), fill=0, width=3)
    draw.line(((RIGHT, BOTTOM + 3), (LEFT - 2, BOTTOM - 1), (LEFT + 1, TOP + 1)), fill=0, width=3)
    for x, over in zip(EDGES[1:-1], (3, -4, 0, 4), strict=True):
        draw.line(((x, TOP - over), (x + 2, TOP + 40), (x - 2, BOTTOM + over)), fill=0, width=3)


def comb(draw: ImageDraw.ImageDraw) -> None:
    """Draw a rule with ticks between the digits."""
    draw.line((LEFT, BOTTOM, RIGHT, BOTTOM), fill=0, width=2)
    for x in EDGES:
        draw.line((x, BOTTOM - 30, x, BOTTOM), fill=0, width=2)


def rule(draw: ImageDraw.ImageDraw) -> None:
    """Draw a sloping rule on which the digits stand."""
    draw.line((LEFT - 20, TOP + 76, RIGHT + 20, TOP + 80), fill=0, width=2)


FORMS = (rectangle, rounded, cells, separate, dashed, by_hand, comb, rule)


def form(draw_lines: object, *, down: int = 0, height: int = 56) -> Image.Image:
    """Return a page with a number in a form, moved down by so many pixels."""
    page = Image.new("L", (480, 190), 255)
    draw_lines(ImageDraw.Draw(page))  # type: ignore[operator]  # a function of FORMS
    write(page, NUMBER, (LEFT + 16, TOP + 18 + down), height, ink=30, space=WIDE / height - 0.7)
    return page


def read(page: Image.Image) -> str:
    """Return the text of a page."""
    return text(found_in(page, classify=probabilities))


@pytest.mark.parametrize("draw_lines", FORMS, ids=lambda function: function.__name__)
def test_a_number_in_a_form_is_read(draw_lines: object) -> None:
    """The lines of frames, cells, combs and rules are no digits, and the number is read."""
    assert read(form(draw_lines)) == NUMBER


@pytest.mark.parametrize("draw_lines", [rectangle, cells, comb], ids=lambda function: function.__name__)
def test_a_number_that_touches_its_form_is_read(draw_lines: object) -> None:
    """Digits that stand on the line of their form, or cross it, are kept."""
    assert read(form(draw_lines, down=13)) == NUMBER


def test_digits_without_a_form_keep_all_their_ink() -> None:
    """The loops of 0, 4, 6, 8 and 9 are no frames, and long bars are no rules."""
    page = Image.new("L", (1200, 300), 255)
    write(page, "0469870", (40, 60), 150)
    ink = 1 - np.asarray(page, np.float32) / np.float32(255)
    mask = ink > 0.5
    assert not lines_of_frames(Ink(ink, mask), Work())[0].any()
    assert not open_lines(mask).any()


def test_a_frame_within_a_frame_is_taken_away() -> None:
    """Both frames are lines; the digits inside stay."""
    page = form(rectangle)
    ImageDraw.Draw(page).rectangle((10, 10, 470, 180), outline=0, width=4)
    assert read(page) == NUMBER


def test_lines_are_found_on_a_page_of_many_frames_without_looking_at_each_alone() -> None:
    """Frames inside frames are charged once for their area, not once for each frame."""
    page: npt.NDArray[np.bool_] = np.zeros((600, 600), bool)
    for edge in range(4, 280, 16):
        page[edge:-edge, edge:-edge] = edge % 32 == 4
    work = Work()
    lines_of_frames(Ink(page.astype(np.float32), page), work)
    assert 0 < Work().left - work.left <= 0.1 * page.size


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("digit", "3017")
def test_a_digit_in_a_circle_or_a_box_is_read(digit: str, single: bool) -> None:
    """The circle or the box is no 0 and no part of the digit."""
    for shape in ("ellipse", "rectangle"):
        page = Image.new("L", (240, 200), 255)
        getattr(ImageDraw.Draw(page), shape)((50, 30, 180, 160), outline=0, width=4)
        write(page, digit, (92, 62), 66)
        assert text(found_in(page, classify=probabilities, single=single)) == digit


def test_a_sudoku_keeps_its_rows_and_columns() -> None:
    """A grid of 9 x 9 has 81 cells, empty ones too, and each digit stands in its cell."""
    page, side = Image.new("L", (540, 540), 255), 56
    draw = ImageDraw.Draw(page)
    for line in range(10):
        at, width = 18 + line * side, 3 if line % 3 == 0 else 1
        draw.line((18, at, 18 + 9 * side, at), fill=0, width=width)
        draw.line((at, 18, at, 18 + 9 * side), fill=0, width=width)
    written = {
        (row, column): "1234567890"[(row * 4 + column) % 10]
        for row in range(9)
        for column in range(row % 2, 9, 2)
    }
    for (row, column), digit in written.items():
        write(page, digit, (18 + column * side + 17, 18 + row * side + 12), 32)
    found = found_in(page.rotate(1.5, Image.Resampling.BICUBIC, fillcolor=255), classify=probabilities)
    assert [(c.grid, c.row, c.column) for c in found.cells] == [(0, r, c) for r in range(9) for c in range(9)]
    guesses = probabilities(np.stack([mark.image for mark in found.marks])).argmax(1)
    seen = {mark.cell[1:]: str(guess) for mark, guess in zip(found.marks, guesses, strict=True) if mark.cell}
    assert seen == written


def test_two_fields_of_cells_are_two_grids() -> None:
    """Separate boxes in a row are one grid; boxes far away are another."""
    page = Image.new("L", (700, 300), 255)
    for left, top in ((40, 40), (420, 160)):
        for x in range(left, left + 200, 50):
            ImageDraw.Draw(page).rectangle((x, top, x + 44, top + 60), outline=0, width=2)
            write(page, "4", (x + 11, top + 15), 32)
    found = found_in(page, classify=probabilities)
    assert [mark.cell for mark in found.marks] == [(grid, 0, n) for grid in (0, 1) for n in range(4)]
    assert text(found) == "4444/4444"


def test_a_zero_with_a_bar_inside_is_no_frame() -> None:
    """An upright oval with a bar in its middle is a 0 as some people write it, not a 1 in a circle."""
    image = Image.new("L", (200, 200), 255)
    draw = ImageDraw.Draw(image)
    draw.rounded_rectangle((70, 40, 132, 150), 31, outline=0, width=7)
    draw.line((101, 80, 101, 115), fill=0, width=7)
    (mark,) = found_in(image, single=True).marks
    assert mark.box[3] > 90


def test_squared_paper_has_no_digits() -> None:
    """The lines of empty squared paper that end at the border of the picture are no 1s."""
    page = Image.new("L", (430, 330), 255)
    draw = ImageDraw.Draw(page)
    for at in range(20, 430, 40):
        draw.line((at, 0, at, 330), fill=110, width=3)
        draw.line((0, at, 430, at), fill=110, width=3)
    assert found_in(page).marks == ()
