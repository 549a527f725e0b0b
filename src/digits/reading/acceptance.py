"""Decide which marks are accepted as digits.

A mark is a candidate digit. Alone it needs a high probability; inside a number less is enough. Rows are
judged as rows: marks that stand close together are a unit, such as a word or a number, and in a word no mark
is accepted. In a picture that is nearly all something else, such as a landscape, none is.
"""

from collections import defaultdict
from collections.abc import Sequence, Set

import numpy as np

from digits.reading.marks import Box, Mark, Probabilities, RowEvidence, Sign

# Limits chosen on the development pictures: docs/photos.md.
NUMBER_SHARE = 1 / 3  # a row is a number if at least this share of its marks reaches the threshold
NUMBER_PROBABILITY = 0.1  # smallest probability of being any digit, for marks of a number; dots have less
LINE_SHARE = 0.5  # of the threshold; a digit of a row that was read as a line is any digit that probably
UNIT_GAP = 0.5  # median heights of the row; a wider gap ends a unit: between letters less, between words more
UNIT_SHARE = 0.6  # a unit is a number if at least this share of its area is digits; less is a word
PICTURE_SHARE = 0.25  # the same share for all marks of a picture; less is no picture of writing


def accepted_marks(
    marks: Sequence[Mark],
    probabilities: Probabilities,
    threshold: float,
    signs: Sequence[Sign] = (),
    rows: Sequence[RowEvidence | None] = (),
) -> list[bool]:
    """Decide which marks are accepted as digits.

    Args:
        marks: N marks of one picture.
        probabilities: Their probabilities (N, 10).
        threshold: Smallest probability of a mark that is accepted alone, in [0, 1].
        signs: What else was seen on the rows. Letters, "x", speak for a word; points and dashes for nothing.
        rows: Evidence for the text of each row, as in `PictureMarks`.

    Returns:
        N booleans, True for an accepted mark.
    """
    is_digit = [0.0 if mark.blank else float(p.sum()) for mark, p in zip(marks, probabilities, strict=True)]
    as_lines = {row for row, evidence in enumerate(rows) if evidence is not None}
    enough = _probable_enough(marks, probabilities, is_digit, threshold, as_lines)
    # Letters stand in the units as marks that are no digit.
    letters = [sign for sign in signs if sign.character == "x"]
    boxes = [mark.box for mark in marks] + [sign.box for sign in letters]
    units = _units(boxes, [mark.row for mark in marks] + [sign.row for sign in letters])
    areas = np.array([width * height for _, _, width, height in boxes], float)
    of_digits = areas * np.array([*is_digit, *(0.0 for _ in letters)])
    if of_digits.sum() < PICTURE_SHARE * areas.sum():
        return [False] * len(marks)
    number = np.bincount(units, of_digits) >= UNIT_SHARE * np.bincount(units, areas)
    return [
        taken and (mark.row in as_lines or bool(number[unit]))
        for mark, taken, unit in zip(marks, enough, units, strict=False)
    ]


def _probable_enough(
    marks: Sequence[Mark],
    probabilities: Probabilities,
    is_digit: Sequence[float],
    threshold: float,
    as_lines: Set[int],
) -> list[bool]:
    """Decide which marks are probable enough, alone or in a number.

    Args:
        marks: N marks of one picture.
        probabilities: Their probabilities (N, 10).
        is_digit: Probability of each mark that it is any digit, in [0, 1].
        threshold: Smallest probability of a mark that is accepted alone, in [0, 1].
        as_lines: Rows that were read as lines, too.
    """
    # A row that was read as a line was judged as a whole: its digits have the probability of a number.
    # In other rows a mark is accepted if its highest probability is at least `threshold`. If the row is a
    # number, it only needs to be any digit with NUMBER_PROBABILITY: without it the number would be wrong.
    sure = [
        not mark.blank and bool(p.max() >= threshold) for mark, p in zip(marks, probabilities, strict=True)
    ]
    rows: dict[int, list[bool]] = defaultdict(list)
    for mark, is_sure in zip(marks, sure, strict=True):
        rows[mark.row].append(is_sure)
    number = {row: len(s) > 1 and sum(s) >= NUMBER_SHARE * len(s) for row, s in rows.items()}
    return [
        any_digit >= LINE_SHARE * threshold
        if mark.row in as_lines
        else is_sure or (number[mark.row] and any_digit >= NUMBER_PROBABILITY)
        for mark, any_digit, is_sure in zip(marks, is_digit, sure, strict=True)
    ]


def _units(boxes: Sequence[Box], rows: Sequence[int]) -> list[int]:
    """Return the number of each box's unit, from 0: boxes of a row without a wide gap between them.

    Args:
        boxes: Boxes of one picture, in any order.
        rows: Number of each box's row.
    """
    units = [0] * len(boxes)
    count = 0
    for row in sorted(set(rows)):
        members = sorted((i for i, of in enumerate(rows) if of == row), key=lambda i: boxes[i][0])
        gap = UNIT_GAP * float(np.median([boxes[i][3] for i in members]))
        end = float(boxes[members[0]][0])
        for i in members:
            left, _, width, _ = boxes[i]
            count += left - end > gap
            units[i] = count
            end = max(end, left + width)
        count += 1
    return units
