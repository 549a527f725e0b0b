"""Find the digits of a row as the cheapest path through a lattice of pieces.

Every few neighbouring pieces may be a digit, and the reading is the path from left to right whose digits,
cuts and left-out pieces cost least: Matan, Burges, LeCun and Denker, "Multi-digit recognition using a space
displacement neural network", 1992; Fujisawa, Nakano and Kurino, "Segmentation methods for character
recognition", 1992.

A cost of 1 has no unit of its own; costs are only compared. They were fitted on the development pictures and
rounded: docs/log.md, 2026-11-26, "Cheque amounts". Lengths are in typical heights of a character.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits.reading.components import Component, cropped, union
from digits.reading.cutting import Piece, holes
from digits.reading.filters import running

MAX_PIECES = 9  # that make one digit; generous limit
MAX_WIDTH = 1.4  # of a digit
MAX_PAPER = 0.35  # between two pieces of one digit
MIN_RING_AREA = 0.03  # typical heights squared of paper in a ring that two neighbours share

CUT_COST, CUT_INK_COST = 0.8, 0.7  # of a cut, and for each stroke width of ink that it goes through
PAPER_COST, WIDER_PAPER_COST = 2.0, 4.0  # of paper inside a digit, and for each typical height of it
SKIP_COST, SKIP_HEIGHT_COST = 1.5, 12.0  # of a left-out piece, and for its height beyond a dot's or dash's
SKIP_CUT_COST = 2.5  # if it was cut off a character
DOT_HEIGHT, DASH_HEIGHT = 0.3, 0.45  # of the neighbours' height
DASH_WIDTH = 1.2  # times its height, from which a piece may be a dash


@dataclass(frozen=True)
class Span:
    """Pieces that may be one digit, from number `first` to `last` (exclusive), as one component."""

    first: int
    last: int
    component: Component


def spans_of(pieces: Sequence[Piece], typical: float) -> list[Span]:
    """Return every group of neighbouring pieces that may be one digit, ordered by its first piece.

    Where a ring reaches over a cut, the group is offered a second time with the neighbour's part of the ring.
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
    """Return True if the pieces are narrow and near enough for one digit.

    A single piece that begins a character is always allowed, so that every character has a span.
    """
    width = max(p.component.right for p in group) - min(p.component.left for p in group)
    if width > MAX_WIDTH * typical:
        return len(group) == 1 and not group[0].cut
    return all(_paper_between(a, b) <= MAX_PAPER * typical for a, b in itertools.pairwise(group))


def _with_shared_ring(whole: Component, neighbour: Piece, typical: float) -> Component:
    """Return the component together with its neighbour's part of a ring around which both lie.

    Touching digits may share a wall, and a cut gives it to only one of them: a 0 would become a C. Without a
    shared ring the component is returned unchanged.
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
    """Return the numbers of the spans on the cheapest path, from left to right.

    `costs` (N,) are those of taking each of the N spans as a digit. Pieces outside the chosen spans are left
    out.
    """
    neighbours = _heights_of_neighbours(list(dict.fromkeys(piece.character for piece in pieces)))
    best = [0.0] + [math.inf] * len(pieces)
    came_from: list[tuple[int, int | None]] = [(0, None)] * (len(pieces) + 1)  # place, span
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
    """Return the pixels of paper between two neighbouring pieces; 0 if they were cut apart."""
    return 0 if right.cut else max(0, right.component.left - left.component.right)


def _cut_cost(piece: Piece) -> float:
    """Return the cost of the cut on the left of a piece; 0 if there is none."""
    return CUT_COST + CUT_INK_COST * piece.cut if piece.cut else 0.0


def _paper_cost(group: Sequence[Piece], typical: float) -> float:
    """Return the cost of treating characters with paper between them as one digit."""
    gaps = [_paper_between(a, b) / typical for a, b in itertools.pairwise(group) if not b.cut]
    return sum(PAPER_COST + WIDER_PAPER_COST * gap for gap in gaps)


def _skip_cost(piece: Piece, neighbour_height: float) -> float:
    """Return the cost of leaving out a piece as punctuation or dirt: little for dots and dashes."""
    c = piece.component
    height = DASH_HEIGHT if c.width > DASH_WIDTH * c.height else DOT_HEIGHT
    excess = max(0.0, c.height / neighbour_height - height)
    return SKIP_COST + SKIP_HEIGHT_COST * excess + (SKIP_CUT_COST if piece.cut else 0.0)


def _heights_of_neighbours(characters: Sequence[Component]) -> dict[Component, float]:
    """Return for each character the height in pixels of the taller of the two nearest to it.

    A character that is alone gets its own height.
    """
    middles = np.array([(c.left + c.right) / 2 for c in characters])
    found: dict[Component, float] = {}
    for number, character in enumerate(characters):
        order = np.argsort(np.abs(middles - middles[number]), kind="stable")
        nearest = [characters[i].height for i in order if i != number][:2]
        found[character] = float(max(nearest, default=character.height))
    return found
