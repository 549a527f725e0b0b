"""The picture of a row that the line recogniser reads."""

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw
from support.strokefont import sheet, write

from digits.networks.line_network import INK_ROWS, ROWS
from digits.reading.components import connected_components
from digits.reading.line_pictures import SIDE_MARGIN, WIDEST_GAP, LinePicture, line_picture
from digits.reading.page_scale import ScaledPage


def page_of(image: Image.Image) -> ScaledPage:
    """Return a page whose ink is what is dark in an image."""
    strength = (255 - np.asarray(image, np.float32)) / np.float32(255)
    return ScaledPage(strength, connected_components(strength > 0.5))


def picture_of(image: Image.Image) -> LinePicture:
    """Return the line picture of all high components of an image."""
    page = page_of(image)
    row = sorted((c for c in page.components if c.height > 30), key=lambda c: c.left)
    found = line_picture(row, page)
    assert found is not None
    return found


def inked(image: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.intp]:
    return np.flatnonzero(image.max(axis) > 0.5)


@pytest.mark.parametrize("height", [20, 60, 150])
def test_the_ink_fills_28_of_32_rows(height: int) -> None:
    """Writing of every size is 28 rows high, in the middle, with free columns beside it."""
    page = page_of(sheet("40735", size=(1200, 300), height=height))
    found = line_picture(page.components, page)
    assert found is not None
    assert found.image.shape[0] == ROWS
    rows, columns = inked(found.image, 1), inked(found.image, 0)
    assert abs(rows[0] - (ROWS - INK_ROWS) // 2) <= 1
    assert abs(rows[-1] - rows[0] + 1 - INK_ROWS) <= 2
    assert columns[0] >= SIDE_MARGIN
    assert columns[-1] < found.image.shape[1] - SIDE_MARGIN


def test_points_and_dashes_of_the_row_are_in_its_picture() -> None:
    """A point between two digits is drawn, although it is no character; a dot far below the row is not."""
    image = sheet("12", size=(600, 300), height=100)
    without = picture_of(image).image.sum()
    ImageDraw.Draw(image).ellipse((296, 188, 310, 202), fill=0)
    assert picture_of(image).image.sum() > without + 3
    below = sheet("12", size=(600, 300), height=100)
    ImageDraw.Draw(below).ellipse((296, 270, 310, 284), fill=0)
    assert picture_of(below).image.sum() == without


def test_wide_gaps_become_narrow_and_columns_lead_back_to_the_page() -> None:
    """Numbers far apart come together; each column of the picture knows its column of the page."""
    image = Image.new("L", (2000, 200), 255)
    write(image, "1", (100, 50), 100)
    write(image, "7", (1700, 50), 100)
    found = picture_of(image)
    assert found.image.shape[1] < 4 * INK_ROWS * WIDEST_GAP
    left, right = inked(found.image, 0)[[0, -1]]
    ink = np.flatnonzero((np.asarray(image) < 128).any(0))
    assert abs(int(found.columns[left]) - int(ink[0])) <= 4
    assert abs(int(found.columns[right]) - int(ink[-1])) <= 4
    assert (np.diff(found.columns) >= 0).all()


@pytest.mark.parametrize("slope", [-0.2, 0.2])
def test_a_sloping_row_becomes_level(slope: float) -> None:
    """The digits of a row that rises or falls are as high in the picture as those of a level row."""
    image = Image.new("L", (1000, 600), 255)
    write(image, "00000", (60, 250), 100, slope=slope)
    found = picture_of(image).image
    columns = inked(found, 0)
    first, last = found[:, columns[0] : columns[0] + 20], found[:, columns[-1] - 20 : columns[-1]]
    heights = [int(np.ptp(inked(part, 1))) for part in (first, last)]
    assert min(heights) > 0.8 * INK_ROWS


def test_a_row_that_is_too_long_is_not_read() -> None:
    """A row of three hundred digits has no picture; the pieces of ink are read without it."""
    image = Image.new("L", (9000, 60), 255)
    write(image, "1234567890" * 30, (20, 10), 40)
    page = page_of(image)
    assert line_picture(page.components, page) is None
