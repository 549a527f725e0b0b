"""Label the connected components of a mask, working on runs of pixels instead of single pixels.

A run is an unbroken stretch of ink in one row. Runs are the nodes of a graph, and runs that touch in
neighbouring rows are joined by an edge; the connected parts of the graph are the components.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.filters import Mask

Integers: TypeAlias = npt.NDArray[np.intp]


def label(mask: Mask, *, diagonal: bool = True) -> tuple[npt.NDArray[np.int32], int]:
    """Label the connected components of a mask (H, W).

    Returns (H, W) with 0 for paper and 1..n for the components in the order of their first pixel, and n. A
    pixel is connected with its 8 neighbours, or with 4 if not `diagonal`.
    """
    starts, ends = _runs(mask)
    components, count = _components(starts, ends, mask.shape[1] + 2, diagonal=diagonal)
    return _painted(mask, starts, ends, components), count


def label_with_boxes(mask: Mask) -> tuple[npt.NDArray[np.int32], tuple[Integers, ...]]:
    """Label the components of 8 neighbours as `label` does, and return the sides of their boxes.

    The sides are top, left, bottom and right, each (n,); bottom and right are exclusive.
    """
    starts, ends = _runs(mask)
    components, count = _components(starts, ends, mask.shape[1] + 2, diagonal=True)
    boxes = _boxes(starts, ends, components, count, mask.shape)
    return _painted(mask, starts, ends, components), boxes


def _runs(mask: Mask) -> tuple[Integers, Integers]:
    """Return where each run starts and ends (exclusive), as positions in the flattened mask.

    The mask gets a column of paper on each side first, so that no run continues in the next row.
    """
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), bool)
    padded[:, 1:-1] = mask
    flat = padded.ravel()
    changes = (flat[1:] != flat[:-1]).nonzero()[0] + 1
    return changes[::2], changes[1::2]


def _components(starts: Integers, ends: Integers, stride: int, *, diagonal: bool) -> tuple[Integers, int]:
    """Return the component (runs,) of each run, from 0, and the number of components.

    `starts` and `ends` are those of `_runs`, `stride` is the length of a row of the padded mask.
    """
    first = np.searchsorted(ends, starts + stride, side="left" if diagonal else "right")
    last = np.searchsorted(starts, ends + stride, side="right" if diagonal else "left")
    counts = np.maximum(last - first, 0)  # of runs in the next row that touch each run
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = np.arange(len(upper)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    root = _smallest_connected(len(starts), upper, lower)
    numbers = np.cumsum(root == np.arange(len(root)))
    return numbers[root] - 1, int(numbers[-1]) if len(numbers) else 0


def _smallest_connected(nodes: int, left: Integers, right: Integers) -> Integers:
    """Return for each node of a graph the smallest node connected with it, by pointer jumping.

    Edge i joins left[i] and right[i].
    """
    root = np.arange(nodes)
    while True:
        a, b = root[left], root[right]
        if (a == b).all():
            return root
        low, high = np.minimum(a, b), np.maximum(a, b)
        np.minimum.at(root, high, low)
        while (root != root[root]).any():
            root = root[root]


def _painted(mask: Mask, starts: Integers, ends: Integers, components: Integers) -> npt.NDArray[np.int32]:
    """Return (H, W) with each run's component + 1 at its pixels."""
    image = np.zeros(mask.shape, np.int32)
    image[mask] = np.repeat(components + 1, ends - starts)
    return image


def _boxes(
    starts: Integers, ends: Integers, components: Integers, count: int, shape: tuple[int, ...]
) -> tuple[Integers, ...]:
    """Return top, left, bottom and right of each component; bottom and right are exclusive."""
    row, start = np.divmod(starts, shape[1] + 2)
    top, left = (np.full(count, n) for n in shape)
    bottom, right = np.zeros(count, int), np.zeros(count, int)
    np.minimum.at(top, components, row)
    np.minimum.at(left, components, start - 1)
    np.maximum.at(bottom, components, row + 1)
    np.maximum.at(right, components, start - 1 + ends - starts)
    return top, left, bottom, right
