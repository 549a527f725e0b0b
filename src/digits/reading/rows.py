"""Group characters into rows: the lines of writing, which may slope."""

import math
from collections.abc import Sequence

import numpy as np

from digits.reading.components import Component

SLOPES = np.tan(np.radians([0, 2, -2, 4, -4, 7, -7, 10, -10, 14, -14, 18, -18]))  # level ones first
ROW_DISTANCE = 0.5  # typical heights between the middles of neighbouring rows, at least (chosen by eye)
SLOPE_COST = 10  # of a slope of 45 degrees, against 1 for each row (chosen on the development pictures)


def rows_of(characters: Sequence[Component], typical: float) -> list[list[Component]]:
    """Return the rows of at least one character from top to bottom, each row from left to right.

    `typical` is the typical height of a character in pixels. Of all slopes the cheapest is taken: few rows,
    whose characters differ little in height above the baseline, and a small slope.
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
