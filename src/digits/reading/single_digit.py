"""Choose the components of the only digit in a picture.

Unless a line says otherwise, limits were chosen by eye on the development pictures.
"""

import math
from collections.abc import Sequence

import numpy as np

from digits.reading.components import Component, gap, union
from digits.reading.filters import running
from digits.reading.ink import Ink
from digits.reading.placement import (
    enters_from_outside,
    is_edge,
    is_in_outer_quarter,
    is_line,
    touches_border,
)

# Weights of a component's ink, by where it lies: docs/log.md, 2026-11-26, "tight crops, thumbs, cloths".
OUTSIDE_WEIGHT = 0.05  # enters over the border and stays in an outer quarter
BORDER_WEIGHT = 0.5  # touches the border
EDGE_WEIGHT = 0.1  # is the rim of a sheet or table; times the weight of its place

# What belongs to a group, against the group's first component or the whole group.
PART_INK = 0.02  # of the first component's ink
PART_SIZE = 0.1  # of the group's size
PART_GAP = 0.5  # of the larger size; 0.25 and 0.35 lose digits: docs/log.md, 2026-11-26
LONG_LINE = 1.3  # of the group's size, at most, for a line

# When a component that the border cuts off is part of the digit: docs/log.md, 2026-11-26, "a digit cut out".
CUT_OFF_GAP = 0.1  # of the group's size, at most
SHARED_COLUMNS = 0.4  # of the narrower width: it lies above, below or across the group
JOINED_GAP = 0.03  # of the group's size: it almost touches the group


def components_of_single_digit(components: list[Component], ink: Ink) -> list[Component]:
    """Return the components that form the digit in a picture that holds one digit; none without ink.

    Components near one another form groups, and the group with the most ink wins. Ink that comes in over the
    border counts less, and least if it stays away from the middle.
    """
    shape = ink.mask.shape
    masses = {c: _ink_mass(c, ink) * (EDGE_WEIGHT if is_edge(c, shape) else 1.0) for c in components}
    rest = sorted(components, key=lambda c: -masses[c] * _place_weight(c, shape))
    best: tuple[float, list[Component]] = (-1.0, [])
    while rest:
        group = _group_around(rest[0], rest[1:], masses, shape)
        weight = masses[group[0]] * _place_weight(union(group), shape)
        if weight > best[0]:
            best = (weight, group)
        members = set(group)
        rest = [c for c in rest if c not in members and masses[c] > best[0]]
    return best[1]


def _ink_mass(c: Component, ink: Ink) -> float:
    """Return the sum of the ink strength over a component's pixels."""
    return float(ink.strength[c.rows_and_columns][c.mask].sum())


def _place_weight(c: Component, shape: tuple[int, ...]) -> float:
    """Return the weight of a component's ink by where it lies: 1 inside the picture, less at its border."""
    if enters_from_outside(c, shape):
        return OUTSIDE_WEIGHT
    return BORDER_WEIGHT if touches_border(c, shape) else 1.0


def _group_around(
    first: Component, rest: Sequence[Component], masses: dict[Component, float], shape: tuple[int, ...]
) -> list[Component]:
    """Return a component and all that are near enough and large enough to belong to the same digit.

    The group grows until no more components join it; `masses` are the components' weighted ink.
    """
    group = [first]
    on_border = touches_border(first, shape)
    while True:
        whole = union(group)
        near = [
            c
            for c in rest
            if masses[c] >= PART_INK * masses[first]
            and c.size >= PART_SIZE * whole.size
            and gap(c, whole) <= PART_GAP * max(whole.size, c.size)
            and (on_border or not touches_border(c, shape) or _belongs_though_cut_off(c, whole))
            and (is_in_outer_quarter(c, shape) or not is_in_outer_quarter(whole, shape))
            and not is_edge(c, shape)
            and not (is_line(c) and c.size > LONG_LINE * whole.size)
        ]
        if not near:
            return group
        group += near
        rest = [c for c in rest if c not in near]


def _belongs_though_cut_off(c: Component, group: Component) -> bool:
    """Return True if a component on the picture's border is part of the group rather than a neighbour.

    It must be near, and lie above, below or across the group, or almost touch it.
    """
    if gap(c, group) > CUT_OFF_GAP * group.size:
        return False
    shared = min(c.right, group.right) - max(c.left, group.left)
    if shared >= SHARED_COLUMNS * min(c.width, group.width):
        return True
    both = union([c, group])
    window = 1 + 2 * math.ceil(JOINED_GAP * group.size)
    return bool((running(np.maximum, c.mask_within(both), window) & group.mask_within(both)).any())
