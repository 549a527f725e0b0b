"""Rows of digits: their order, digits that touch, punctuation."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw
from support.papers import lined, on_a_table, with_specks
from support.strokefont import shaded, sheet, write
from support.templates import found_in, probabilities, text

Pixels = npt.NDArray[np.uint8]


def test_rows_are_read_from_top_to_bottom() -> None:
    """Three rows of different lengths are read from top to bottom."""
    paper = Image.new("L", (800, 600), 255)
    for row, digits in enumerate(("1472", "035", "869")):
        write(paper, digits, (60 + 40 * row, 50 + 180 * row), 100)
    page = found_in(paper, classify=probabilities)
    assert text(page) == "1472/035/869"
    assert [mark.row for mark in page.marks] == [0] * 4 + [1] * 3 + [2] * 3


@pytest.mark.parametrize("slope", [-0.15, 0.15])
def test_slanting_rows_stay_rows(slope: float) -> None:
    """Rows that rise or fall are kept apart."""
    paper = Image.new("L", (900, 600), 255)
    for row, digits in enumerate(("24370", "58269")):
        write(paper, digits, (60, 170 + 170 * row), 100, slope=slope)
    assert text(found_in(paper, classify=probabilities)) == "24370/58269"


def in_a_frame(image: Image.Image, margin: float = 0.1) -> Image.Image:
    """Draw a frame around the writing; its distance from the border is `margin` times the sides."""
    image = image.copy()
    x, y = round(margin * image.width), round(margin * image.height)
    ImageDraw.Draw(image).rectangle((x, y, image.width - x, image.height - y), outline=0, width=5)
    return image


@pytest.mark.parametrize("way", [lined, with_specks, on_a_table, shaded, in_a_frame])
def test_rows_on_difficult_paper(way: Callable[[Image.Image], Image.Image | Pixels]) -> None:
    """Ruled lines, specks, tables, shadows and frames add no mark to a row and remove none."""
    assert text(found_in(way(sheet("40735", size=(700, 300), height=90)))) == "40735"


def test_small_digits_in_a_large_frame() -> None:
    """A frame around digits that are small against the picture is no mark."""
    assert text(found_in(in_a_frame(sheet("40735", size=(1400, 1000), height=70), margin=0.2))) == "40735"


def test_a_line_under_several_digits_does_not_bind_them() -> None:
    """A thick line from border to border, on which all digits of a strip stand, is removed."""
    strip = sheet("446", size=(140, 100), at=(8, 20), height=60, space=0.1)
    ImageDraw.Draw(strip).line((0, 80, strip.width, 80), fill=0, width=4)
    assert text(found_in(strip, classify=probabilities)) == "446"


@pytest.mark.parametrize("tall", ["1", "6"])
def test_small_zeros_behind_a_tall_digit_are_read(tall: str) -> None:
    """Small zeros as high as their neighbours are no dots, even behind a tall digit."""
    strip = sheet(tall, size=(800, 250), at=(40, 40), height=150)
    write(strip, "000", (200, 132), 58)
    assert text(found_in(strip, classify=probabilities)) == f"{tall}000"


@pytest.mark.parametrize("pair", ["00", "25", "33", "53", "80", "06", "38", "90"])
def test_touching_digits_are_parted(pair: str) -> None:
    """Two digits that touch in a row are two marks, and both are right."""
    row = sheet("7", size=(700, 300), at=(40, 60), height=150)
    write(row, pair, (200, 60), 150, space=-0.01)
    assert text(found_in(row, classify=probabilities)) == f"7{pair}"


@pytest.mark.parametrize(("digits", "space"), [("000", -0.1), ("4000", -0.1), ("5006", -0.06)])
def test_digits_that_share_a_wall_both_keep_it(digits: str, space: float) -> None:
    """Two zeros that share a wall are both closed rings after the cut."""
    strip = sheet("7", size=(800, 250), at=(40, 60), height=110)
    write(strip, digits, (160, 60), 110, space=space)
    assert text(found_in(strip, classify=probabilities)) == f"7{digits}"


def test_touching_digits_are_parted_by_shape_alone() -> None:
    """Without a classifier, a component much wider than high is cut."""
    assert len(found_in(sheet("000", size=(600, 300), height=150, space=-0.03)).marks) == 3


def test_dots_and_dashes_are_no_digits() -> None:
    """The dots and the dash of an amount, 12.500.-, give no mark."""
    paper = sheet("12", size=(900, 250), at=(40, 60), height=120)
    write(paper, "500", (340, 60), 120)
    draw = ImageDraw.Draw(paper)
    draw.ellipse((290, 165, 306, 181), fill=0)
    draw.ellipse((735, 165, 751, 181), fill=0)
    draw.line((770, 120, 850, 120), fill=0, width=11)
    assert text(found_in(paper, classify=probabilities)) == "12500"


def test_a_fence_is_not_cut_in_every_way() -> None:
    """Eighty equal bars in a row are eighty marks; their two images are classified, and no groups of bars."""
    classified = 0

    def counting(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        nonlocal classified
        classified += len(images)
        return probabilities(images)

    fence = Image.new("L", (880, 150), 255)
    for x in range(40, 840, 10):
        ImageDraw.Draw(fence).line((x, 35, x, 115), fill=0, width=3)
    assert len(found_in(fence, classify=counting).marks) == 80
    assert classified <= 2


def test_the_edge_of_a_page_beside_a_row_is_no_digit() -> None:
    """A line far higher than the digits of its row is left out; a 1 that is a little higher is not."""
    image = sheet("40735", size=(700, 300), height=90)
    ImageDraw.Draw(image).line([(640, 40), (644, 270)], fill=0, width=7)
    assert text(found_in(image, classify=probabilities)) == "40735"
    image = sheet("40735", size=(700, 300), height=90)
    ImageDraw.Draw(image).line([(640, 85), (640, 225)], fill=0, width=9)
    assert text(found_in(image, classify=probabilities)) == "407351"


def test_a_one_at_the_border_of_a_strip_is_a_digit() -> None:
    """A strip that is cut close to its first digit keeps it; the edge of a sheet is no digit."""
    row = sheet("2345", size=(900, 180), at=(150, 40), height=100, space=0.8)
    one = row.copy()
    ImageDraw.Draw(one).line([(0, 80), (26, 44), (24, 136)], fill=0, width=8, joint="curve")
    assert text(found_in(one, classify=probabilities)) == "12345"
    edge = row.copy()
    ImageDraw.Draw(edge).line([(3, 0), (1, 179)], fill=0, width=9)
    assert text(found_in(edge, classify=probabilities)) == "2345"
