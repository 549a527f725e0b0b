"""Group characters into rows, which are the lines of writing and may slope."""

import math
from collections.abc import Sequence

import numpy as np

from digits.reading.components import Component

# Slopes that are tried. Of equal costs the first wins.
SLOPES = np.tan(np.radians([0, 2, -2, 4, -4, 7, -7, 10, -10, 14, -14, 18, -18]))
ROW_DISTANCE = 0.5  # typical heights; a larger step down begins a new row (chosen by eye)
SLOPE_COST = 10  # cost of a slope of 45 degrees; a row costs 1 (chosen on the development pictures)


def rows_of(characters: Sequence[Component], typical: float) -> list[list[Component]]:
    """Group the characters of a page into rows.

    Several slopes are tried, and the slope with the smallest cost is taken. The cost is small if there are
    few rows, if the characters of a row lie at the same height, and if the slope is small.

    Args:
        characters: At least one character.
        typical: Typical height of a character in pixels.

    Returns:
        Rows from top to bottom, each with its characters from left to right.
    """
    middle = np.array([(c.top + c.bottom) / 2 for c in characters])
    across = np.array([(c.left + c.right) / 2 for c in characters])
    best: tuple[float, list[list[int]]] = (math.inf, [])
    for slope in SLOPES:
        level = middle - slope * across
        order = np.argsort(level, kind="stable")
        breaks = np.flatnonzero(np.diff(level[order]) > ROW_DISTANCE * typical) + 1
        groups = [group.tolist() for group in np.split(order, breaks)]
        spread = sum(float(np.ptp(level[g])) for g in groups) / typical
        cost = spread + len(groups) + SLOPE_COST * abs(slope)
        if cost < best[0]:
            best = (cost, groups)
    return [[characters[i] for i in sorted(group, key=lambda i: across[i])] for group in best[1]]
