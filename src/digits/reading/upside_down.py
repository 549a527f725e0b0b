"""Read a page, and once more turned by 180 degrees if its rows are doubtful: it may be upside down.

Only rows that were read as lines decide. The digits 0, 1, 6, 8 and 9 are digits upside down, too, so a page
needs others. All limits were chosen on the development pictures, as they are and turned.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from digits.reading.decoding import Picture
from digits.reading.marks import Box, PictureMarks
from digits.reading.results import Reading

UNSURE_ROW = 0.5  # a row with a smaller probability makes a page doubtful
SURE_ROW = 0.85  # smallest probability of a row of a page that is turned
LEAST_MARKS = 3  # fewer digits do not say which side is up
LEAST_ONE_SIDED = 2  # digits that are no digits upside down
ONE_SIDED = (2, 3, 4, 5, 7)
NOTE = "the page is upside down: it was turned before it was read; boxes are those of the picture as it is"

Find: TypeAlias = Callable[[Picture], PictureMarks]


def find_either_way_up(picture: Picture, find: Find) -> PictureMarks:
    """Find the marks of a picture, or of the turned picture if that is nearly certainly the right way up.

    Args:
        picture: Upright picture from `image_files.open_picture`.
        find: Function from a picture to its marks, `find_digits.find`.

    Returns:
        The marks; `turned` if their boxes are those of the turned picture.
    """
    found = find(picture)
    if len(found.marks) < LEAST_MARKS or _least_probability(found) >= UNSURE_ROW:
        return found
    if found.notes != picture.notes:  # a picture that took all the work once does not get as much again
        return found
    turned = find(replace(picture, pixels=np.ascontiguousarray(picture.pixels[::-1, ::-1])))
    if 2 * len(turned.marks) < len(found.marks) or not _is_right_way_up(turned):
        return found
    return replace(turned, turned=True, notes=(*turned.notes, NOTE))


def _least_probability(found: PictureMarks) -> float:
    """Return the smallest probability of a row that was read as a line; 1 without any."""
    return min((row.probability for row in found.rows if row is not None), default=1.0)


def _is_right_way_up(found: PictureMarks) -> bool:
    """Check if all rows are nearly certain, and digits show which side is up."""
    likeliest = [int(m.probabilities.argmax()) for m in found.marks if m.probabilities is not None]
    one_sided = sum(digit in ONE_SIDED for digit in likeliest)
    rows = [row for row in found.rows if row is not None]
    enough = len(likeliest) >= LEAST_MARKS and one_sided >= LEAST_ONE_SIDED
    return enough and bool(rows) and _least_probability(found) >= SURE_ROW


def with_boxes_turned_back(reading: Reading) -> Reading:
    """Return the answer for a turned picture with boxes and steps of the picture as it is."""

    def turned(box: Box) -> Box:
        left, top, width, height = box
        return reading.width - left - width, reading.height - top - height, width, height

    return replace(
        reading,
        digits=tuple(replace(digit, box=turned(digit.box)) for digit in reading.digits),
        numbers=tuple(replace(number, box=turned(number.box)) for number in reading.numbers),
        cells=tuple(replace(cell, box=turned(cell.box)) for cell in reading.cells),
        steps={name: np.ascontiguousarray(step[::-1, ::-1]) for name, step in reading.steps.items()},
    )
