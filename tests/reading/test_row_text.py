"""Rows that are read as a whole: the text, signs, and probabilities of whole texts."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw
from support.strokefont import sheet

from digits.networks.line_network import read_line
from digits.reading.find_digits import find
from digits.reading.image_files import open_picture
from digits.reading.marks import PictureMarks, RowEvidence
from digits.reading.reader import Reader
from digits.reading.row_text import digits_of


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.load("cnn")


def found_in(image: Image.Image, reader: Reader) -> PictureMarks:
    return find(open_picture(image), classify=reader.probabilities, read_line=read_line)


def evidence_of(found: PictureMarks) -> RowEvidence:
    (row,) = found.rows
    assert row is not None
    return row


def test_the_evidence_prefers_what_is_written(reader: Reader) -> None:
    """The row's digits are likelier than every text that differs in one digit, lacks one or has one more."""
    written = "40735"
    evidence = evidence_of(found_in(sheet(written, size=(700, 300), height=90), reader))
    likely = evidence.log_probability(written)
    assert evidence.probability > 0.9
    assert likely == pytest.approx(math.log(evidence.probability), abs=0.1)
    changed = [written[:i] + str(d) + written[i + 1 :] for i in range(5) for d in range(10)]
    missing = [written[:i] + written[i + 1 :] for i in range(5)]
    longer = [written[:i] + str(d) + written[i:] for i in range(6) for d in (1, 8)]
    for other in (*changed, *missing, *longer):
        if other != written:
            assert evidence.log_probability(other) < likely - 1


def test_an_impossible_text_has_no_probability(reader: Reader) -> None:
    """More digits than the row has room for are impossible."""
    evidence = evidence_of(found_in(sheet("12", size=(400, 300), height=90), reader))
    assert evidence.log_probability("12" * 40) == -math.inf


def test_probabilities_of_texts_sum_to_at_most_one(reader: Reader) -> None:
    """The probabilities of all texts of two digits are at most 1 together, but for what was not compared."""
    evidence = evidence_of(found_in(sheet("37", size=(400, 300), height=90), reader))
    total = sum(math.exp(evidence.log_probability(f"{n:02d}")) for n in range(100))
    assert 0.9 < total < 1.1


def test_a_point_is_a_sign_with_its_box(reader: Reader) -> None:
    """In 12.50 the point is a sign between the 2 and the 5; the digits are 1250."""
    image = sheet("1250", size=(700, 300), height=90, space=0.8)
    boxes = [mark.box for mark in found_in(image, reader).marks]
    right, left = boxes[1][0] + boxes[1][2], boxes[2][0]
    middle, bottom = (right + left) // 2, boxes[1][1] + boxes[1][3]
    ImageDraw.Draw(image).ellipse((middle - 8, bottom - 14, middle + 8, bottom + 2), fill=0)
    found = found_in(image, reader)
    assert [int(np.argmax(m.probabilities)) for m in found.marks if m.probabilities is not None] == [
        1,
        2,
        5,
        0,
    ]
    (sign,) = found.signs
    assert sign.character in ".,"
    assert right <= sign.box[0] < left


def test_digits_of_leaves_out_signs() -> None:
    assert digits_of("-1.234,5x/6") == "123456"


def test_a_minus_before_a_number_is_a_part_of_it(reader: Reader) -> None:
    """A dash a little to the left of the first digit makes the number negative; a dash far away does not."""
    for distance, text in ((30, "-24"), (60, "-24"), (200, "24")):
        image = sheet("24", size=(700, 300), at=(350, 100), height=90)
        ImageDraw.Draw(image).line([(350 - distance - 45, 148), (350 - distance, 146)], fill=0, width=8)
        assert [number.text for number in reader.read(image).numbers] == [text]
