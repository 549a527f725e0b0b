"""Choose the components of the only digit in a picture.

A component is a connected piece of ink; a digit may have several. Components near one another form a group.
The size of a component or group is the longer side of its box. Limits were chosen by eye on the development
pictures, unless their line names docs/log.md.
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

# Weight of a component's ink by its place: docs/log.md, 2026-11-26, "tight crops, thumbs, cloths".
OUTSIDE_WEIGHT = 0.05  # if it touches the border and stays in an outer quarter of the picture
BORDER_WEIGHT = 0.5  # if it touches the border and reaches farther inside
EDGE_WEIGHT = 0.1  # extra factor if it is the edge of a sheet or table

# A component belongs to a group if it is large enough and near enough.
PART_INK = 0.02  # smallest ink of a component, as a share of the first component's ink
PART_SIZE = 0.1  # smallest size of a component, in sizes of the group
PART_GAP = 0.5  # largest gap, in sizes of the larger one; 0.25 and 0.35 lose digits: docs/log.md, 2026-11-26
LONG_LINE = 1.3  # largest length of a line, in sizes of the group

# A component on the border may be a part of the digit: docs/log.md, 2026-11-26, "a digit cut out".
CUT_OFF_GAP = 0.1  # largest gap to the group, in sizes of the group
STACKED_COLUMNS = 0.4  # smallest width that both share, in widths of the narrower: one is above the other
JOINED_GAP = 0.03  # in sizes of the group; a component within this distance almost touches it


def components_of_single_digit(components: list[Component], ink: Ink) -> list[Component]:
    """Choose the components of the only digit in a picture.

    Components that are near one another form groups. The group with the most ink wins, but ink on the border
    counts less.

    Args:
        components: All components of the picture.
        ink: Ink of the picture.

    Returns:
        The components of the digit; an empty list if there are none.
    """
    shape = ink.mask.shape
    # The weight of a group is its first component's ink, reduced for a place on the border.
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
    """Sum the ink strength over the pixels of a component."""
    return float(ink.strength[c.rows_and_columns][c.mask].sum())


def _place_weight(c: Component, shape: tuple[int, ...]) -> float:
    """Return the weight of a component's place in the picture.

    Args:
        c: The component.
        shape: (H, W) of the picture in pixels.

    Returns:
        1 inside the picture, between 0 and 1 on its border.
    """
    if enters_from_outside(c, shape):
        return OUTSIDE_WEIGHT
    return BORDER_WEIGHT if touches_border(c, shape) else 1.0


def _group_around(
    first: Component, rest: Sequence[Component], masses: dict[Component, float], shape: tuple[int, ...]
) -> list[Component]:
    """Collect the components that may form one digit with `first`.

    Args:
        first: Component with which the group starts.
        rest: Components that may join.
        masses: Weighted ink of each component.
        shape: (H, W) of the picture in pixels.
    """
    # The group grows until no other component is near and large enough.
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
            and (on_border or not touches_border(c, shape) or _is_cut_off_part(c, whole))
            and (is_in_outer_quarter(c, shape) or not is_in_outer_quarter(whole, shape))
            and not is_edge(c, shape)
            and not (is_line(c) and c.size > LONG_LINE * whole.size)
        ]
        if not near:
            return group
        group += near
        rest = [c for c in rest if c not in near]


def _is_cut_off_part(c: Component, group: Component) -> bool:
    """Check if a component on the picture's border belongs to a group.

    Args:
        c: The component on the border.
        group: The components of the group, joined.
    """
    if gap(c, group) > CUT_OFF_GAP * group.size:
        return False
    # It belongs to the group if it lies above or below the group, or almost touches it.
    shared = min(c.right, group.right) - max(c.left, group.left)
    if shared >= STACKED_COLUMNS * min(c.width, group.width):
        return True
    both = union([c, group])
    window = 1 + 2 * math.ceil(JOINED_GAP * group.size)
    return bool((running(np.maximum, c.mask_within(both), window) & group.mask_within(both)).any())
