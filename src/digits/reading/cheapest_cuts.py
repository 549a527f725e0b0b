"""Choose which pieces of a row form digits, by the smallest total cost.

A piece is a part of a character, from seams.py. A group is a sequence of neighbouring pieces that may be one
digit. A path goes through the row from left to right. It takes groups as digits and skips other pieces. Each
digit, cut and skipped piece has a cost. The path with the smallest sum gives the digits.

Costs have no unit; they are only compared. They were fitted on the development pictures and rounded:
docs/log.md, 2026-11-26, "Cheque amounts". Lengths are in median heights of the page's characters, unless a
line names another unit.

Sources: Matan, Burges, LeCun and Denker 1992, "Multi-digit recognition using a space displacement neural
network"; Fujisawa, Nakano and Kurino 1992, "Segmentation methods for character recognition".
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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
LOOP_WORK = 600  # units to look for a loop that a cut divides
DOT_HEIGHT, DASH_HEIGHT = 0.3, 0.45  # neighbours' heights; largest height of a dot and of a dash
DASH_WIDTH = 1.2  # of its height; a piece that is wider may be a dash


@dataclass(frozen=True)
class PieceGroup:
    """Neighbouring pieces that may be one digit.

    Attributes:
        first: Index of the first piece.
        last: Index after the last piece.
        width: Width of all pieces together in pixels, or in the unit of pen strokes.
        height: Height of all pieces together, in the same unit.
        joints: Cost of the cut on its left and of the gaps between its characters.
        has_loop: True if a cut at one of its ends may divide a closed loop of ink, such as a 0.
    """

    first: int
    last: int
    width: float
    height: float
    joints: float
    has_loop: bool


def groups_of(pieces: Sequence[Piece], character_height: float) -> list[PieceGroup]:
    """List all groups of neighbouring pieces that may be one digit.

    Args:
        pieces: Pieces of a row, from left to right.
        character_height: Median height of the page's characters in pixels.

    Returns:
        The groups, ordered by their first piece.
    """
    boxes = [(p.component.top, p.component.left, p.component.bottom, p.component.right) for p in pieces]
    least = _least_loop(character_height)
    may_divide_loop = [bool(piece.cut) and piece.hole_area >= least for piece in pieces] + [False]
    found: list[PieceGroup] = []
    for first, piece in enumerate(pieces):
        top, left, bottom, right = boxes[first]
        joints = CUT_COST + CUT_INK_COST * piece.cut if piece.cut else 0.0
        for last in range(first + 1, min(first + MAX_PIECES, len(pieces)) + 1):
            if last > first + 1:
                top, left = min(top, boxes[last - 1][0]), min(left, boxes[last - 1][1])
                bottom, right = max(bottom, boxes[last - 1][2]), max(right, boxes[last - 1][3])
                if not pieces[last - 1].cut:
                    paper = max(0, boxes[last - 1][1] - boxes[last - 2][3]) / character_height
                    if paper > MAX_PAPER:
                        break
                    joints += PAPER_COST + WIDER_PAPER_COST * paper
            # A piece that begins a character is always allowed, so that each character has a group.
            if right - left > MAX_WIDTH * character_height and (last > first + 1 or piece.cut):
                break
            has_loop = may_divide_loop[first] or may_divide_loop[last]
            found.append(PieceGroup(first, last, right - left, bottom - top, joints, has_loop))
    return found


def forms_of(group: PieceGroup, pieces: Sequence[Piece], character_height: float) -> list[Component]:
    """Return the ink of a group of pieces: as it is, and with the whole loop if a cut divides one.

    Args:
        group: The group.
        pieces: Pieces of the row, from left to right.
        character_height: Median height of the page's characters in pixels.
    """
    whole = union([piece.component for piece in pieces[group.first : group.last]])
    closed = whole
    if pieces[group.first].cut:
        closed = _with_shared_loop(closed, pieces[group.first - 1], character_height)
    if group.last < len(pieces) and pieces[group.last].cut:
        closed = _with_shared_loop(closed, pieces[group.last], character_height)
    return [whole] if closed is whole else [whole, closed]


def _least_loop(character_height: float) -> float:
    """Return the smallest paper inside a loop that two digits share, in pixels."""
    return MIN_LOOP_AREA * character_height * character_height


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
    least = _least_loop(character_height)
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
    groups: Sequence[PieceGroup], costs: Sequence[float], skips: Sequence[float]
) -> list[int | None]:
    """Choose the groups of a row with the smallest total cost.

    Args:
        groups: N groups from `groups_of`.
        costs: Cost of taking each group as a digit (N,), besides its joints.
        skips: Cost of skipping each piece, (pieces,).

    Returns:
        Indices of the chosen groups, from left to right; None for each skipped piece.
    """
    # Dynamic programming: the smallest cost of the row up to each place between two pieces.
    best = [0.0] + [math.inf] * len(skips)
    came_from: list[tuple[int, int | None]] = [(0, None)] * (len(skips) + 1)  # previous place, group
    number = 0
    for place, skip in enumerate(skips):
        if best[place] + skip < best[place + 1]:
            best[place + 1], came_from[place + 1] = best[place] + skip, (place, None)
        while number < len(groups) and groups[number].first == place:
            total = best[place] + costs[number] + groups[number].joints
            if total < best[groups[number].last]:
                best[groups[number].last], came_from[groups[number].last] = total, (place, number)
            number += 1
    chosen: list[int | None] = []
    place = len(skips)
    while place:
        place, group = came_from[place]
        chosen.append(group)
    return chosen[::-1]


def skip_costs(pieces: Sequence[Piece], character_height: float) -> list[float]:
    """Return the costs of skipping each piece of a row, (pieces,).

    Args:
        pieces: Pieces of the row, from left to right.
        character_height: Median height of the page's characters in pixels.
    """
    neighbours = _heights_of_neighbours(list(dict.fromkeys(piece.character for piece in pieces)))
    return [_skip_cost(piece, min(character_height, neighbours[piece.character])) for piece in pieces]


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
        characters: Characters of a row, from left to right.

    Returns:
        Larger height of the two nearest neighbours in pixels. Without neighbours, the character's own height.
    """
    middles = [(c.left + c.right) / 2 for c in characters]
    found: dict[Component, float] = {}
    for number, character in enumerate(characters):
        # The characters are sorted by their middles, so that the nearest two are among four.
        near = [i for i in range(max(0, number - 2), min(len(middles), number + 3)) if i != number]
        near.sort(key=lambda i: abs(middles[i] - middles[number]))
        found[character] = float(max((characters[i].height for i in near[:2]), default=character.height))
    return found
