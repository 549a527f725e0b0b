"""Give the cells of a form their rows and columns, and the marks their cells.

Cells that stand side by side or above one another are a grid: the boxes of an ID field, a sudoku, a table.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from digits.reading.labelling import Integers
from digits.reading.marks import FormCell, Mark

NEXT_CELL = 0.8  # of the smaller of two cells; two cells of a grid are at most so far apart
SHARED_SIDE = 0.5  # of the smaller of two cells; two neighbours share at least this height or width
NEW_LINE = 0.5  # of a cell's height or width; a larger step begins a new row or column
MOST_CELLS = 1000  # on a page with more cells, grids are not looked for

Boxes: TypeAlias = npt.NDArray[np.floating]  # (4, cells): top, left, bottom, right
Near: TypeAlias = npt.NDArray[np.bool_]  # (cells, cells)


def grids_of(boxes: Boxes) -> tuple[FormCell, ...]:
    """Find the grids of cells.

    Args:
        boxes: Top, left, bottom, right of N cells in pixels of the upright picture, (4, N).

    Returns:
        The cells of all grids of at least two cells, sorted by grid, row and column. Grids are sorted from
        top to bottom.
    """
    if not 2 <= boxes.shape[1] <= MOST_CELLS:
        return ()
    beside, below = _neighbours(boxes, 1), _neighbours(boxes, 0)
    numbers = _connected(beside | below | beside.T | below.T)
    found: list[FormCell] = []
    for name in sorted(set(numbers.tolist()), key=lambda n: boxes[:2, numbers == n].min(1).tolist()):
        members = np.flatnonzero(numbers == name)
        if len(members) > 1:
            grid = found[-1].grid + 1 if found else 0
            found += _grid(boxes[:, members], beside[np.ix_(members, members)], grid)
    return tuple(found)


def _neighbours(boxes: Boxes, axis: int) -> Near:
    """Return for each two cells whether the second begins where the first ends, along an axis."""
    start, end = boxes[axis], boxes[axis + 2]
    first, last = boxes[1 - axis], boxes[3 - axis]
    gap = start[None] - end[:, None]
    side = np.minimum.outer(end - start, end - start)
    shared = np.minimum.outer(last, last) - np.maximum.outer(first, first)
    near = (gap >= -NEXT_CELL * side / 2) & (gap <= NEXT_CELL * side)
    return np.asarray(near & (shared >= SHARED_SIDE * np.minimum.outer(last - first, last - first)))


def _connected(near: Near) -> Integers:
    """Return the smallest cell that is connected with each cell, (cells,)."""
    numbers = np.arange(len(near))
    while True:
        smallest = np.minimum(numbers, np.where(near, numbers, len(near)).min(1))
        if (smallest == numbers).all():
            return numbers
        numbers = smallest[smallest]


def _grid(boxes: Boxes, beside: Near, grid: int) -> list[FormCell]:
    """Return the cells of one grid by row and column."""
    y, x = (boxes[0] + boxes[2]) / 2, (boxes[1] + boxes[3]) / 2
    left, right = np.nonzero(beside)
    # A turned grid is turned back by the slope from cell to cell.
    slope = float(np.median((y[right] - y[left]) / np.maximum(x[right] - x[left], 1))) if len(left) else 0.0
    rows = _places(y - slope * x, float(np.median(boxes[2] - boxes[0])))
    columns = _places(x + slope * y, float(np.median(boxes[3] - boxes[1])))
    found: dict[tuple[int, int], FormCell] = {}
    for row, column, (top, left_, bottom, right_) in zip(
        rows, columns, np.rint(boxes.T).astype(int).tolist(), strict=True
    ):
        box = (left_, top, max(1, right_ - left_), max(1, bottom - top))
        found.setdefault((row, column), FormCell(grid, row, column, box))
    return [found[place] for place in sorted(found)]


def _places(middles: npt.NDArray[np.floating], side: float) -> list[int]:
    """Return the row of each cell from the middles of the cells, or its column."""
    order = np.argsort(middles, kind="stable")
    places = np.empty(len(middles), int)
    places[order] = np.cumsum(np.diff(middles[order], prepend=middles[order[0]]) > NEW_LINE * side)
    found: list[int] = places.tolist()
    return found


def with_cells(marks: Sequence[Mark], cells: Sequence[FormCell]) -> tuple[Mark, ...]:
    """Give each mark the cell in which its middle lies."""
    if not cells:
        return tuple(marks)
    left, top, width, height = np.array([cell.box for cell in cells]).T
    found = []
    for mark in marks:
        x, y = mark.box[0] + mark.box[2] / 2, mark.box[1] + mark.box[3] / 2
        (inside,) = np.nonzero((left <= x) & (x < left + width) & (top <= y) & (y < top + height))
        cell = cells[inside[0]] if len(inside) else None
        found.append(replace(mark, cell=cell and (cell.grid, cell.row, cell.column)))
    return tuple(found)
