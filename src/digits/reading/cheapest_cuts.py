"""Find the digits of a row as the cheapest path through a lattice of pieces.

A piece is a part of a character, from seams.py. A span is a group of neighbouring pieces that may be one
digit. A path goes from left to right through the row; it takes spans as digits and skips other pieces. Each
digit, cut and skipped piece has a cost. The path with the smallest sum gives the digits.

Costs have no unit; they are only compared. They were fitted on the development pictures and rounded:
docs/log.md, 2026-11-26, "Cheque amounts". Lengths are in typical heights of a character, unless a line names
another unit.

Sources: Matan, Burges, LeCun and Denker 1992, "Multi-digit recognition using a space displacement neural
network"; Fujisawa, Nakano and Kurino 1992, "Segmentation methods for character recognition".
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits.reading.components import Component, cropped, union
from digits.reading.filters import running
from digits.reading.seams import Piece, holes

MAX_PIECES = 9  # largest number of pieces in one digit
MAX_WIDTH = 1.4  # largest width of a digit
MAX_PAPER = 0.35  # largest gap between two pieces of one digit
MIN_RING_AREA = 0.03  # typical heights squared; smallest area of paper inside a shared ring

CUT_COST, CUT_INK_COST = 0.8, 0.7  # of a cut, plus for each stroke width of ink that it crosses
PAPER_COST, WIDER_PAPER_COST = 2.0, 4.0  # of a gap in a digit, plus for each typical height of its width
SKIP_COST, SKIP_HEIGHT_COST = 1.5, 12.0  # of a skipped piece, plus for its height above DOT_ or DASH_HEIGHT
SKIP_CUT_COST = 2.5  # added if the skipped piece was cut off a character
DOT_HEIGHT, DASH_HEIGHT = 0.3, 0.45  # of the neighbours' height; largest heights of a dot and of a dash
DASH_WIDTH = 1.2  # of its height; a piece that is wider may be a dash


@dataclass(frozen=True)
class Span:
    """A group of neighbouring pieces that may be one digit.

    Attributes:
        first: Index of the first piece.
        last: Index after the last piece.
        component: Ink of all pieces, joined.
    """

    first: int
    last: int
    component: Component


def spans_of(pieces: Sequence[Piece], typical: float) -> list[Span]:
    """Return all groups of neighbouring pieces that may be one digit.

    If a cut divides a ring of ink, the group is returned a second time, together with the other half of the
    ring.

    Args:
        pieces: Pieces of a row, from left to right.
        typical: Typical height of a character in pixels.

    Returns:
        The spans, ordered by their first piece.
    """
    found: list[Span] = []
    for first in range(len(pieces)):
        for last in range(first + 1, min(first + MAX_PIECES, len(pieces)) + 1):
            group = pieces[first:last]
            if not _may_be_one_digit(group, typical):
                continue
            whole = union([piece.component for piece in group])
            found.append(Span(first, last, whole))
            closed = whole
            if pieces[first].cut:
                closed = _with_shared_ring(closed, pieces[first - 1], typical)
            if last < len(pieces) and pieces[last].cut:
                closed = _with_shared_ring(closed, pieces[last], typical)
            if closed is not whole:
                found.append(Span(first, last, closed))
    return found


def _may_be_one_digit(group: Sequence[Piece], typical: float) -> bool:
    """Return True if a group of pieces is narrow enough for one digit and has no wide gap.

    A single piece that begins a character is always allowed, so that each character has at least one span.
    """
    width = max(p.component.right for p in group) - min(p.component.left for p in group)
    if width > MAX_WIDTH * typical:
        return len(group) == 1 and not group[0].cut
    return all(_paper_between(a, b) <= MAX_PAPER * typical for a, b in itertools.pairwise(group))


def _with_shared_ring(whole: Component, neighbour: Piece, typical: float) -> Component:
    """Add the neighbour's part of a shared ring of ink to a component.

    Touching digits may share a wall. A cut gives the wall to only one of them, and a 0 would become a C.

    Args:
        whole: Ink of a group of pieces.
        neighbour: The piece on the other side of a cut.
        typical: Typical height of a character in pixels.

    Returns:
        The component with the wall; `whole` itself if there is no shared ring.
    """
    both = union([whole, neighbour.component])
    inside, beside = whole.mask_within(both), neighbour.component.mask_within(both)
    ring = holes(both.mask) & ~holes(inside) & ~holes(beside)
    if ring.sum() < MIN_RING_AREA * typical * typical:
        return whole
    wall = beside & running(np.maximum, ring, 1 + 2 * math.ceil(neighbour.stroke_width))
    return cropped(both, inside | wall)


def cheapest_path(
    pieces: Sequence[Piece], spans: Sequence[Span], costs: npt.NDArray[np.float64], typical: float
) -> list[int]:
    """Find the cheapest path through the pieces of a row, by dynamic programming.

    Args:
        pieces: Pieces of the row, from left to right.
        spans: The N spans from `spans_of`.
        costs: Cost of taking each span as a digit, float64 (N,).
        typical: Typical height of a character in pixels.

    Returns:
        Indices of the spans on the path, from left to right. Pieces outside these spans are skipped.
    """
    neighbours = _heights_of_neighbours(list(dict.fromkeys(piece.character for piece in pieces)))
    best = [0.0] + [math.inf] * len(pieces)
    came_from: list[tuple[int, int | None]] = [(0, None)] * (len(pieces) + 1)  # previous place, span
    number = 0
    for place, piece in enumerate(pieces):
        skipped = best[place] + _skip_cost(piece, min(typical, neighbours[piece.character]))
        if skipped < best[place + 1]:
            best[place + 1], came_from[place + 1] = skipped, (place, None)
        while number < len(spans) and spans[number].first == place:
            last = spans[number].last
            total = best[place] + float(costs[number])
            total = total + _paper_cost(pieces[place:last], typical) + _cut_cost(piece)
            if total < best[last]:
                best[last], came_from[last] = total, (place, number)
            number += 1
    chosen: list[int] = []
    place = len(pieces)
    while place:
        place, span = came_from[place]
        if span is not None:
            chosen.append(span)
    return chosen[::-1]


def _paper_between(left: Piece, right: Piece) -> float:
    """Return the gap in pixels between two neighbouring pieces; 0 if they belong to one character."""
    return 0 if right.cut else max(0, right.component.left - left.component.right)


def _cut_cost(piece: Piece) -> float:
    """Return the cost of the cut on the left of a piece; 0 if there is no cut."""
    return CUT_COST + CUT_INK_COST * piece.cut if piece.cut else 0.0


def _paper_cost(group: Sequence[Piece], typical: float) -> float:
    """Return the cost of the gaps between the characters that a span joins; 0 if it joins none."""
    gaps = [_paper_between(a, b) / typical for a, b in itertools.pairwise(group) if not b.cut]
    return sum(PAPER_COST + WIDER_PAPER_COST * gap for gap in gaps)


def _skip_cost(piece: Piece, neighbour_height: float) -> float:
    """Return the cost of skipping a piece as punctuation or dirt; it is small for dots and dashes.

    Args:
        piece: The piece.
        neighbour_height: Height of its neighbours in pixels.
    """
    c = piece.component
    height = DASH_HEIGHT if c.width > DASH_WIDTH * c.height else DOT_HEIGHT
    excess = max(0.0, c.height / neighbour_height - height)
    return SKIP_COST + SKIP_HEIGHT_COST * excess + (SKIP_CUT_COST if piece.cut else 0.0)


def _heights_of_neighbours(characters: Sequence[Component]) -> dict[Component, float]:
    """Return for each character the height in pixels of the taller of its two nearest neighbours.

    A character without neighbours gets its own height.
    """
    middles = np.array([(c.left + c.right) / 2 for c in characters])
    found: dict[Component, float] = {}
    for number, character in enumerate(characters):
        order = np.argsort(np.abs(middles - middles[number]), kind="stable")
        nearest = [characters[i].height for i in order if i != number][:2]
        found[character] = float(max(nearest, default=character.height))
    return found
