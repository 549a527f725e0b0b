"""Find the connected components of a page: its separate pieces of ink.

A position is a row and a column in pixels, counted from the upper left corner of the page.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from digits.reading.filters import Mask
from digits.reading.labelling import Integers, label_with_boxes

# Of a page of digits all components are kept; a page of noise has more components, a grating larger boxes.
MAX_COMPONENTS = 3000
MAX_BOX_PIXELS = 20_000_000  # of all boxes together; a page has at most 2.56 million pixels


@dataclass(frozen=True, eq=False)  # two components are equal only if they are the same object
class Component:
    """A piece of ink with its box on the page.

    A component made by `union` or `cropped` may have separate parts.

    Attributes:
        top: First row of the box.
        left: First column of the box.
        bottom: Row after the last row of the box.
        right: Column after the last column of the box.
        mask: bool (height, width) of the box, True for ink.
    """

    top: int
    left: int
    bottom: int
    right: int
    mask: Mask

    @property
    def height(self) -> int:
        """Height of the box in pixels."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Width of the box in pixels."""
        return self.right - self.left

    @property
    def size(self) -> int:
        """Longer side of the box in pixels."""
        return max(self.height, self.width)

    @functools.cached_property
    def area(self) -> int:
        """Number of ink pixels."""
        return int(self.mask.sum())

    @property
    def rows_and_columns(self) -> tuple[slice, slice]:
        """Slices that cut the box out of an array (H, W)."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def mask_within(self, frame: "Component") -> Mask:
        """Return the mask of this component in a larger box.

        Args:
            frame: Component whose box contains the box of this component.

        Returns:
            bool, in the shape of `frame.mask`.
        """
        mask = np.zeros(frame.mask.shape, bool)
        top, left = self.top - frame.top, self.left - frame.left
        mask[top : top + self.height, left : left + self.width] = self.mask
        return mask


def connected_components(mask: Mask) -> list[Component]:
    """Find the connected components of a mask, as `components_and_rest` does."""
    return components_and_rest(mask)[0]


def components_and_rest(mask: Mask) -> tuple[list[Component], Integers]:
    """Find the connected components of a mask.

    A pixel is connected with its 8 neighbours.

    Args:
        mask: bool (H, W), True for ink.

    Returns:
        At most MAX_COMPONENTS components, the longest boxes first; of these, the smallest whose boxes have
        MAX_BOX_PIXELS together. Then the longer sides in pixels of the boxes that are left out, (n,).
    """
    labels, sides = label_with_boxes(mask)
    heights, widths = sides[2] - sides[0], sides[3] - sides[1]
    longest = np.argsort(-np.maximum(heights, widths), kind="stable")
    pixels = (heights * widths)[longest[:MAX_COMPONENTS]]
    smallest = np.argsort(pixels, kind="stable")
    kept = np.zeros(len(longest), bool)
    kept[smallest[np.cumsum(pixels[smallest]) <= MAX_BOX_PIXELS]] = True
    numbers = longest[kept].tolist()
    boxes = zip(*(side[numbers].tolist() for side in sides), strict=True)
    found = [
        Component(top, left, bottom, right, labels[top:bottom, left:right] == number + 1)
        for number, (top, left, bottom, right) in zip(numbers, boxes, strict=True)
    ]
    rest = longest[~kept]
    return found, np.maximum(heights[rest], widths[rest])


def extent(mask: Mask) -> tuple[int, int, int, int]:
    """Return the box around the ink of a mask.

    Args:
        mask: bool (H, W), with at least one pixel of ink.

    Returns:
        First row, row after the last, first column, column after the last.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def union(components: Sequence[Component]) -> Component:
    """Join components to a single component.

    Args:
        components: At least one component.

    Returns:
        One component with the ink of all.
    """
    if len(components) == 1:
        return components[0]
    top, left = min(c.top for c in components), min(c.left for c in components)
    bottom, right = max(c.bottom for c in components), max(c.right for c in components)
    mask = np.zeros((bottom - top, right - left), bool)
    for c in components:
        mask[c.top - top : c.bottom - top, c.left - left : c.right - left] |= c.mask
    return Component(top, left, bottom, right, mask)


def cropped(component: Component, mask: Mask) -> Component:
    """Cut a part out of a component.

    Args:
        component: The component.
        mask: bool, in the shape of `component.mask`, True for the part.

    Returns:
        The part in its own box. An empty part is one pixel without ink.
    """
    if not mask.any():
        return Component(
            component.top, component.left, component.top + 1, component.left + 1, np.zeros((1, 1), bool)
        )
    top, bottom, left, right = extent(mask)
    return Component(
        component.top + top,
        component.left + left,
        component.top + bottom,
        component.left + right,
        mask[top:bottom, left:right],
    )


def boxes_of(components: Sequence[Component]) -> Integers:
    """Return top, left, bottom and right of N components, (4, N)."""
    sides = [(c.top, c.left, c.bottom, c.right) for c in components]
    return np.array(sides, np.intp).reshape(-1, 4).T


def gap(a: Component, b: Component) -> float:
    """Return the distance in pixels between the boxes of two components.

    The distance is 0 if the boxes overlap or touch.
    """
    dy = max(a.top - b.bottom, b.top - a.bottom, 0)
    dx = max(a.left - b.right, b.left - a.right, 0)
    return math.hypot(dy, dx)


def median_height(components: Sequence[Component]) -> float:
    """Compute the weighted median height of components in pixels.

    The weight of a component is its height squared. So many small dots do not change the median much.

    Args:
        components: At least one component.
    """
    heights = np.sort([c.height for c in components])
    weights = np.cumsum(heights.astype(np.float64) ** 2)
    return float(heights[np.searchsorted(weights, weights[-1] / 2)])
