"""Connected components: the separate pieces of ink on a page, with their boxes in (y, x) pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from digits.reading.filters import Mask
from digits.reading.labelling import label_with_boxes

MAX_COMPONENTS = 400  # generous limit; noise makes thousands, a page of digits has fewer


@dataclass(frozen=True, eq=False)  # compared by identity
class Component:
    """A piece of ink: its box and the pixels of ink inside it.

    `bottom` and `right` are exclusive. `mask` has the shape of the box. A component is connected when it is
    found; `union` joins several, and cutting makes smaller ones.
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

    @property
    def area(self) -> int:
        """Number of ink pixels."""
        return int(self.mask.sum())

    @property
    def rows_and_columns(self) -> tuple[slice, slice]:
        """Index of the box in an image of the page."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def mask_within(self, frame: "Component") -> Mask:
        """Return the mask in the box of a component that encloses this one."""
        mask = np.zeros(frame.mask.shape, bool)
        top, left = self.top - frame.top, self.left - frame.left
        mask[top : top + self.height, left : left + self.width] = self.mask
        return mask


def connected_components(mask: Mask) -> list[Component]:
    """Return the connected components (8 neighbours) of a mask (H, W), the longest first.

    At most MAX_COMPONENTS are returned.
    """
    labels, sides = label_with_boxes(mask)
    longest = np.argsort(-np.maximum(sides[2] - sides[0], sides[3] - sides[1]), kind="stable")
    numbers = longest[:MAX_COMPONENTS].tolist()
    boxes = zip(*(side[numbers].tolist() for side in sides), strict=True)
    return [
        Component(top, left, bottom, right, labels[top:bottom, left:right] == number + 1)
        for number, (top, left, bottom, right) in zip(numbers, boxes, strict=True)
    ]


def extent(mask: Mask) -> tuple[int, int, int, int]:
    """Return top, bottom, left and right of the ink in a mask, bottom and right exclusive.

    The mask must have at least one pixel of ink.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def union(components: Sequence[Component]) -> Component:
    """Join at least one component into a single one."""
    if len(components) == 1:
        return components[0]
    top, left = min(c.top for c in components), min(c.left for c in components)
    bottom, right = max(c.bottom for c in components), max(c.right for c in components)
    mask = np.zeros((bottom - top, right - left), bool)
    for c in components:
        mask[c.top - top : c.bottom - top, c.left - left : c.right - left] |= c.mask
    return Component(top, left, bottom, right, mask)


def cropped(component: Component, mask: Mask) -> Component:
    """Return the part of a component that `mask`, of the shape of its box, selects, with a tight box.

    Where the mask selects nothing, the part is one pixel without ink.
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


def gap(a: Component, b: Component) -> float:
    """Return the distance in pixels between two boxes, 0 where they overlap."""
    dy = max(a.top - b.bottom, b.top - a.bottom, 0)
    dx = max(a.left - b.right, b.left - a.right, 0)
    return math.hypot(dy, dx)


def typical_height(components: Sequence[Component]) -> float:
    """Return the median height in pixels, each component weighted by the square of its height.

    The weights keep many dots and dashes from making the median small.
    """
    heights = np.sort([c.height for c in components])
    weights = np.cumsum(heights.astype(np.float64) ** 2)
    return float(heights[np.searchsorted(weights, weights[-1] / 2)])
