"""Remove components that are not writing: noise, specks, frames, creases, the picture's rim.

A component is a connected piece of ink. "Side" is the longer side of the picture in pixels. "Median height"
is `components.median_height` of the page. All limits were chosen by eye on the development pictures.
"""

import numpy as np

from digits.reading.components import Component, boxes_of, median_height
from digits.reading.labelling import Integers
from digits.reading.placement import TINY, is_edge, is_line, is_outline

FEW_COMPONENTS = 50  # a page with at most this number of components is not noise
GRAIN_SIZE = (6, 0.012)  # px, and share of the side; noise is smaller than the larger of the two
SMALLEST_WRITING = 0.03  # of the side; a component of at most this size is not writing
LINE_LENGTH = 2  # a line longer than this times the largest other component is a crease
LONGEST_ONE = 0.7  # of the side; a line up to this length is a 1 if all others are too small for writing
SPECK_SIZE = 0.12  # of the median height; a smaller component is a speck
TALLEST = 4  # median heights; a higher component is not writing
RIM_DISTANCE = 0.02  # of the side; largest distance of a rim from the border
RIM_LENGTH = 2.5  # thicknesses; a rim is longer than this
RIM_ALIKE, RIM_NEIGHBOURS = 0.75, 2  # shared rows of two characters; so many others beside a rim make it a 1
LONE_ONE = 0.5  # of the side; a shorter line along the border is no 1, even alone on its page
RIM_GAP = 0.5  # of its size; the next component is farther away than this


def without_noise(components: list[Component], shape: tuple[int, ...]) -> list[Component]:
    """Remove all components if most ink on the page is noise.

    A photo in dim light has many small grains and no long stroke.

    Args:
        components: All components of the page.
        shape: (H, W) of the page in pixels.

    Returns:
        All components, or an empty list for a page of noise.
    """
    if len(components) <= FEW_COMPONENTS:
        return components
    sizes = np.array([c.size for c in components])
    order = np.argsort(sizes)
    ink = np.cumsum(np.array([c.area for c in components])[order])
    # Half of the ink is in components up to this size.
    median_size = sizes[order][np.searchsorted(ink, ink[-1] / 2)]
    return [] if median_size < max(GRAIN_SIZE[0], GRAIN_SIZE[1] * max(shape)) else components


def without_clutter(components: list[Component], shape: tuple[int, ...]) -> list[Component]:
    """Remove rims, frames, creases and specks.

    Rims and frames stay if no writing would remain.

    Args:
        components: Components of the page.
        shape: (H, W) of the page in pixels.

    Returns:
        The components that are writing.
    """
    boxes = boxes_of(components)
    inside = [c for c in components if not is_edge(c, shape) and not _is_frame(c, boxes, shape)]
    if max((c.size for c in inside), default=0) > SMALLEST_WRITING * max(shape):
        components = inside
    largest = max((c.size for c in components if not is_line(c)), default=0)
    components = [c for c in components if not _is_crease(c, largest, shape)]
    if not components:
        return []
    boxes = boxes_of(components)
    rims = [_is_lone_rim(c, boxes, shape) for c in components]
    if all(rims):  # a picture that is cut close to a 1 has no other writing
        components = [c for c in components if c.size >= LONE_ONE * max(shape) or _spans(c, shape)]
    else:
        components = [c for c, is_rim in zip(components, rims, strict=True) if not is_rim]
    if not components:
        return []
    height = median_height(components)
    return [c for c in components if c.size >= SPECK_SIZE * height and c.height <= TALLEST * height]


def _is_crease(c: Component, largest: int, shape: tuple[int, ...]) -> bool:
    """Check if a component is a crease of the paper, not a 1.

    Args:
        c: The component.
        largest: Size of the largest component that is no line; 0 if there is none.
        shape: (H, W) of the page in pixels.
    """
    if not is_line(c) or c.size <= LINE_LENGTH * largest or not largest:
        return False
    side = max(shape)
    only_dust = largest <= SMALLEST_WRITING * side and c.size <= LONGEST_ONE * side
    return side > TINY and not only_dust


def _is_frame(c: Component, boxes: Integers, shape: tuple[int, ...]) -> bool:
    """Check if a component is an outline around another component.

    Args:
        c: The component.
        boxes: Boxes of all components of the page, (4, N).
        shape: (H, W) of the page in pixels.
    """
    if not is_outline(c, shape):
        return False
    top, left, bottom, right = boxes
    size = np.maximum(bottom - top, right - left)
    within = (c.top < top) & (bottom < c.bottom) & (c.left < left) & (right < c.right)
    return bool((within & (size > SMALLEST_WRITING * max(shape))).any())


def _spans(c: Component, shape: tuple[int, ...]) -> bool:
    """Check if a component reaches from one border of the picture to the opposite one."""
    return c.height == shape[0] or c.width == shape[1]


def _is_lone_rim(c: Component, boxes: Integers, shape: tuple[int, ...]) -> bool:
    """Check if a component is an isolated line along the border.

    Args:
        c: The component.
        boxes: Boxes of all components of the page, (4, N).
        shape: (H, W) of the page in pixels.
    """
    # The sheet or the light ends at such a line.
    near = RIM_DISTANCE * max(shape)
    beside = c.left <= near or c.right >= shape[1] - near
    above_or_below = c.top <= near or c.bottom >= shape[0] - near
    vertical = beside and c.height > RIM_LENGTH * c.width
    level = above_or_below and c.width > RIM_LENGTH * c.height
    if not vertical and not level:
        return False
    top, left, bottom, right = boxes
    # A 1 at the border is as high as several others beside it.
    shared = np.minimum(bottom, c.bottom) - np.maximum(top, c.top)
    alike = shared >= RIM_ALIKE * np.maximum(bottom - top, c.height)
    if not level and alike.sum() > RIM_NEIGHBOURS:  # its own box is one of them
        return False
    down = np.maximum(np.maximum(top - c.bottom, c.top - bottom), 0)
    across = np.maximum(np.maximum(left - c.right, c.left - right), 0)
    # One box is near: its own.
    return int((np.hypot(down, across) <= RIM_GAP * c.size).sum()) == 1
