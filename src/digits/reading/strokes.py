"""Find rows, digits and signs in pen strokes, as they are drawn on a screen.

1. stroke_rows.py groups the strokes into rows.
2. stroke_signs.py takes points, commas, colons, dashes and slashes for signs.
3. stroke_groups.py chooses which of the other strokes of a row form a digit.

The web page has the same functions in JavaScript (static/strokes.js). Tests compare their results.
"""

import math
from collections.abc import Sequence

from digits.data import pen
from digits.data.pen import Points
from digits.reading.candidates import Classify
from digits.reading.marks import Box, Mark, PictureMarks, Sign
from digits.reading.stroke_groups import GroupAnswers, StrokeDigit, digits_of_row
from digits.reading.stroke_rows import Place, Stroke, around, row_height, rows_of_strokes
from digits.reading.stroke_signs import Signs, may_be_signs, signs_among


def find_in_strokes(strokes: Sequence[Points], classify: Classify) -> PictureMarks:
    """Find the marks (candidate digits) and signs of a drawing.

    Args:
        strokes: Pen strokes in the order of drawing, each (N, 2) as x and y. Empty ones are ignored.
        classify: Function from images (N, 28, 28) in [0, 1] to probabilities (N, 10).

    Returns:
        Marks with probabilities, in reading order, and signs. Boxes have the unit of the strokes.
    """
    answers = GroupAnswers(classify)
    marks: list[Mark] = []
    signs: list[Sign] = []
    for number, row in enumerate(rows_of_strokes(_drawn(strokes))):
        digits, found = _read_row(row, answers)
        marks += [Mark(d.image, _box(d), number, probabilities=d.probabilities) for d in digits]
        signs += [Sign(character, _box(around(members)), number) for character, members in found]
    boxes = [each.box for each in marks] + [each.box for each in signs]
    width, height = (max((0, *(box[i] + box[i + 2] for box in boxes))) for i in (0, 1))
    return PictureMarks(width, height, tuple(marks), light_ink=False, signs=tuple(signs))


def only_mark(strokes: Sequence[Points]) -> PictureMarks:
    """Return all strokes as one mark; without points the mark is blank."""
    drawn = _drawn(strokes)
    box = _box(around(drawn)) if drawn else (0, 0, 1, 1)
    mark = Mark(pen.render(strokes), box, blank=not drawn)
    return PictureMarks(max(0, box[0] + box[2]), max(0, box[1] + box[3]), (mark,), light_ink=False)


def _drawn(strokes: Sequence[Points]) -> list[Stroke]:
    """Return the strokes that have points."""
    return [Stroke.of(number, points) for number, points in enumerate(strokes) if len(points)]


def _read_row(row: Sequence[Stroke], answers: GroupAnswers) -> tuple[list[StrokeDigit], Signs]:
    """Separate the digits and the signs of a row."""
    height = row_height(row)
    free = may_be_signs(row, height)
    digits = digits_of_row([s for s in row if s not in free], height, answers)
    if not free:
        return digits, []
    signs = signs_among(free, digits, height)
    taken = {stroke for _, members in signs for stroke in members}
    if len(taken) < len(free):  # the others belong to digits after all
        digits = digits_of_row([s for s in row if s not in taken], height, answers)
    return digits, signs


def _box(place: Place) -> Box:
    """Return a box in whole units, at least 1 x 1."""
    left, top = math.floor(place.left), math.floor(place.top)
    return left, top, max(1, math.ceil(place.right) - left), max(1, math.ceil(place.bottom) - top)
