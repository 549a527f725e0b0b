"""Pages that are upside down are turned when that is nearly certain, and only then."""

from dataclasses import replace

import pytest
from PIL import Image
from support.strokefont import sheet

from digits.networks.line_network import read_line
from digits.reading.decoding import Picture
from digits.reading.find_digits import find
from digits.reading.image_files import open_picture
from digits.reading.marks import PictureMarks
from digits.reading.reader import Reader
from digits.reading.results import Reading
from digits.reading.upside_down import NOTE, find_either_way_up


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.load("cnn")


def read_both_ways(image: Image.Image, reader: Reader) -> tuple[Reading, Reading]:
    """Return the readings of a picture as it is and upside down."""
    return reader.read(image), reader.read(image.rotate(180))


def test_a_page_upside_down_is_turned_and_says_so(reader: Reader) -> None:
    """The number is read in order, and its boxes lie where its digits are in the picture as it is."""
    image = sheet("24735", size=(700, 300), height=90)
    upright, turned = read_both_ways(image, reader)
    assert (upright.text, turned.text) == ("24735", "24735")
    assert NOTE not in upright.notes
    assert NOTE in turned.notes
    for above, below in zip(upright.digits, turned.digits, strict=True):
        left, top, width, height = above.box
        expected = (700 - left - width, 300 - top - height, width, height)
        assert all(abs(a - b) <= 2 for a, b in zip(below.box, expected, strict=True))
    assert turned.numbers[0].box[0] > 0


@pytest.mark.parametrize("number", ["6089", "1961", "80"])
def test_digits_that_are_digits_upside_down_turn_nothing(reader: Reader, number: str) -> None:
    """From 0, 1, 6, 8 and 9 nobody can say which side is up."""
    for reading in read_both_ways(sheet(number, size=(700, 300), height=90), reader):
        assert NOTE not in reading.notes


def test_one_digit_is_never_turned(reader: Reader) -> None:
    """A single digit is read as it stands, with `single` and without."""
    image = sheet("7", size=(300, 300), height=150).rotate(180)
    assert NOTE not in reader.read(image).notes
    assert NOTE not in reader.read(image, single=True).notes


@pytest.mark.parametrize(("notes", "looks"), [((), 2), (("3 marks were not read",), 1)])
def test_a_page_that_took_all_the_work_is_not_looked_at_again(
    reader: Reader, notes: tuple[str, ...], looks: int
) -> None:
    """A doubtful page gets a second look, but not if something was left out for want of work."""
    picture = open_picture(sheet("24735", size=(700, 300), height=90).rotate(180))
    seen = []

    def look(page: Picture) -> PictureMarks:
        seen.append(page)
        return replace(find(page, classify=reader.probabilities, read_line=read_line), notes=notes)

    find_either_way_up(picture, look)
    assert len(seen) == looks
