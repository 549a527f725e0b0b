"""Strokes: the connected pieces of ink on a page, with their boxes. Coordinates are (y, x) pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.filters import Mask

MOST_COMPONENTS = 400  # noise makes thousands; the largest are kept


@dataclass(frozen=True)
class Component:
    """A connected piece of ink: `mask` inside the box from (top, left) to (bottom, right), exclusive."""

    top: int
    left: int
    bottom: int
    right: int
    mask: Mask

    @property
    def height(self) -> int:
        """Rows of the box."""
        return self.bottom - self.top

    @property
    def width(self) -> int:
        """Columns of the box."""
        return self.right - self.left

    @property
    def size(self) -> int:
        """The longer side of the box."""
        return max(self.height, self.width)

    @property
    def area(self) -> int:
        """Pixels of ink."""
        return int(self.mask.sum())


def components_of(mask: Mask) -> list[Component]:
    """The connected pieces of ink; of thousands, as noise makes them, the largest few hundred."""
    runs = _runs(mask)
    names, count = _components(runs, mask.shape[1] + 2, diagonal=True)
    labels = _painted(mask, runs, names)
    boxes = _boxes(runs, names, count, mask.shape)
    largest = np.argsort(-np.maximum(boxes[2] - boxes[0], boxes[3] - boxes[1]), kind="stable")[
        :MOST_COMPONENTS
    ]
    return [
        Component(top, left, bottom, right, labels[top:bottom, left:right] == name + 1)
        for name, top, left, bottom, right in zip(
            largest.tolist(), *(side[largest].tolist() for side in boxes), strict=True
        )
    ]


def extent(mask: Mask) -> tuple[int, int, int, int]:
    """First row, row after the last, first and after-the-last column with ink; there must be some."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def union(strokes: Sequence[Component]) -> Component:
    """One stroke that holds them all."""
    if len(strokes) == 1:
        return strokes[0]
    top, left = min(s.top for s in strokes), min(s.left for s in strokes)
    bottom, right = max(s.bottom for s in strokes), max(s.right for s in strokes)
    mask = np.zeros((bottom - top, right - left), bool)
    for s in strokes:
        mask[s.top - top : s.bottom - top, s.left - left : s.right - left] |= s.mask
    return Component(top, left, bottom, right, mask)


def gap(a: Component, b: Component) -> float:
    """Pixels of paper between two boxes, 0 where they overlap."""
    dy = max(a.top - b.bottom, b.top - a.bottom, 0)
    dx = max(a.left - b.right, b.left - a.right, 0)
    return math.hypot(dy, dx)


def label(mask: Mask, *, diagonal: bool = True) -> tuple[npt.NDArray[np.int32], int]:
    """Connected components of 8 neighbours, or of 4: (H, W) with 0 for paper and 1..n, and n."""
    runs = _runs(mask)
    names, count = _components(runs, mask.shape[1] + 2, diagonal=diagonal)
    return _painted(mask, runs, names), count


# A run of ink in a row is two numbers: where it starts, and where it ends (exclusive), counted through a
# picture that has a column of paper more on each side, so that rows are kept apart.
Runs: TypeAlias = "tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]"


def _runs(mask: Mask) -> Runs:
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), bool)
    padded[:, 1:-1] = mask
    flat = padded.ravel()
    flips = (flat[1:] != flat[:-1]).nonzero()[0] + 1
    return flips[::2], flips[1::2]


def _components(runs: Runs, stride: int, *, diagonal: bool) -> tuple[npt.NDArray[np.intp], int]:
    """The component 0..n-1 of every run, numbered by their first ones, and n.

    Runs are the nodes of a graph, those that touch in neighbouring rows its edges; the least number spreads
    along the edges by minimum and pointer jumping.
    """
    starts, ends = runs
    first = np.searchsorted(ends, starts + stride, side="left" if diagonal else "right")
    last = np.searchsorted(starts, ends + stride, side="right" if diagonal else "left")
    counts = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = np.arange(len(upper)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    root = _connect(len(starts), upper, lower)
    numbers = np.cumsum(root == np.arange(len(root)))
    return numbers[root] - 1, int(numbers[-1]) if len(numbers) else 0


def _connect(nodes: int, left: npt.NDArray[np.intp], right: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The least node that each node is connected with."""
    root = np.arange(nodes)
    while True:
        a, b = root[left], root[right]
        if (a == b).all():
            return root
        low, high = np.minimum(a, b), np.maximum(a, b)
        np.minimum.at(root, high, low)
        while (root != root[root]).any():
            root = root[root]


def _painted(mask: Mask, runs: Runs, names: npt.NDArray[np.intp]) -> npt.NDArray[np.int32]:
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = np.repeat(names + 1, runs[1] - runs[0])
    return labels


def _boxes(
    runs: Runs, names: npt.NDArray[np.intp], count: int, shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.intp], ...]:
    """Top, left, bottom, right of each component."""
    row, start = np.divmod(runs[0], shape[1] + 2)
    top, left = (np.full(count, n) for n in shape)
    bottom, right = np.zeros(count, int), np.zeros(count, int)
    np.minimum.at(top, names, row)
    np.minimum.at(left, names, start - 1)
    np.maximum.at(bottom, names, row + 1)
    np.maximum.at(right, names, start - 1 + runs[1] - runs[0])
    return top, left, bottom, right


def unless_noise(strokes: list[Component], shape: tuple[int, ...]) -> list[Component]:
    """Nothing, if the ink is all grains: paper in dim light has hundreds, and none as long as a stroke."""
    if len(strokes) <= 50:
        return strokes
    sizes = np.array([s.size for s in strokes])
    order = np.argsort(sizes)
    ink = np.cumsum(np.array([s.area for s in strokes])[order])
    typical = sizes[order][np.searchsorted(ink, ink[-1] / 2)]
    return [] if typical < max(6, 0.012 * max(shape)) else strokes
