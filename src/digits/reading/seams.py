"""Cut a character into pieces along seams.

A seam is a path from the top of a character to its bottom that crosses little ink. There are more seams than
digits need; cheapest_cuts.py decides which of them are used.

Lengths are in median heights of the page's characters, unless a line names another unit. The limits were
chosen on the development pictures, together with those of cheapest_cuts.py: docs/log.md, 2026-11-26, "Cheque
amounts".
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from digits.reading.components import Component, cropped, union
from digits.reading.filters import Array, Mask
from digits.reading.ink import INK_THRESHOLD
from digits.reading.labelling import label

MIN_WIDTH = 0.6  # a narrower character is not cut
MIN_HEIGHT = (0.4, 4)  # median heights, and px; a character lower than either of them is not cut
SEAM_DISTANCE = (0.13, 3)  # median heights, and px; smallest distance of two seams is the larger of both
MIN_PIECE_AREA = 0.02  # median heights squared; a smaller piece is joined to its neighbour
MAX_SEAMS = 12  # largest number of seams in one character
MAX_SEAM_INK = 5.0  # stroke widths; a seam crosses at most this; 7 is not better: docs/log.md, 2026-11-26
MIN_SEAM_INK = 0.01  # stroke widths; a seam through paper alone gets this, because 0 means no seam
HOLE_COST = 4.0  # stroke widths; cost of crossing a hole as high as the character; 2.0 is not better
SIDEWAYS_COST = 0.03  # of a pixel of full ink; cost of each step of a seam to the left or right
CUT_WORK, ROW_WORK, PIXEL_WORK = 600, 15, 0.04  # units for a character, each row and each pixel of its box
PEN_QUANTILE = 0.4  # this quantile of the vertical runs of ink estimates the stroke width


@dataclass(frozen=True)
class Piece:
    """A part of a character between two neighbouring seams.

    Attributes:
        component: Ink of the piece.
        character: The whole character.
        cut: Ink crossed by the seam on the left, in stroke widths; 0 without a seam.
        stroke_width: Stroke width of the character in pixels.
        hole_area: Pixels of paper that the character encloses; 0 if it was not cut.
    """

    component: Component
    character: Component
    cut: float = 0.0
    stroke_width: float = 1.0
    hole_area: int = 0


def pieces_of(character: Component, strength: Array, character_height: float) -> list[Piece]:
    """Cut a character into pieces, from left to right.

    A narrow or low character becomes one piece.

    Args:
        character: The character.
        strength: Ink strength of the page, float32 (H, W) in [0, 1].
        character_height: Median height of the page's characters in pixels.

    Returns:
        At least one piece.
    """
    if is_too_small_to_cut(character, character_height):
        return [Piece(character, character)]
    ink = strength[character.rows_and_columns] * character.mask
    pen = _pen_width(ink)
    inside = holes(character.mask)
    ink = ink + inside.astype(np.float32) * np.float32(HOLE_COST * pen / character.height)
    seams, costs = _seams(ink, _seam_distance(character_height), pen)
    least = MIN_PIECE_AREA * character_height * character_height
    pieces = _pieces_between(character, seams, costs, pen, least)
    return [replace(piece, hole_area=int(inside.sum())) for piece in pieces]


def is_too_small_to_cut(character: Component, character_height: float) -> bool:
    """Check if a character is too narrow or too low to be several digits.

    Args:
        character: The character.
        character_height: Median height of the page's characters in pixels.
    """
    too_low = character.height < max(MIN_HEIGHT[1], MIN_HEIGHT[0] * character_height)
    return too_low or character.width < MIN_WIDTH * character_height


def most_pieces(character: Component, character_height: float) -> int:
    """Return the largest number of pieces into which a character can be cut.

    Args:
        character: The character.
        character_height: Median height of the page's characters in pixels.
    """
    return max(1, min(MAX_SEAMS + 1, (character.width - 1) // _seam_distance(character_height)))


def _seam_distance(character_height: float) -> int:
    """Return the smallest distance of two seams in pixels."""
    return max(SEAM_DISTANCE[1], round(SEAM_DISTANCE[0] * character_height))


def cut_work(character: Component) -> float:
    """Return the units of work that cutting a character takes, at most."""
    return CUT_WORK + character.height * (ROW_WORK + PIXEL_WORK * character.width)


def _pieces_between(
    character: Component, seams: list[npt.NDArray[np.int64]], costs: list[float], pen: float, min_area: float
) -> list[Piece]:
    """Return the pieces of a character between its seams.

    Args:
        character: The character.
        seams: Column of each seam in each row, arrays (height,), left to right.
        costs: Ink that each seam crosses, in stroke widths.
        pen: Stroke width in pixels.
        min_area: Smallest piece in pixels of ink; smaller ones are joined.

    Returns:
        The pieces from left to right.
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
    """Return the paper that ink encloses, such as the inside of 0.

    Args:
        mask: bool (H, W), True for ink.

    Returns:
        bool (H, W), True for pixels in holes.
    """
    labels, count = label(~np.pad(mask, 1), diagonal=False)
    return (labels != labels[0, 0])[1:-1, 1:-1] & ~mask if count > 1 else np.zeros_like(mask)


def _pen_width(ink: Array) -> float:
    """Estimate the stroke width in pixels.

    Args:
        ink: Ink strength, float32 (H, W), with at least one pixel of ink.

    Returns:
        The width, at least 1.
    """
    # The width is estimated from the lengths of vertical runs of ink.
    padded = np.pad(ink > INK_THRESHOLD, ((1, 1), (0, 0))).T
    changes = np.flatnonzero(np.diff(padded.ravel(), prepend=False))
    return max(1.0, float(np.quantile(changes[1::2] - changes[::2], PEN_QUANTILE)))


def _seams(ink: Array, distance: int, pen: float) -> tuple[list[npt.NDArray[np.int64]], list[float]]:
    """Find seams that cross little ink.

    Args:
        ink: Cost of each pixel of a character, float32 (H, W).
        distance: Smallest distance of two seams in the middle row, in pixels.
        pen: Stroke width in pixels.

    Returns:
        Seams from left to right: the column in each row, int64 (H,).
        Ink that each seam crosses, in stroke widths.
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
    # The seams with the least ink are chosen first.
    for column in np.argsort(total, kind="stable"):
        cost = float(total[column]) / pen
        if cost > MAX_SEAM_INK or len(seams) >= MAX_SEAMS:
            break
        if taken[column]:
            continue
        taken[max(0, column - distance + 1) : column + distance] = True
        seams.append(np.concatenate([_path_to(steps_up, column)[::-1], _path_to(steps_down, column)]))
        costs.append(cost)
    order = np.argsort([int(seam[middle]) for seam in seams], kind="stable")
    return [seams[i] for i in order], [max(costs[i], MIN_SEAM_INK) for i in order]


def _cheapest_paths(ink: Array) -> tuple[npt.NDArray[np.float64], list[npt.NDArray[np.int64]]]:
    """Find the cheapest path down to each pixel of the last row.

    Args:
        ink: Cost of each pixel, float32 (H, W).

    Returns:
        Cost of the path to each pixel of the last row, (W,).
        For each row after the first: steps (W,) back to the row above, -1, 0 or 1 columns.
    """
    # From one row to the next, a path goes straight or to a neighbouring column (dynamic programming).
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


def _path_to(steps: list[npt.NDArray[np.int64]], column: int) -> npt.NDArray[np.int64]:
    """Follow a path back from the last row to the first.

    Args:
        steps: Steps from `_cheapest_paths`.
        column: Column where the path ends in the last row.

    Returns:
        Columns of the path (H,), the last row first.
    """
    path = [int(column)]
    for step in reversed(steps):
        path.append(path[-1] + int(step[path[-1]]))
    return np.array(path)
