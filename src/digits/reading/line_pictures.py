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
WIDEST_GAP = (
    1.0  # heights of the row; wider gaps are made that wide: how far numbers are apart says nothing here
)


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
    ink = np.where(kept, padded, np.float32(0))[1:-1, 1:-1]
    columns = _without_wide_gaps(np.asarray(whole.mask.any(0)), round(WIDEST_GAP * whole.height))
    scale = INK_ROWS / whole.height
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


def _without_wide_gaps(inked: Mask, widest: int) -> Integers:
    """Return the columns of a row that are left when each gap is made at most `widest` px wide."""
    columns = np.arange(len(inked))
    since_ink = columns - np.maximum.accumulate(np.where(inked, columns, 0))
    return np.asarray(columns[since_ink <= widest])


def lies_in(c: Component, frame: Component) -> bool:
    """Check if a component lies beside or between the characters of a row."""
    shared = min(c.bottom, frame.bottom) - max(c.top, frame.top)
    near = frame.height
    return shared >= SAME_ROW * c.height and frame.left - near <= c.left and c.right <= frame.right + near
