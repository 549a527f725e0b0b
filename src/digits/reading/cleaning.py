"""Leave out components that are no writing: noise, specks, frames, creases, the picture's rim.

All limits were chosen by eye on the development pictures; "side" is the picture's longer side in pixels.
"""

from collections.abc import Sequence

import numpy as np

from digits.reading.components import Component, gap, typical_height
from digits.reading.placement import is_edge, is_line, is_outline

FEW_COMPONENTS = 50  # up to so many a page is not taken for noise
GRAIN_SIZE = (6, 0.012)  # px, and of the side: components of noise are smaller
SMALLEST_WRITING = 0.03  # of the side
LINE_LENGTH = 2  # times the size of the largest component that is no line: longer lines are creases
SPECK_SIZE = 0.12  # of the typical height
TALLEST = 4  # typical heights
RIM_DISTANCE = 0.02  # of the side, from the border
RIM_LENGTH = 2.5  # times its thickness
RIM_GAP = 0.5  # of its size to the next component


def without_noise(components: list[Component], shape: tuple[int, ...]) -> list[Component]:
    """Return the components, or none of them if most of the ink on the page is grain.

    Paper in dim light shows hundreds of grains and no component as long as a stroke.
    """
    if len(components) <= FEW_COMPONENTS:
        return components
    sizes = np.array([c.size for c in components])
    order = np.argsort(sizes)
    ink = np.cumsum(np.array([c.area for c in components])[order])
    typical = sizes[order][np.searchsorted(ink, ink[-1] / 2)]  # half of the ink is in smaller components
    return [] if typical < max(GRAIN_SIZE[0], GRAIN_SIZE[1] * max(shape)) else components


def without_clutter(components: list[Component], shape: tuple[int, ...]) -> list[Component]:
    """Return the components of a page of `shape` (H, W) without its rim, frames, creases and specks."""
    inside = [c for c in components if not is_edge(c, shape) and not _is_frame(c, components, shape)]
    if max((c.size for c in inside), default=0) > SMALLEST_WRITING * max(shape):
        components = inside
    largest = max((c.size for c in components if not is_line(c)), default=0)
    components = [c for c in components if not is_line(c) or not largest or c.size <= LINE_LENGTH * largest]
    if not components:
        return []
    components = [c for c in components if not _is_far_rim(c, components, shape)] or components
    typical = typical_height(components)
    return [c for c in components if c.size >= SPECK_SIZE * typical and c.height <= TALLEST * typical]


def _is_frame(c: Component, others: Sequence[Component], shape: tuple[int, ...]) -> bool:
    """Return True if a component is thin ink around half of the picture and encloses one of the others."""
    if not is_outline(c, shape):
        return False
    return any(
        o is not c and o.size > SMALLEST_WRITING * max(shape)
        and c.top < o.top and o.bottom < c.bottom and c.left < o.left and o.right < c.right
        for o in others
    )  # fmt: skip


def _is_far_rim(c: Component, others: Sequence[Component], shape: tuple[int, ...]) -> bool:
    """Return True if a component is a thin line along the picture's border with no other component near it.

    This is where the sheet or the light ends.
    """
    near = RIM_DISTANCE * max(shape)
    beside = c.left <= near or c.right >= shape[1] - near
    above_or_below = c.top <= near or c.bottom >= shape[0] - near
    vertical = beside and c.height > RIM_LENGTH * c.width
    level = above_or_below and c.width > RIM_LENGTH * c.height
    return (vertical or level) and all(o is c or gap(o, c) > RIM_GAP * c.size for o in others)
