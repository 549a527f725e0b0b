"""Bring a row of a page into the form that the line recogniser reads: 32 rows, the ink 28 rows high."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from digits.networks.line_network import COLUMNS_PER_ANSWER, INK_ROWS, ROWS
from digits.reading.components import Component, union
from digits.reading.filters import Array, Mask, running
from digits.reading.labelling import Integers
from digits.reading.page_scale import ScaledPage

SIDE_MARGIN = 3  # px of the line's picture; empty columns on its left and right
WIDEST = 1600  # px; a longer line is not read
SAME_ROW = 0.5  # a component belongs to a row if at least this share of its height lies within the row
LEAST_SLOPE, LEAST_FOR_SLOPE = 0.03, 3  # px for each px, and characters; other rows are taken as level
WIDEST_GAP = 1.0  # heights of the row; wider gaps are made this wide, because they say nothing about digits


@dataclass(frozen=True)
class LinePicture:
    """A row of a page as the line recogniser sees it.

    Attributes:
        image: float32 (32, W) in [0, 1], white ink on black.
        columns: Column of the page for each column of the image, int (W,).
    """

    image: Array
    columns: Integers

    def page_columns(self, answers: tuple[int, int]) -> tuple[int, int]:
        """Convert the first and last answer of the line recogniser to columns of the page."""
        first, last = answers
        end = min((last + 1) * COLUMNS_PER_ANSWER - 1, len(self.columns) - 1)
        return int(self.columns[min(first * COLUMNS_PER_ANSWER, end)]), int(self.columns[end])


def line_picture(row: Sequence[Component], page: ScaledPage) -> LinePicture | None:
    """Cut a row out of its page, with its points and dashes.

    Args:
        row: Characters of the row, at least one.
        page: The page.

    Returns:
        The picture; None if the row is too long.
    """
    frame = union(row)
    signs = [c for c in page.components if lies_in(c, frame)]
    whole = union([frame, *signs]) if signs else frame
    kept = running(np.maximum, np.pad(whole.mask, 1), 3)
    padded = np.pad(page.strength, 1)[whole.top : whole.bottom + 2, whole.left : whole.right + 2]
    ink = _level(np.where(kept, padded, np.float32(0))[1:-1, 1:-1], _slope(row))
    columns = _without_wide_gaps(np.asarray(whole.mask.any(0)), round(WIDEST_GAP * len(ink)))
    scale = INK_ROWS / len(ink)
    width = max(2, round(len(columns) * scale))
    if width > WIDEST:
        return None
    resampling = Image.Resampling.BOX if scale < 0.8 else Image.Resampling.BICUBIC
    image = np.zeros((ROWS, width + 2 * SIDE_MARGIN), np.float32)
    narrow = np.ascontiguousarray(ink[:, columns], np.float32)
    small = np.asarray(Image.fromarray(narrow).resize((width, INK_ROWS), resampling))
    top = (ROWS - INK_ROWS) // 2
    image[top : top + INK_ROWS, SIDE_MARGIN : SIDE_MARGIN + width] = np.clip(small, 0, 1)
    places = (np.arange(len(image[0])) - SIDE_MARGIN) * len(columns) // width
    return LinePicture(image, whole.left + columns[np.clip(places, 0, len(columns) - 1)])


def _slope(row: Sequence[Component]) -> float:
    """Return how many px a row falls for each px to the right; 0 if it is level or too short to say."""
    if len(row) < LEAST_FOR_SLOPE:
        return 0.0
    x = np.array([(c.left + c.right) / 2 for c in row])
    y = np.array([(c.top + c.bottom) / 2 for c in row])
    from_middle = x - x.mean()
    slope = float(from_middle @ y) / max(float(from_middle @ from_middle), 1.0)
    return slope if abs(slope) >= LEAST_SLOPE else 0.0


def _level(ink: Array, slope: float) -> Array:
    """Move the columns of a row up and down so that it is level, and cut off empty rows above and below.

    Args:
        ink: Ink of the row, float32 (H, W).
        slope: How many px it falls for each px to the right.
    """
    if slope == 0:
        return ink
    moves = np.round(slope * np.arange(ink.shape[1])).astype(int)
    moves -= moves.min()
    rows = np.arange(len(ink) + int(moves.max()))[:, None] - (moves.max() - moves)
    inside = (rows >= 0) & (rows < len(ink))
    moved = np.take_along_axis(ink, np.clip(rows, 0, len(ink) - 1), axis=0) * inside
    inked = np.flatnonzero(moved.any(1))
    return np.asarray(moved[inked[0] : inked[-1] + 1], np.float32)


def _without_wide_gaps(inked: Mask, widest: int) -> Integers:
    """Return the columns of a row that are left when each gap is made at most `widest` px wide."""
    columns = np.arange(len(inked))
    since_ink = columns - np.maximum.accumulate(np.where(inked, columns, 0))
    return np.asarray(columns[since_ink <= widest])


def lies_in(c: Component, frame: Component) -> bool:
    """Check if a component lies beside or between the characters of a row."""
    shared = min(c.bottom, frame.bottom) - max(c.top, frame.top)
    beside = max(frame.left - c.right, c.left - frame.right)
    return (
        shared >= SAME_ROW * c.height and beside <= frame.height and (beside <= 0 or c.width <= frame.height)
    )
