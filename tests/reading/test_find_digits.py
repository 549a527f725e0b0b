"""Digits are found in pictures with all kinds of pens, paper and light."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter
from support.papers import (
    beside_a_cloth,
    beside_a_thumb,
    broken,
    jpeg,
    lined,
    on_a_card,
    on_a_table,
    tight,
    with_neighbours,
    with_specks,
)
from support.strokefont import shaded, sheet
from support.templates import found_in, one

from digits.reading.components import extent

Pixels = npt.NDArray[np.uint8]


WAYS: dict[str, Callable[[str], Image.Image | Pixels | bytes]] = {
    "plain": sheet,
    "light on dark": lambda d: sheet(d, ink=255, colour=0),
    "grey paper": lambda d: sheet(d, ink=90, colour=150),
    "faint pencil": lambda d: sheet(d, ink=205, colour=235),
    "blue ink": lambda d: sheet(d, ink=(20, 30, 160), colour=(240, 235, 220), mode="RGB"),
    "red on pink": lambda d: sheet(d, ink=(230, 20, 40), colour=(255, 180, 190), mode="RGB"),
    "green on orange": lambda d: sheet(d, ink=(0, 150, 0), colour=(230, 130, 0), mode="RGB"),
    "thin pen": lambda d: sheet(d, pen=0.02),
    "thick pen": lambda d: sheet(d, pen=0.17),
    "tiny": lambda d: sheet(d, size=(300, 200), height=22, pen=0.12),
    "huge": lambda d: sheet(d, size=(3000, 4000), height=2800),
    "off centre": lambda d: sheet(d, at=(15, 20), height=90),
    "twenty-eight pixels": lambda d: sheet(d, size=(28, 28), height=17, pen=0.12),
    "tight": lambda d: sheet(d, size=(130, 168), height=150),
    "tight, small": lambda d: tight(d, side=28, pen=0.1),
    "tight, bold": lambda d: tight(d, side=160, pen=0.2),
    "tight, bold, light, small": lambda d: 255 - np.asarray(tight(d, side=28, pen=0.2)),
    "beside a thumb": lambda d: beside_a_thumb(sheet(d, height=140, pen=0.04, ink=90, colour=210)),
    "beside a cloth": lambda d: beside_a_cloth(sheet(d, height=130, pen=0.04, ink=70, colour=225)),
    "with neighbours": with_neighbours,
    "on a card": lambda d: on_a_card(sheet(d, size=(150, 200), height=110)),
    "wide strip": lambda d: sheet(d, size=(900, 120), height=80),
    "shadow": lambda d: shaded(sheet(d, ink=40)),
    "colour in shadow": lambda d: shaded(sheet(d, ink=(30, 30, 160), colour=(250, 250, 230), mode="RGB")),
    "light on dark in shadow": lambda d: 255 - shaded(sheet(d, ink=40)),
    "ruled": lambda d: lined(sheet(d)),
    "squared": lambda d: lined(sheet(d), squared=True),
    "specks": lambda d: with_specks(sheet(d)),
    "on a table": lambda d: on_a_table(sheet(d)),
    "broken strokes": lambda d: broken(sheet(d)),
    "jpeg": lambda d: jpeg(sheet(d), 25),
    "blurred": lambda d: sheet(d).filter(ImageFilter.GaussianBlur(5)),
    "noise": lambda d: shaded(sheet(d, ink=60, colour=220), darkest=1.0),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("digit", "0123456789")
def test_one_digit_is_read_whatever_the_paper(digit: str, way: str) -> None:
    """Every digit is recognised with every pen, light and paper (RELIABILITY I3)."""
    assert one(WAYS[way](digit)) == digit


@settings(max_examples=60)
@given(
    digit=st.sampled_from("0123456789"),
    height=st.floats(30, 200),
    x=st.floats(0.0, 1.0),
    y=st.floats(0.0, 1.0),
    pen=st.floats(0.05, 0.15),
    inverted=st.booleans(),
    quality=st.integers(40, 95),
)
def test_place_size_pen_and_compression_do_not_matter(
    digit: str, height: float, x: float, y: float, pen: float, inverted: bool, quality: int
) -> None:
    """Shifting, scaling, inverting and compressing a picture does not change the answer."""
    free = (400 - 0.7 * height - 2 * pen * height, 300 - height - 2 * pen * height)
    at = (pen * height + x * free[0], pen * height + y * free[1])
    image = sheet(digit, at=at, height=height, pen=pen)
    assert one(jpeg(image.point(lambda v: 255 - v) if inverted else image, quality)) == digit


@pytest.mark.parametrize("shape", [(28, 28), (300, 400), (1, 1), (1, 700), (2, 2)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_blank_paper_is_one_blank_mark(shape: tuple[int, int], value: int) -> None:
    """Without ink there is one blank mark with `single`, and no mark without it (RELIABILITY I5)."""
    pixels = np.full(shape, value, np.uint8)
    page = found_in(pixels, single=True)
    assert [mark.blank for mark in page.marks] == [True]
    assert not page.marks[0].image.any()
    assert found_in(pixels).marks == ()


def test_noise_is_no_ink() -> None:
    """Grainy paper and a smooth shadow are blank."""
    grain = np.random.default_rng(0).normal(200, 6, (300, 400)).clip(0, 255).astype(np.uint8)
    shadow = shaded(Image.new("L", (400, 300), 230))
    for pixels in (grain, shadow):
        assert found_in(pixels, single=True).marks[0].blank


def test_boxes_are_in_pixels_of_the_original() -> None:
    """The box surrounds the digit in the original, also if the picture was made smaller for reading."""
    image = sheet("8", size=(4000, 3000), at=(2500, 1000), height=600)
    x, y, width, height = found_in(image, single=True).marks[0].box
    assert (x, y) == pytest.approx((2500, 1000), abs=60)
    assert (x + width, y + height) == pytest.approx((2920, 1600), abs=60)


def test_a_cross_bar_is_no_ruled_line() -> None:
    """In a tight crop, the bar of a 7 reaches from border to border and is kept, as is the foot of a 2."""
    for digit in "127":
        image = sheet(digit, size=(300, 300), at=(50, 50), height=200)
        top, bottom, left, right = extent(np.asarray(image) < 128)
        tight = np.asarray(image)[top:bottom, left:right]
        assert one(tight.copy()) == digit


def test_steps_are_kept_only_when_asked_for() -> None:
    """The pictures of the steps are kept only with `explain`, as bytes."""
    assert found_in(sheet("3")).steps == {}
    steps = found_in(sheet("3"), explain=True).steps
    assert list(steps) == ["picture", "ink", "strokes"]
    assert all(step.dtype == np.uint8 and step.any() for step in steps.values())


def test_the_steps_of_a_card_lie_where_the_card_lies() -> None:
    """The steps and the box of a digit on a card are placed in the whole picture."""
    picture = Image.new("L", (800, 600), 60)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((450, 100, 700, 400), fill=235)
    draw.line([(540, 160), (630, 160), (570, 340)], fill=30, width=12)
    page = found_in(picture, single=True, explain=True)
    x, y, width, height = page.marks[0].box
    assert {step.shape for step in page.steps.values()} == {(600, 800)}
    for name in ("ink", "strokes"):
        seen = page.steps[name] > 128
        inside = seen[y - 2 : y + height + 2, x - 2 : x + width + 2]
        assert inside.sum() > 0.98 * seen[130:370, 480:670].sum() > 500


@pytest.mark.parametrize(
    ("width", "height", "first", "second"), [(10, 1600, 100, 1500), (12, 20_000, 500, 19_000)]
)
def test_boxes_on_very_narrow_pictures(width: int, height: int, first: int, second: int) -> None:
    """Boxes are right although width and height of a narrow picture are scaled by different factors."""
    picture = Image.new("L", (width, height), 255)
    ImageDraw.Draw(picture).rectangle((0, first, width, second - 1), fill=0)  # so much that paper is the ink
    boxes = [mark.box for mark in found_in(picture).marks]
    assert boxes == [(0, 0, width, first), (0, second, width, height - second)]


def test_a_short_line_at_the_border_of_an_empty_page_is_no_digit() -> None:
    """The edge of a sheet is no 1, even alone on its page; a 1 that fills a strip is one."""
    page = Image.new("L", (600, 500), 255)
    ImageDraw.Draw(page).line([(594, 180), (593, 300)], fill=60, width=8)
    assert found_in(page).marks == ()
    strip = Image.new("L", (60, 130), 255)
    ImageDraw.Draw(strip).line([(56, 8), (52, 122)], fill=0, width=8)
    assert len(found_in(strip).marks) == 1
