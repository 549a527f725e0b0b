"""Label the connected components of a mask.

A run is an unbroken sequence of ink pixels in one row. Two runs are linked if they touch in neighbouring
rows. Linked runs form a component. A mask has far fewer runs than pixels, so this is fast.
"""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.filters import Mask

Integers: TypeAlias = npt.NDArray[np.intp]


def label(mask: Mask, *, diagonal: bool = True) -> tuple[npt.NDArray[np.int32], int]:
    """Label the connected components of a mask.

    Args:
        mask: bool (H, W).
        diagonal: True to connect a pixel with 8 neighbours, False with 4.

    Returns:
        Labels, int32 (H, W), and the number n of components. A label is 0 outside the mask and 1..n inside.
        Components are numbered in the order of their first pixels.
    """
    starts, ends = _runs(mask)
    components, count = _components(starts, ends, mask.shape[1] + 2, diagonal=diagonal)
    return _label_image(mask, starts, ends, components), count


def label_with_boxes(mask: Mask) -> tuple[npt.NDArray[np.int32], tuple[Integers, ...]]:
    """Label the components of a mask and return their boxes.

    A pixel is connected with its 8 neighbours.

    Args:
        mask: bool (H, W).

    Returns:
        Labels, int32 (H, W), as from `label`. Then top, left, bottom and right of the boxes in pixels, four
        arrays (n,); bottom and right are exclusive.
    """
    starts, ends = _runs(mask)
    components, count = _components(starts, ends, mask.shape[1] + 2, diagonal=True)
    boxes = _boxes(starts, ends, components, count, mask.shape)
    return _label_image(mask, starts, ends, components), boxes


def _runs(mask: Mask) -> tuple[Integers, Integers]:
    """Find the runs of ink in the rows of a mask.

    Args:
        mask: bool (H, W).

    Returns:
        Start and exclusive end of each run, (runs,), as positions in the flattened mask. Before, the mask
        gets an empty column on each side.
    """
    # With an empty column on each side, no run continues in the next row.
    padded = np.zeros((mask.shape[0], mask.shape[1] + 2), bool)
    padded[:, 1:-1] = mask
    flat = padded.ravel()
    changes = (flat[1:] != flat[:-1]).nonzero()[0] + 1
    return changes[::2], changes[1::2]


def _components(starts: Integers, ends: Integers, stride: int, *, diagonal: bool) -> tuple[Integers, int]:
    """Find the component of each run.

    Args:
        starts: Starts of the runs, (runs,), from `_runs`.
        ends: Ends of the runs, (runs,), from `_runs`.
        stride: Length of a row in pixels, with the two added columns.
        diagonal: True if runs that touch only at a corner are connected.

    Returns:
        Component of each run, (runs,), counted from 0; and the number of components.
    """
    first = np.searchsorted(ends, starts + stride, side="left" if diagonal else "right")
    last = np.searchsorted(starts, ends + stride, side="right" if diagonal else "left")
    counts = np.maximum(last - first, 0)  # for each run: number of runs in the next row that touch it
    upper = np.repeat(np.arange(len(starts)), counts)
    lower = np.arange(len(upper)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    root = _smallest_connected(len(starts), upper, lower)
    numbers = np.cumsum(root == np.arange(len(root)))
    return numbers[root] - 1, int(numbers[-1]) if len(numbers) else 0


def _smallest_connected(nodes: int, left: Integers, right: Integers) -> Integers:
    """Find the smallest connected node for each node of a graph.

    Args:
        nodes: Number of nodes.
        left: First node of each edge, (edges,).
        right: Second node of each edge, (edges,).

    Returns:
        The smallest connected node of each node, (nodes,).
    """
    # Each node points to a smaller connected node. The pointers are shortened until nothing changes.
    root = np.arange(nodes)
    while True:
        a, b = root[left], root[right]
        if (a == b).all():
            return root
        low, high = np.minimum(a, b), np.maximum(a, b)
        np.minimum.at(root, high, low)
        while (root != root[root]).any():
            root = root[root]


def _label_image(mask: Mask, starts: Integers, ends: Integers, components: Integers) -> npt.NDArray[np.int32]:
    """Return labels (H, W): 0 outside the mask, component + 1 inside."""
    image = np.zeros(mask.shape, np.int32)
    image[mask] = np.repeat(components + 1, ends - starts)
    return image


def _boxes(
    starts: Integers, ends: Integers, components: Integers, count: int, shape: tuple[int, ...]
) -> tuple[Integers, ...]:
    """Compute the boxes of the components.

    Args:
        starts: Starts of the runs, (runs,), from `_runs`.
        ends: Ends of the runs, (runs,), from `_runs`.
        components: Component of each run, (runs,), from `_components`.
        count: Number of components.
        shape: (H, W) of the mask.

    Returns:
        Top, left, bottom, right in pixels, four arrays (count,); bottom and right are exclusive.
    """
    row, start = np.divmod(starts, shape[1] + 2)
    top, left = (np.full(count, n) for n in shape)
    bottom, right = np.zeros(count, int), np.zeros(count, int)
    np.minimum.at(top, components, row)
    np.minimum.at(left, components, start - 1)
    np.maximum.at(bottom, components, row + 1)
    np.maximum.at(right, components, start - 1 + ends - starts)
    return top, left, bottom, right
