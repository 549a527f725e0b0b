"""Choose which strokes of a row form digits, by the smallest total cost.

A group is a sequence of neighbouring strokes that may be one digit. As in row_search.py, a group is
classified only if it lies on the cheapest path; until then its cost is the smallest that is possible.

The web page has the same functions in JavaScript (static/strokes.js). Costs have no unit. They were chosen on
drawings of benchmarks/strokes.py, with other seeds than those of its figures; those of a digit's shape and of
confidence are the ones for pieces of ink. Lengths are in heights of the row's digits.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from digits.data import pen
from digits.reading.candidates import Classify
from digits.reading.cheapest_cuts import PieceGroup, cheapest_path
from digits.reading.filters import Array
from digits.reading.marks import Probabilities
from digits.reading.options import THRESHOLD
from digits.reading.row_search import CONFIDENCE_COST, MIN_CONFIDENCE, shape_cost
from digits.reading.segmentation import NARROW
from digits.reading.stroke_rows import SHARED_WIDTH, TOUCHING, Place, Stroke, around, clusters_of, distance

MOST_STROKES = 5  # of one digit
MAX_DIGIT_WIDTH = 2.0  # of a digit of several strokes
MAX_STROKE_GAP = 0.35  # between the strokes of a digit

# Of strokes in one digit: cost if they do not touch; added for each height between them beyond TOUCHING.
JOIN_COST, JOIN_GAP_COST = 0.6, 5.0
# Of strokes in two digits: cost if they touch, and if they share their whole width beyond SHARED_WIDTH. Both
# become smaller with the distance of their middles, to 0 at SEVER_REACH.
SEVER_COST, SHARED_COST, SEVER_REACH = 4.0, 8.0, 0.8

SURE = 0.995  # smallest confidence of digits into which narrow strokes that touch are split
MOST_STEPS = 30  # of classifying what lies on the cheapest path; after that only what is known is used
NEVER = 1e9  # added to the cost of a group that may not be used


@dataclass(frozen=True, eq=False)
class StrokeDigit(Place):
    """Strokes that may be one digit.

    Attributes:
        image: (28, 28) float32 in [0, 1], white on black.
        probabilities: Probabilities (10,) of the digits.
    """

    image: Array
    probabilities: Probabilities


class GroupAnswers:
    """The answers of the classifier for groups of strokes; each group is classified once."""

    def __init__(self, classify: Classify) -> None:
        """Begin without answers.

        Args:
            classify: Function from images (N, 28, 28) in [0, 1] to probabilities (N, 10).
        """
        self._classify = classify
        self._known: dict[frozenset[Stroke], StrokeDigit] = {}

    def of(self, groups: Sequence[Sequence[Stroke]]) -> list[StrokeDigit]:
        """Return the digit of each group, at least one."""
        new = [group for group in groups if frozenset(group) not in self._known]
        if new:
            images = [pen.render([s.points for s in sorted(group, key=lambda s: s.number)]) for group in new]
            for group, image, probabilities in zip(
                new, images, self._classify(np.stack(images)), strict=True
            ):
                box = around(group)
                digit = StrokeDigit(box.left, box.top, box.right, box.bottom, image, probabilities)
                self._known[frozenset(group)] = digit
        return [self._known[frozenset(group)] for group in groups]


def digits_of_row(row: Sequence[Stroke], height: float, answers: GroupAnswers) -> list[StrokeDigit]:
    """Group the strokes of a row into digits.

    Args:
        row: Strokes from left to right by their middles.
        height: Height of the row's digits.
        answers: Answers of the classifier.

    Returns:
        The digits from left to right.
    """
    groups = _groups(row, height)
    path = _cheapest(groups, row, height, answers)
    held = _held_together(path, groups, row, height)
    if held:
        groups = [group for group in groups if not {group.first, group.last} & held]
        path = _cheapest(groups, row, height, answers)
    return [digit for _, digit in path]


def _cheapest(
    groups: Sequence[PieceGroup], row: Sequence[Stroke], height: float, answers: GroupAnswers
) -> list[tuple[PieceGroup, StrokeDigit]]:
    """Return the groups with the smallest total cost, and their digits."""
    costs = [shape_cost(group.width, group.height, height) for group in groups]
    found: dict[int, StrokeDigit] = {}
    for step in range(MOST_STEPS + 1):
        known = costs if step < MOST_STEPS else [c if n in found else c + NEVER for n, c in enumerate(costs)]
        chosen = cheapest_path(groups, known, [math.inf] * len(row))
        path = [number for number in chosen if number is not None]
        new = [number for number in path if number not in found]
        if not new:
            break
        digits = answers.of([row[groups[n].first : groups[n].last] for n in new])
        for number, digit in zip(new, digits, strict=True):
            found[number] = digit
            confidence = min(1.0, max(float(digit.probabilities.max()), MIN_CONFIDENCE))
            costs[number] -= CONFIDENCE_COST * math.log(confidence)
    return [(groups[number], found[number]) for number in path]


def _held_together(
    path: Sequence[tuple[PieceGroup, StrokeDigit]],
    groups: Sequence[PieceGroup],
    row: Sequence[Stroke],
    height: float,
) -> set[int]:
    """Return the places in a row at which no digit may begin.

    A letter may look like digits, an H like 1 and 4. So strokes that touch are two digits only if these are
    sure: if the strokes are narrow, or the only ones of the row.
    """
    places = {stroke: place for place, stroke in enumerate(row)}
    known = {(group.first, group.last) for group in groups}
    clusters = clusters_of(row, height)
    held: set[int] = set()
    for cluster in clusters:
        first, last = places[cluster[0]], places[cluster[-1]] + 1
        if last - first > len(cluster) or (first, last) not in known:
            continue  # another stroke is between them, or they are too many for one digit
        is_narrow = around(cluster).width <= NARROW * height
        limit = SURE if is_narrow else THRESHOLD if len(clusters) == 1 else 0.0
        parts = [digit for group, digit in path if group.first < last and group.last > first]
        if min(digit.probabilities.max() for digit in parts) < limit:
            held.update(range(first + 1, last))
    return held


def _groups(row: Sequence[Stroke], height: float) -> list[PieceGroup]:
    """List all groups of neighbouring strokes that may be one digit, with the cost of their joints."""
    reach = MAX_STROKE_GAP * height
    near = {
        (i, j): distance(row[i], row[j], reach) / height
        for i in range(len(row))
        for j in range(i + 1, min(i + MOST_STROKES, len(row)))
    }
    severed = {pair: _sever_cost(row[pair[0]], row[pair[1]], near[pair], height) for pair in near}
    found: list[PieceGroup] = []
    for first in range(len(row)):
        for last in range(first + 1, min(first + MOST_STROKES, len(row)) + 1):
            box = around(row[first:last])
            if last > first + 1 and box.width > MAX_DIGIT_WIDTH * height:
                break
            joints = _join_cost(first, last, near)
            if joints is None:
                continue
            # A pair that is in two groups costs a half in each.
            cut = sum(
                severed[i, j] / 2
                for i in range(max(0, first - MOST_STROKES + 1), last)
                for j in range(i + 1, min(i + MOST_STROKES, len(row)))
                if (first <= i) != (first <= j < last)
            )
            found.append(PieceGroup(first, last, box.width, box.height, joints + cut, has_loop=False))
    return found


def _join_cost(first: int, last: int, near: Mapping[tuple[int, int], float]) -> float | None:
    """Return the cost of joining strokes by their smallest gaps; None if one of these is too wide.

    Args:
        first: Place of the first stroke.
        last: Place after the last stroke.
        near: Distance of each pair of strokes, in heights of digits.
    """
    # A minimum spanning tree; Prim 1957, "Shortest connection networks and some generalizations".
    cost = 0.0
    gaps = {place: near[first, place] for place in range(first + 1, last)}  # to the tree
    while gaps:
        place = min(gaps, key=lambda place: gaps[place])
        gap = gaps.pop(place)
        if gap > MAX_STROKE_GAP:
            return None
        apart = max(0.0, gap - TOUCHING)
        cost += JOIN_COST * min(1.0, apart / TOUCHING) + JOIN_GAP_COST * apart
        gaps = {other: min(old, near[min(place, other), max(place, other)]) for other, old in gaps.items()}
    return cost


def _sever_cost(a: Stroke, b: Stroke, gap: float, height: float) -> float:
    """Return the cost of two strokes in different digits: high if they touch or lie one above the other."""
    near = max(0.0, 1 - abs(a.middle - b.middle) / (SEVER_REACH * height))
    touching = max(0.0, min(1.0, 2 - gap / TOUCHING))
    narrower = max(min(a.width, b.width), 1e-6)
    shared = max(0.0, min(1.0, (min(a.right, b.right) - max(a.left, b.left)) / narrower) - SHARED_WIDTH)
    return SEVER_COST * near * touching + SHARED_COST * shared * near
