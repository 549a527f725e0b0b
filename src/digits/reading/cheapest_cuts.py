"""Choose which pieces of a row form digits, by the smallest total cost.

A piece is a part of a character, from seams.py. A span is a group of neighbouring pieces that may be one
digit. A path goes through the row from left to right. It takes spans as digits and skips other pieces. Each
digit, cut and skipped piece has a cost. The path with the smallest sum gives the digits.

Costs have no unit; they are only compared. They were fitted on the development pictures and rounded:
docs/log.md, 2026-11-26, "Cheque amounts". Lengths are in median heights of the page's characters, unless a
line names another unit.

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
MIN_LOOP_AREA = 0.03  # median heights squared; smallest paper inside a loop that two digits share

CUT_COST, CUT_INK_COST = 0.8, 0.7  # of a cut; added for each stroke width of ink that it crosses
PAPER_COST, WIDER_PAPER_COST = 2.0, 4.0  # of a gap in a digit; added for each median height of its width
SKIP_COST, SKIP_HEIGHT_COST = 1.5, 12.0  # of a skipped piece; added for height above DOT_ or DASH_HEIGHT
SKIP_CUT_COST = 2.5  # added if the skipped piece was cut off a character
DOT_HEIGHT, DASH_HEIGHT = 0.3, 0.45  # neighbours' heights; largest height of a dot and of a dash
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


def spans_of(pieces: Sequence[Piece], character_height: float) -> list[Span]:
    """List all groups of neighbouring pieces that may be one digit.

    A cut may divide a closed loop of ink, such as a 0. Then the group is listed again with the whole loop.

    Args:
        pieces: Pieces of a row, from left to right.
        character_height: Median height of the page's characters in pixels.

    Returns:
        The spans, ordered by their first piece.
    """
    found: list[Span] = []
    for first in range(len(pieces)):
        for last in range(first + 1, min(first + MAX_PIECES, len(pieces)) + 1):
            group = pieces[first:last]
            if not _may_be_one_digit(group, character_height):
                continue
            whole = union([piece.component for piece in group])
            found.append(Span(first, last, whole))
            closed = whole
            if pieces[first].cut:
                closed = _with_shared_loop(closed, pieces[first - 1], character_height)
            if last < len(pieces) and pieces[last].cut:
                closed = _with_shared_loop(closed, pieces[last], character_height)
            if closed is not whole:
                found.append(Span(first, last, closed))
    return found


def _may_be_one_digit(group: Sequence[Piece], character_height: float) -> bool:
    """Check if a group of pieces is narrow and has no wide gap.

    Args:
        group: Neighbouring pieces, from left to right.
        character_height: Median height of the page's characters in pixels.
    """
    width = max(p.component.right for p in group) - min(p.component.left for p in group)
    # A piece that begins a character is always allowed, so that each character has at least one span.
    if width > MAX_WIDTH * character_height:
        return len(group) == 1 and not group[0].cut
    return all(_paper_between(a, b) <= MAX_PAPER * character_height for a, b in itertools.pairwise(group))


def _with_shared_loop(whole: Component, neighbour: Piece, character_height: float) -> Component:
    """Add the neighbour's part of a closed loop of ink.

    Args:
        whole: Ink of a group of pieces.
        neighbour: The piece on the other side of a cut.
        character_height: Median height of the page's characters in pixels.

    Returns:
        Ink with the closed loop; `whole` itself if no loop was cut.
    """
    # Touching digits may share a wall. The cut gives it to only one of them; a 0 without it looks like a C.
    least = MIN_LOOP_AREA * character_height * character_height
    if neighbour.hole_area < least:
        return whole
    both = union([whole, neighbour.component])
    loop = holes(both.mask)
    if loop.sum() < least:
        return whole
    inside, beside = whole.mask_within(both), neighbour.component.mask_within(both)
    loop &= ~(holes(inside) | holes(beside))
    if loop.sum() < least:
        return whole
    wall = beside & running(np.maximum, loop, 1 + 2 * math.ceil(neighbour.stroke_width))
    return cropped(both, inside | wall)


def cheapest_path(
    pieces: Sequence[Piece], spans: Sequence[Span], costs: npt.NDArray[np.float64], character_height: float
) -> list[int]:
    """Choose the spans of a row with the smallest total cost.

    The total includes the costs of cuts, gaps and skipped pieces.

    Args:
        pieces: Pieces of the row, from left to right.
        spans: N spans from `spans_of`.
        costs: Cost of taking each span as a digit, float64 (N,).
        character_height: Median height of the page's characters in pixels.

    Returns:
        Indices of the chosen spans, from left to right.
    """
    neighbours = _heights_of_neighbours(list(dict.fromkeys(piece.character for piece in pieces)))
    # Dynamic programming: the smallest cost of the row up to each place between two pieces.
    best = [0.0] + [math.inf] * len(pieces)
    came_from: list[tuple[int, int | None]] = [(0, None)] * (len(pieces) + 1)  # previous place, span
    number = 0
    for place, piece in enumerate(pieces):
        skipped = best[place] + _skip_cost(piece, min(character_height, neighbours[piece.character]))
        if skipped < best[place + 1]:
            best[place + 1], came_from[place + 1] = skipped, (place, None)
        while number < len(spans) and spans[number].first == place:
            last = spans[number].last
            total = best[place] + float(costs[number])
            total = total + _paper_cost(pieces[place:last], character_height) + _cut_cost(piece)
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
    """Return the gap in pixels between two neighbouring pieces; 0 within a character."""
    return 0 if right.cut else max(0, right.component.left - left.component.right)


def _cut_cost(piece: Piece) -> float:
    """Return the cost of the cut on the left of a piece."""
    return CUT_COST + CUT_INK_COST * piece.cut if piece.cut else 0.0


def _paper_cost(group: Sequence[Piece], character_height: float) -> float:
    """Return the cost of the gaps between the characters of a group.

    Args:
        group: Neighbouring pieces, taken as one digit.
        character_height: Median height of the page's characters in pixels.

    Returns:
        0 if all pieces come from one character.
    """
    gaps = [_paper_between(a, b) / character_height for a, b in itertools.pairwise(group) if not b.cut]
    return sum(PAPER_COST + WIDER_PAPER_COST * gap for gap in gaps)


def _skip_cost(piece: Piece, neighbour_height: float) -> float:
    """Return the cost of skipping a piece as punctuation or dirt.

    Args:
        piece: The piece.
        neighbour_height: Height of its neighbours in pixels.

    Returns:
        Small for dots and dashes, large for high pieces.
    """
    c = piece.component
    height = DASH_HEIGHT if c.width > DASH_WIDTH * c.height else DOT_HEIGHT
    excess = max(0.0, c.height / neighbour_height - height)
    return SKIP_COST + SKIP_HEIGHT_COST * excess + (SKIP_CUT_COST if piece.cut else 0.0)


def _heights_of_neighbours(characters: Sequence[Component]) -> dict[Component, float]:
    """Find the height of the taller neighbour of each character.

    Args:
        characters: Characters of a row.

    Returns:
        Larger height of the two nearest neighbours in pixels. Without neighbours, the character's own height.
    """
    middles = np.array([(c.left + c.right) / 2 for c in characters])
    found: dict[Component, float] = {}
    for number, character in enumerate(characters):
        order = np.argsort(np.abs(middles - middles[number]), kind="stable")
        nearest = [characters[i].height for i in order if i != number][:2]
        found[character] = float(max(nearest, default=character.height))
    return found
