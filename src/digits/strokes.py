"""Strokes: the connected pieces of ink on a page, with their boxes. Coordinates are (y, x) pixels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits.ink import Mask

MOST_STROKES = 400  # noise makes thousands; the largest are kept


@dataclass(frozen=True)
class Stroke:
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


def boxes(labels: npt.NDArray[np.int32], count: int) -> list[tuple[int, int, int, int]]:
    """Top, left, bottom, right of each component."""
    ys, xs = labels.nonzero()
    numbers = labels[ys, xs] - 1
    top, left = np.full(count, labels.shape[0]), np.full(count, labels.shape[1])
    bottom, right = np.zeros(count, int), np.zeros(count, int)
    np.minimum.at(top, numbers, ys)
    np.minimum.at(left, numbers, xs)
    np.maximum.at(bottom, numbers, ys + 1)
    np.maximum.at(right, numbers, xs + 1)
    return list(zip(top.tolist(), left.tolist(), bottom.tolist(), right.tolist(), strict=True))


def strokes_of(mask: Mask) -> list[Stroke]:
    """The connected pieces of ink; of thousands, as noise makes them, the largest few hundred."""
    labels, count = label(mask)
    found_boxes = boxes(labels, count)
    order = sorted(
        range(count),
        key=lambda i: -max(found_boxes[i][2] - found_boxes[i][0], found_boxes[i][3] - found_boxes[i][1]),
    )
    found = []
    for i in order[:MOST_STROKES]:
        top, left, bottom, right = found_boxes[i]
        found.append(Stroke(top, left, bottom, right, labels[top:bottom, left:right] == i + 1))
    return found


def extent(mask: Mask) -> tuple[int, int, int, int]:
    """First row, row after the last, first and after-the-last column with ink; there must be some."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1


def union(strokes: Sequence[Stroke]) -> Stroke:
    """One stroke that holds them all."""
    top, left = min(s.top for s in strokes), min(s.left for s in strokes)
    bottom, right = max(s.bottom for s in strokes), max(s.right for s in strokes)
    mask = np.zeros((bottom - top, right - left), bool)
    for s in strokes:
        mask[s.top - top : s.bottom - top, s.left - left : s.right - left] |= s.mask
    return Stroke(top, left, bottom, right, mask)


def gap(a: Stroke, b: Stroke) -> float:
    """Pixels of paper between two boxes, 0 where they overlap."""
    dy = max(a.top - b.bottom, b.top - a.bottom, 0)
    dx = max(a.left - b.right, b.left - a.right, 0)
    return math.hypot(dy, dx)


def label(mask: Mask, *, diagonal: bool = True) -> tuple[npt.NDArray[np.int32], int]:
    """Connected components of 8 neighbours, or of 4: (H, W) with 0 for paper and 1..n, and n.

    Runs of a row are the nodes of a graph, those that touch in neighbouring rows its edges; labels spread
    along the edges by minimum and pointer jumping.
    """
    height, width = mask.shape
    stride = width + 2  # a column of paper on each side keeps rows apart
    padded = np.zeros((height + 1, stride), bool)
    padded[:height, 1:-1] = mask
    flips = np.flatnonzero(np.diff(padded.ravel(), prepend=False))
    starts, ends = flips[::2], flips[1::2]  # ends are exclusive
    first = np.searchsorted(ends, starts + stride, side="left" if diagonal else "right")
    last = np.searchsorted(starts, ends + stride, side="right" if diagonal else "left")
    counts = np.maximum(last - first, 0)
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    root = _connect(len(starts), upper, lower)
    names, component = np.unique(root, return_inverse=True)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = np.repeat(component + 1, ends - starts)
    return labels, len(names)


def _connect(nodes: int, left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
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
