"""Join the digits of a row to numbers, and fill the cells of forms.

A number is a unit: `12.50` is one number with the digits 1250. In a row of writing:

- a point or a comma between two digits belongs to the number, and so does a minus directly before it,
- any other sign, a letter, or a mark that is no digit separates two numbers, and so does a wide gap,
- digits in neighbouring cells of a form are one number, however far apart they are.
"""

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median, median_low

from digits.reading.marks import Box, FormCell, RowEvidence, Sign
from digits.reading.results import Cell, Digit, Number

# A gap between two digits separates numbers if it is wider than these limits, in median heights of the row's
# digits. Chosen on 435 rows of the development pictures: in amounts on cheques, digits of a number are up to
# 1.2 heights apart, and single digits in a line up to 3.6, but then all gaps are wide.
WIDE_GAP = 1.5
UNEVEN_GAP = 2.5  # in medians of the row's gaps
ONLY_GAP = 4.0  # for a row of two digits, which has no other gap to compare with

# Shape of a mark that was not accepted, in median heights of the row's digits (chosen by eye).
SMALL = 0.4  # a lower and narrower mark is a point or a speck
FLAT = 0.5  # height of a dash, in widths of the dash
POINT_LEVEL = 0.3  # the middle of a point is at most this high above the feet of the digits
MINUS_GAP = 1.0  # largest gap between a minus and its number

POINTS, MINUS, SEPARATOR = (".", ","), "-", "x"
LEAST = 1e-12  # a smaller probability is raised to this, so that its logarithm is finite


def numbers_of(
    digits: Sequence[Digit], signs: Sequence[Sign] = (), rows: Sequence[RowEvidence | None] = ()
) -> tuple[Number, ...]:
    """Join the digits of a picture to numbers.

    Args:
        digits: All marks in reading order; only the accepted ones become part of a number.
        signs: Signs between the digits.
        rows: Evidence for whole rows: item n for row n. None or missing: there is none.

    Returns:
        The numbers in reading order. The probability of a number is the product of its digits'
        probabilities, or its share of the probability of the row.
    """
    marks_of: dict[int, list[Digit]] = defaultdict(list)
    for digit in digits:
        marks_of[digit.row].append(digit)
    found: list[Number] = []
    for row, marks in sorted(marks_of.items()):
        numbers = _numbers_of_row(marks, [sign for sign in signs if sign.row == row])
        evidence = rows[row] if row < len(rows) else None
        found += numbers if evidence is None else _with_evidence(numbers, evidence)
    return tuple(found)


def cells_of(
    cells: Sequence[FormCell], digits: Sequence[Digit], signs: Sequence[Sign] = ()
) -> tuple[Cell, ...]:
    """Fill the cells of forms.

    Args:
        cells: The cells, also the empty ones.
        digits: All marks of the picture with the cells in which they stand.
        signs: Signs between the digits.

    Returns:
        The cells in the same order, each with its text and the probability that this is right.
    """
    marks_in = defaultdict(list)
    for digit in digits:
        marks_in[digit.cell].append(digit)
    return tuple(_filled(cell, marks_in[cell.grid, cell.row, cell.column], signs) for cell in cells)


def box_around(boxes: Sequence[Box]) -> Box:
    """Return the smallest box around at least one box."""
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[0] + box[2] for box in boxes), max(box[1] + box[3] for box in boxes)
    return left, top, right - left, bottom - top


@dataclass(frozen=True)
class _Row:
    """The accepted digits of a row, from left to right."""

    digits: list[Digit]
    middles: list[float]  # of the digits, from left to right, in pixels
    height: float  # median height of the digits in pixels
    gaps: list[float]  # between each digit and the next, in pixels
    wide: float  # a gap above this separates numbers, in pixels

    def are_apart(self, first: int) -> bool:
        """Return True if a digit and the next one belong to different numbers for their places alone."""
        here, there = self.digits[first].cell, self.digits[first + 1].cell
        if here is None and there is None:
            return self.gaps[first] > self.wide
        return here is None or there is None or not _are_neighbours(here, there)


def _row_of(digits: Sequence[Digit]) -> _Row:
    """Return the row of at least one accepted digit."""
    ordered = sorted(digits, key=lambda digit: _middle(digit.box))
    height = median(digit.box[3] for digit in ordered)
    gaps = [float(b.box[0] - a.box[0] - a.box[2]) for a, b in pairwise(ordered)]
    wide = max(WIDE_GAP * height, UNEVEN_GAP * median_low(gaps)) if len(gaps) > 1 else ONLY_GAP * height
    return _Row(ordered, [_middle(digit.box) for digit in ordered], height, gaps, wide)


def _numbers_of_row(marks: Sequence[Digit], signs: Sequence[Sign]) -> list[Number]:
    """Return the numbers of one row; each has the product of its digits' probabilities."""
    accepted = [mark for mark in marks if mark.accepted]
    if not accepted:
        return []
    row = _row_of(accepted)
    seen = [*signs, *_signs_among([mark for mark in marks if not mark.accepted], signs, row)]
    # Before digit n stand the signs before[n]; behind the last digit those of before[len(accepted)].
    before: list[list[Sign]] = [[] for _ in range(len(accepted) + 1)]
    for sign in sorted(seen, key=lambda sign: _middle(sign.box)):
        before[bisect_right(row.middles, _middle(sign.box))].append(sign)
    numbers = [[0]]
    for n in range(1, len(accepted)):
        joined = not before[n] or (len(before[n]) == 1 and before[n][0].character in POINTS)
        if joined and not row.are_apart(n - 1):
            numbers[-1].append(n)
        else:
            numbers.append([n])
    return [_number(row, places, before) for places in numbers]


def _number(row: _Row, places: Sequence[int], before: Sequence[Sequence[Sign]]) -> Number:
    """Return the number of some neighbouring digits of a row.

    Args:
        row: The row.
        places: The places of the digits in the row.
        before: The signs before each digit of the row.
    """
    first = places[0]
    digits = [row.digits[n] for n in places]
    signs = {n: list(before[n]) for n in places}
    signs[first] = [sign for sign in before[first][-1:] if _is_minus(sign, row, first)]
    text = "".join("".join(s.character for s in signs[n]) + str(row.digits[n].digit) for n in places)
    probability = math.prod(digit.probability for digit in digits)
    box = box_around([digit.box for digit in digits] + [s.box for n in places for s in signs[n]])
    return Number(text, "".join(str(digit.digit) for digit in digits), digits[0].row, box, probability)


def _is_minus(sign: Sign, row: _Row, first: int) -> bool:
    """Return True if the sign before a number's first digit is its minus.

    A dash between two digits that are not far apart separates them, as in "2014-10-14".
    """
    near = row.digits[first].box[0] - sign.box[0] - sign.box[2] <= MINUS_GAP * row.height
    return sign.character == MINUS and near and (first == 0 or row.are_apart(first - 1))


def _signs_among(marks: Sequence[Digit], signs: Sequence[Sign], row: _Row) -> list[Sign]:
    """Return the signs among the marks of a row that were not accepted; specks are left out.

    Args:
        marks: Marks of the row that were not accepted.
        signs: Signs that are known already.
        row: The accepted digits of the row.
    """
    found = []
    for mark in marks:
        if any(_overlap(mark.box, sign.box) for sign in signs):
            continue
        _, top, width, height = mark.box
        before = row.digits[max(0, bisect_right(row.middles, _middle(mark.box)) - 1)]
        feet = before.box[1] + before.box[3]
        if max(width, height) < SMALL * row.height:
            if feet - (top + height / 2) <= POINT_LEVEL * row.height:
                found.append(Sign(POINTS[0], mark.box, mark.row))
        elif height <= FLAT * width and height < SMALL * row.height:
            found.append(Sign(MINUS, mark.box, mark.row))
        else:
            found.append(Sign(SEPARATOR, mark.box, mark.row))
    return found


def _with_evidence(numbers: Sequence[Number], row: RowEvidence) -> list[Number]:
    """Give the numbers of a row their shares of the row's probability.

    The product of the numbers' probabilities becomes that of the row, and the less sure a number's digits
    are, the larger is its share of the doubt.
    """
    doubts = [-math.log(min(1 - LEAST, max(LEAST, number.probability))) for number in numbers]
    whole = math.log(min(1.0, max(LEAST, row.probability)))
    return [
        replace(number, probability=math.exp(whole * doubt / sum(doubts)))
        for number, doubt in zip(numbers, doubts, strict=True)
    ]


def _filled(cell: FormCell, marks: Sequence[Digit], signs: Sequence[Sign]) -> Cell:
    """Return a cell with the text of the marks in it."""
    left, top, width, height = cell.box
    inside = [s for s in signs if left <= _middle(s.box) < left + width and top <= s.box[1] < top + height]
    numbers = numbers_of(marks, inside)
    empty = math.prod(1 - min(1.0, sum(mark.probabilities)) for mark in marks)
    right = math.prod(number.probability for number in numbers) if numbers else empty
    text = " ".join(number.text for number in numbers)
    return Cell(cell.grid, cell.row, cell.column, cell.box, text, right)


def _middle(box: Box) -> float:
    """Return the middle of a box from left to right."""
    return box[0] + box[2] / 2


def _overlap(a: Box, b: Box) -> bool:
    """Return True if two boxes have common pixels."""
    return all(a[i] < b[i] + b[i + 2] and b[i] < a[i] + a[i + 2] for i in (0, 1))


def _are_neighbours(a: tuple[int, int, int], b: tuple[int, int, int]) -> bool:
    """Return True for the same cell, or for cells side by side in one row of a grid."""
    return a[:2] == b[:2] and abs(a[2] - b[2]) <= 1
