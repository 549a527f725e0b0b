"""Group the characters of a page into rows. A row is one line of writing, and it may slope."""

import math
from collections.abc import Sequence
from typing import Protocol, TypeVar

import numpy as np

from digits.reading.components import Component
from digits.reading.labelling import Integers

# Slopes that are tried. Of equal costs the first wins.
SLOPES = np.tan(np.radians([0, 2, -2, 4, -4, 7, -7, 10, -10, 14, -14, 18, -18]))
ROW_DISTANCE = 0.5  # median heights; a larger step down begins a new row (chosen by eye)
SLOPE_COST = 10  # cost of a slope of 45 degrees; a row costs 1 (chosen on the development pictures)
EDGE_HEIGHT, EDGE_WIDTH = 2.0, 0.25  # of its row's height, at least; of its own height, at most
LEAST_FOR_EDGES = 3  # characters; shorter rows do not say how high writing is


class Boxed(Protocol):
    """What has a place on the page: ink in pixels, or pen strokes in their unit."""

    @property
    def left(self) -> float: ...
    @property
    def top(self) -> float: ...
    @property
    def right(self) -> float: ...
    @property
    def bottom(self) -> float: ...


Character = TypeVar("Character", bound=Boxed)


def rows_of(characters: Sequence[Character], character_height: float) -> list[list[Character]]:
    """Group the characters of a page into rows.

    Several slopes are tried. The slope with the smallest cost wins. The cost grows with:

    - the number of rows,
    - the differences in height within each row,
    - the slope itself.

    Args:
        characters: At least one character.
        character_height: Median height of the page's characters in pixels.

    Returns:
        Rows from top to bottom, each with characters from left to right.
    """
    middle = np.array([(c.top + c.bottom) / 2 for c in characters])
    across = np.array([(c.left + c.right) / 2 for c in characters])
    best: tuple[float, list[Integers]] = (math.inf, [])
    for slope in SLOPES:
        level = middle - slope * across
        order = np.argsort(level, kind="stable")
        breaks = np.flatnonzero(np.diff(level[order]) > ROW_DISTANCE * character_height) + 1
        first, last = level[order[[0, *breaks]]], level[order[[*(breaks - 1), -1]]]
        spread = sum((last - first).tolist()) / character_height
        cost = spread + len(first) + SLOPE_COST * abs(slope)
        if cost < best[0]:
            best = (cost, np.split(order, breaks))
    return [[characters[i] for i in sorted(group.tolist(), key=lambda i: across[i])] for group in best[1]]


def without_edges(row: Sequence[Component]) -> list[Component]:
    """Return the characters of a row without those that are far too high for it: edges and lines of the page.

    Args:
        row: Characters of one row.
    """
    if len(row) < LEAST_FOR_EDGES:
        return list(row)
    height = float(np.median([c.height for c in row]))
    return [c for c in row if c.height < EDGE_HEIGHT * height or c.width > EDGE_WIDTH * c.height]
