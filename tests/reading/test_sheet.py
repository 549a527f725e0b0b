"""A sheet of paper on something darker is found, whatever share of the picture it fills."""

import numpy as np
import pytest
from PIL import Image
from support.strokefont import sheet
from support.templates import found_in, probabilities, text

from digits.reading.sheet import sheet_in


def on_something_dark(share: float, angle: float = 0) -> Image.Image:
    """Return a sheet with 4071 in the middle of a dark picture; it fills `share` of it and is turned."""
    page = sheet("4071", size=(400, 240), height=90)
    mask = Image.new("L", page.size, 255).rotate(angle, expand=True)
    page = page.rotate(angle, Image.Resampling.BICUBIC, expand=True)
    size = tuple(round(side / share**0.5) for side in page.size)
    table = Image.fromarray(np.random.default_rng(0).integers(30, 70, size[::-1], np.uint8))
    table.paste(page, ((size[0] - page.width) // 2, (size[1] - page.height) // 2), mask)
    return table


@pytest.mark.parametrize("share", [0.12, 0.3, 0.6])
@pytest.mark.parametrize("angle", [0, 8])
def test_a_number_on_a_sheet_is_read(share: float, angle: float) -> None:
    """The sheet is found and its number read; the boxes are those of the whole picture."""
    picture = on_something_dark(share, angle)
    found = found_in(picture, classify=probabilities)
    assert text(found) == "4071"
    left, right = (min(mark.box[0] for mark in found.marks), max(sum(mark.box[::2]) for mark in found.marks))
    assert (left + right) / 2 == pytest.approx(picture.width / 2, abs=0.05 * picture.width)


def test_paper_that_fills_the_picture_is_no_sheet() -> None:
    """Neither a page with writing up to its border nor a page with a dark side is cut."""
    page = np.asarray(sheet("4071", size=(400, 240), height=90)).copy()
    assert sheet_in(page) is None
    page[150:160, :200] = 0
    assert sheet_in(page) is None
    page[:, :60] = 0
    assert sheet_in(page) is None
