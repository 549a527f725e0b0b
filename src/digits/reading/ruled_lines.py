"""Remove the lines of ruled and squared paper. All limits were chosen by eye on the development pictures."""

import math

import numpy as np
import numpy.typing as npt

from digits.reading.components import extent
from digits.reading.filters import Array, Mask, running
from digits.reading.ink import Ink, ink_from_contrast

MAX_LINES = 60  # generous limit, in one direction
MAX_SLOPE = 0.06  # of a ruled line against the picture's edge: 3.4 degrees
MAX_SLOPE_STEPS = 20  # slopes tried on either side of level, at most
LINE_THICKNESS = 0.012  # of the picture's longer side, at most
STRIP_THICKNESS = (0.06, 5)  # of the height of a picture, and px: the same for a strip of several digits
LINE_TOLERANCE = 1.5  # px by which a run of ink may begin above or below its line
RUNS_ON_LINE = 0.5  # of the picture's width in which a line must have runs of ink
LINE_LENGTH = 0.85  # of the picture's width, from the line's first run to its last
LINES_FOR_PAPER = 3  # parallel lines that are paper's without looking at the writing
SOFT_EDGE_WINDOW = 5  # px; the soft edge of a line within this square is removed with it
KEPT_WINDOW = 3  # px; but not what lies this close to a stroke

# One or two lines are the paper's if they go on beyond the writing; a 7's bar ends where the digit does.
OUTER_FIFTHS = (0.2, 0.8)  # of the line's length; writing between them leaves a line's ends free
WIDE_WRITING = (1.2, 2.0)  # length of a line over the height of writing: several digits, one digit
WRITING_LENGTH = 0.4  # of the line's length, at least, that writing on it takes


def contrast_without_rules(contrast: Array) -> Array:
    """Return the contrast (H, W) of a page of several digits with 0 on ruled lines.

    A line on which several digits stand would join them to one component.
    """
    ink = ink_from_contrast(contrast)
    ruled = (ink.strength > 0) & (ink_without_rules(ink, several=True).strength == 0)
    return np.where(ruled, np.float32(0), contrast)


def ink_without_rules(ink: Ink, *, several: bool = False) -> Ink:
    """Return the ink without ruled lines; the strokes that cross them are kept.

    `several`: the page may hold several digits, so that a line from border to border is less likely to be
    part of a digit.
    """
    ruled = _rules(ink.mask, vertical=False, several=several) | _rules(ink.mask.T, vertical=True).T
    if not ruled.any():
        return ink
    kept = ink.mask & ~ruled
    soft_edge = running(np.maximum, ruled, SOFT_EDGE_WINDOW) & ~running(np.maximum, kept, KEPT_WINDOW)
    return Ink(np.where(ruled | soft_edge, 0, ink.strength).astype(np.float32), kept)


def _rules(mask: Mask, *, vertical: bool, several: bool = False) -> Mask:
    """Return the pixels (H, W) of thin, nearly level lines from border to border, without crossing strokes.

    `vertical` says that the mask was transposed, so that level means vertical on the page.
    """
    height, width = mask.shape
    starts, columns, lengths = _column_runs(mask)
    thickest = max(3, round(LINE_THICKNESS * max(height, width)))
    if several:
        thickest = max(thickest, min(STRIP_THICKNESS[1], round(STRIP_THICKNESS[0] * height)))
    lines = _lines_through(starts, columns, lengths <= thickest, width)
    removed = np.zeros_like(mask)
    for line in lines:
        for y, x, length in zip(starts[line], columns[line], lengths[line], strict=True):
            removed[y : y + length, x] = True
    if len(lines) >= LINES_FOR_PAPER:
        return removed
    least_width = WIDE_WRITING[0] if several else WIDE_WRITING[1]
    if lines and _go_beyond_writing(mask & ~removed, removed, vertical, least_width):
        return removed
    return np.zeros_like(mask)


def _column_runs(mask: Mask) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the first row, the column and the length of every run of ink down a column, each (runs,)."""
    padded = np.pad(mask, ((1, 1), (0, 0))).T
    changes = np.flatnonzero(np.diff(padded.ravel(), prepend=False))
    columns, starts = np.divmod(changes[::2], padded.shape[1])
    return starts - 1, columns, changes[1::2] - changes[::2]


def _lines_through(
    starts: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], thin: npt.NDArray[np.bool_], width: int
) -> list[npt.NDArray[np.intp]]:
    """Return the numbers of the thin runs on each line that crosses the picture, the fullest line first."""
    found: list[npt.NDArray[np.intp]] = []
    left = thin.copy()
    while len(found) < MAX_LINES:
        slope, row, covered = _fullest_line(starts[left], columns[left], width)
        if covered < RUNS_ON_LINE * width:
            break
        near = np.abs(starts - np.rint(slope * (columns - width / 2)) - row) <= LINE_TOLERANCE
        found.append(np.flatnonzero(left & near))
        left &= ~near
    return [line for line in found if np.ptp(columns[line]) >= LINE_LENGTH * width]


def _fullest_line(
    starts: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], width: int
) -> tuple[float, float, int]:
    """Return the slope and the middle row of the line on which most runs begin, and how many do."""
    best = (0.0, 0.0, 0)
    if starts.size < RUNS_ON_LINE * width:
        return best
    steps = min(MAX_SLOPE_STEPS, math.ceil(MAX_SLOPE * width / 2))
    for slope in np.linspace(-MAX_SLOPE, MAX_SLOPE, 2 * steps + 1):
        rows = starts - np.rint(slope * (columns - width / 2)).astype(int)
        low = int(rows.min())
        counts = np.convolve(np.bincount(rows - low), [1, 1, 1], mode="same")
        most = int(counts.argmax())
        if counts[most] > best[2]:
            best = (float(slope), float(most + low), int(counts[most]))
    return best


def _go_beyond_writing(writing: Mask, lines: Mask, vertical: bool, least_width: float) -> bool:
    """Return True if the lines are longer than the writing, and so belong to the paper.

    Level lines may also cross writing, if they are `least_width` times as long as the writing is high.
    """
    if not writing.any():
        return False
    top, bottom, left, right = extent(writing)
    length = lines.shape[1]
    if left >= OUTER_FIFTHS[0] * length and right <= OUTER_FIFTHS[1] * length:
        return True
    wide = length >= least_width * (bottom - top) and right - left >= WRITING_LENGTH * length
    return bool(not vertical and wide and writing.sum() >= lines.sum())
