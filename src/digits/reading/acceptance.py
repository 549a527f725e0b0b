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
UNIT_GAP = 0.3  # median heights of the row; a wider gap ends a unit: between letters less, between words more
UNIT_SHARE = 0.6  # a unit is a number if at least this share of its area is digits; less is a word
WORD_LETTERS = 2  # a word has at least so many letters; one alone is a sign, such as $ or a bracket
PICTURE_SHARE = 0.25  # of the area of all marks; if accepted marks are less, the picture shows something else


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
        signs: What else was seen on the rows, as in `PictureMarks`. Letters, "x", speak for a word.
        rows: Evidence for the text of each row, as in `PictureMarks`.

    Returns:
        N booleans, True for an accepted mark.
    """
    if not marks:
        return []
    is_digit = [0.0 if mark.blank else float(p.sum()) for mark, p in zip(marks, probabilities, strict=True)]
    as_lines = {row for row, evidence in enumerate(rows) if evidence is not None}
    enough = _probable_enough(marks, probabilities, is_digit, threshold, as_lines)
    in_word = _in_words(marks, enough, is_digit, signs, as_lines)
    taken = [is_enough and not word for is_enough, word in zip(enough, in_word, strict=True)]
    return taken if _is_writing(marks, taken) else [False] * len(marks)


def _in_words(
    marks: Sequence[Mark],
    enough: Sequence[bool],
    is_digit: Sequence[float],
    signs: Sequence[Sign],
    as_lines: Set[int],
) -> list[bool]:
    """Decide which marks stand in a word: in a unit of whose area less than UNIT_SHARE is digits.

    Args:
        marks: N marks of one picture.
        enough: N booleans, True for a mark that is probable enough.
        is_digit: Probability of each mark that it is any digit, in [0, 1].
        signs: Signs of the picture.
        as_lines: Rows that were read as lines, too. There, letters are signs, and a word has WORD_LETTERS.
    """
    letters = [sign for sign in signs if sign.character == "x"]
    things: list[Mark | Sign] = [*marks, *letters]
    digits = [
        float(is_enough) if mark.row in as_lines else p
        for mark, is_enough, p in zip(marks, enough, is_digit, strict=True)
    ]
    units = _units([thing.box for thing in things], [thing.row for thing in things])
    areas = np.array([_area(thing.box) for thing in things])
    of_digits = np.bincount(units, areas * np.array([*digits, *(0.0 for _ in letters)]))
    few_digits = of_digits < UNIT_SHARE * np.bincount(units, areas)
    count = np.bincount(units, [0] * len(marks) + [1] * len(letters))
    return [
        bool(few_digits[unit]) and (mark.row not in as_lines or int(count[unit]) >= WORD_LETTERS)
        for mark, unit in zip(marks, units, strict=False)
    ]


def _is_writing(marks: Sequence[Mark], taken: Sequence[bool]) -> bool:
    """Check if accepted marks are enough of a picture; marks around them, such as frames, do not count.

    Args:
        marks: N marks of one picture.
        taken: N booleans, True for an accepted mark.
    """
    inside = [_middle(mark.box) for mark, is_taken in zip(marks, taken, strict=True) if is_taken]
    around = [
        not is_taken and any(_contains(mark.box, point) for point in inside)
        for mark, is_taken in zip(marks, taken, strict=True)
    ]
    accepted = sum(_area(mark.box) for mark, is_taken in zip(marks, taken, strict=True) if is_taken)
    seen = sum(_area(mark.box) for mark, is_around in zip(marks, around, strict=True) if not is_around)
    return accepted >= PICTURE_SHARE * seen


def _area(box: Box) -> int:
    """Return the area of a box in square pixels."""
    return box[2] * box[3]


def _middle(box: Box) -> tuple[float, float]:
    """Return the middle (x, y) of a box."""
    left, top, width, height = box
    return left + width / 2, top + height / 2


def _contains(box: Box, point: tuple[float, float]) -> bool:
    """Check if a point (x, y) lies in a box."""
    left, top, width, height = box
    return left <= point[0] <= left + width and top <= point[1] <= top + height


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
