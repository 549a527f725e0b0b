"""Cut a character into pieces along seams: paths from top to bottom through little ink.

More seams are offered than digits need; the lattice (lattice.py) decides which of them are used. Limits are
in typical heights of a character where no other unit is named. Unless a line says otherwise they were chosen
on the development pictures, with those of the lattice: docs/log.md, 2026-11-26, "Cheque amounts".
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits.reading.components import Component, cropped, union
from digits.reading.filters import Array, Mask
from digits.reading.ink import INK_THRESHOLD
from digits.reading.labelling import label

MIN_WIDTH = 0.6  # narrower characters are not cut
MIN_HEIGHT = (0.4, 4)  # and px: lower characters are not cut
SEAM_DISTANCE = (0.13, 3)  # and px: between neighbouring seams, at least
MIN_PIECE_AREA = 0.02  # typical heights squared; a smaller piece goes to its neighbour
MAX_SEAMS = 12  # in one character; generous limit
MAX_SEAM_INK = 5.0  # stroke widths; through 7 nothing is gained: docs/log.md, 2026-11-26
MIN_SEAM_INK = 0.01  # stroke widths, so that a seam through paper alone still counts as a cut
HOLE_COST = 4.0  # stroke widths, to cross a hole as high as the character; half of it gains nothing
SIDEWAYS_COST = 0.03  # of full ink, for each pixel by which a seam leaves the vertical
PEN_QUANTILE = 0.4  # of the runs of ink down the columns, taken as the stroke width


@dataclass(frozen=True)
class Piece:
    """A part of a character between two seams.

    `cut` is the ink that the seam on its left goes through, in stroke widths; 0 where the character begins.
    `stroke_width` is the character's, in pixels.
    """

    component: Component
    character: Component
    cut: float = 0.0
    stroke_width: float = 1.0


def pieces_of(character: Component, strength: Array, typical: float) -> list[Piece]:
    """Return the pieces of a character from left to right; a narrow or low character is one piece.

    `strength` (H, W) is the page's ink in [0, 1], `typical` the typical height of a character in pixels.
    """
    too_low = character.height < max(MIN_HEIGHT[1], MIN_HEIGHT[0] * typical)
    if character.width < MIN_WIDTH * typical or too_low:
        return [Piece(character, character)]
    ink = strength[character.rows_and_columns] * character.mask
    pen = _pen_width(ink)
    ink = ink + holes(character.mask).astype(np.float32) * np.float32(HOLE_COST * pen / character.height)
    seams, costs = _seams(ink, max(SEAM_DISTANCE[1], round(SEAM_DISTANCE[0] * typical)), pen)
    return _between_seams(character, seams, costs, pen, MIN_PIECE_AREA * typical * typical)


def _between_seams(
    character: Component, seams: list[npt.NDArray[np.int64]], costs: list[float], pen: float, min_area: float
) -> list[Piece]:
    """Return the pieces of a character between its seams, from left to right.

    `seams` and `costs` are those of `_seams`, `pen` is the stroke width in pixels. A piece with fewer than
    `min_area` pixels of ink joins the next one.
    """
    columns = np.arange(character.width)
    edges = [np.zeros(character.height, int), *seams, np.full(character.height, character.width)]
    pieces: list[Piece] = []
    start, cut = edges[0], 0.0
    for edge, next_cut in zip(edges[1:], [*costs, 0.0], strict=True):
        inside = (columns >= start[:, None]) & (columns < edge[:, None]) & character.mask
        if inside.sum() < min_area and edge is not edges[-1]:
            continue
        pieces.append(Piece(cropped(character, inside), character, cut, pen))
        start, cut = edge, next_cut
    if len(pieces) > 1 and pieces[-1].component.area < min_area:  # the last piece has no next one
        last, crumb = pieces[-2], pieces[-1]
        joined = union([last.component, crumb.component])
        pieces[-2:] = [Piece(joined, character, last.cut, pen)]
    return pieces if len(pieces) > 1 else [Piece(character, character)]


def holes(mask: Mask) -> Mask:
    """Return the paper that the ink of a mask (H, W) encloses, as a mask: the inside of 0, 6, 8 and 9."""
    labels, count = label(~np.pad(mask, 1), diagonal=False)
    return (labels != labels[0, 0])[1:-1, 1:-1] & ~mask if count > 1 else np.zeros_like(mask)


def _pen_width(ink: Array) -> float:
    """Return the typical length in pixels of a run of ink down a column, at least 1; there must be ink."""
    padded = np.pad(ink > INK_THRESHOLD, ((1, 1), (0, 0))).T
    changes = np.flatnonzero(np.diff(padded.ravel(), prepend=False))
    return max(1.0, float(np.quantile(changes[1::2] - changes[::2], PEN_QUANTILE)))


def _seams(ink: Array, distance: int, pen: float) -> tuple[list[npt.NDArray[np.int64]], list[float]]:
    """Return seams through little ink, from left to right, and the ink that each crosses.

    `ink` (H, W) is a character's ink strength and `pen` its stroke width in pixels. A seam is an array (H,)
    of its column in each row; the ink that it crosses is in stroke widths. Seams are chosen by the ink that
    they cross, least first, at least `distance` pixels apart in the middle row.
    """
    height, width = ink.shape
    middle = height // 2
    upper, steps_up = _cheapest_paths(ink[: middle + 1])
    lower, steps_down = _cheapest_paths(ink[:middle:-1])
    total = upper + lower
    seams: list[npt.NDArray[np.int64]] = []
    costs: list[float] = []
    taken = np.zeros(width, bool)
    taken[:distance] = taken[-distance:] = True
    for column in np.argsort(total, kind="stable"):
        cost = float(total[column]) / pen
        if cost > MAX_SEAM_INK or len(seams) >= MAX_SEAMS:
            break
        if taken[column]:
            continue
        taken[max(0, column - distance + 1) : column + distance] = True
        seams.append(np.concatenate([_traced(steps_up, column)[::-1], _traced(steps_down, column)]))
        costs.append(cost)
    order = np.argsort([int(seam[middle]) for seam in seams], kind="stable")
    return [seams[i] for i in order], [max(costs[i], MIN_SEAM_INK) for i in order]


def _cheapest_paths(ink: Array) -> tuple[npt.NDArray[np.float64], list[npt.NDArray[np.int64]]]:
    """Find the cheapest path from the first row to each pixel of the last, by dynamic programming.

    `ink` (H, W) is the cost of each pixel. Returns the costs of the paths (W,), and for each row after the
    first the steps (W,) from the pixel before: -1, 0 or 1 column.
    """
    cost = ink[0].astype(np.float64)
    steps = []
    for row in ink[1:]:
        left = np.concatenate([[np.inf], cost[:-1]]) + SIDEWAYS_COST
        right = np.concatenate([cost[1:], [np.inf]]) + SIDEWAYS_COST
        step = np.where(left < cost, -1, 0)
        least = np.minimum(left, cost)
        step = np.where(right < least, 1, step)
        cost = np.minimum(right, least) + row
        steps.append(step)
    return cost, steps


def _traced(steps: list[npt.NDArray[np.int64]], column: int) -> npt.NDArray[np.int64]:
    """Return the columns of the path that ends in `column`, from the last row to the first.

    `steps` are those of `_cheapest_paths`.
    """
    path = [int(column)]
    for step in reversed(steps):
        path.append(path[-1] + int(step[path[-1]]))
    return np.array(path)
