"""Remove the lines of ruled and squared paper.

`ink_without_ruled_lines` looks for thin straight lines from border to border. A run is an unbroken sequence
of ink pixels in one column. A level line consists of many short runs at the same height. All limits were
chosen by eye on the development pictures.
"""

import itertools
import math

import numpy as np

from digits.reading.components import extent
from digits.reading.filters import Array, Mask, running
from digits.reading.ink import Ink, ink_from_contrast
from digits.reading.labelling import Integers

MAX_LINES = 60  # largest number of lines in one direction; paper has fewer
MAX_SLOPE = 0.06  # rows per column; a ruled line slopes at most 3.4 degrees
MAX_SLOPE_STEPS = 20  # largest number of upward slopes tried, and of downward slopes
RULE_THICKNESS = 0.012  # of the picture's longer side; largest thickness of a line
STRIP_THICKNESS = (0.06, 5)  # of the height, and px; for several digits the smaller of both is allowed
LINE_TOLERANCE = 1  # px; a run on a line begins at most this far above or below it
RUNS_ON_LINE = 0.5  # of the picture's width; a line has at least this number of runs
RULE_LENGTH = 0.85  # of the picture's width; smallest distance from the first run of a line to its last
LINES_FOR_PAPER = 3  # this many parallel lines belong to the paper, whatever the writing is
SOFT_EDGE_WINDOW = 5  # px; ink within this square around a pixel of a line is removed too: its soft edge
KEPT_WINDOW = 3  # px; but ink within this square around a pixel of a stroke is kept

# One or two lines belong to the paper if they are longer than the writing; the bar of a 7 is not.
OUTER_FIFTHS = (0.2, 0.8)  # of the line's length; writing between these two places leaves its ends free
WIDE_WRITING = (1.2, 2.0)  # smallest ratio of line length to height of writing: several digits, one digit
WRITING_LENGTH = 0.4  # of the line's length; wide writing is at least this wide


def contrast_without_ruled_lines(contrast: Array) -> Array:
    """Set the contrast to 0 on the ruled lines of a page.

    Use this for a page that may hold several digits.

    Args:
        contrast: Contrast with the paper, float32 (H, W) in [0, 1].

    Returns:
        float32 (H, W) in [0, 1].
    """
    ink = ink_from_contrast(contrast)
    # A line on which several digits stand would join them to one component.
    ruled = (ink.strength > 0) & (ink_without_ruled_lines(ink, several=True).strength == 0)
    return np.where(ruled, np.float32(0), contrast)


def ink_without_ruled_lines(ink: Ink, *, several: bool = False) -> Ink:
    """Remove ruled lines from the ink.

    Pen strokes that cross a line are kept.

    Args:
        ink: Ink of the page.
        several: True for several digits: thicker and shorter lines are removed too.

    Returns:
        The ink without ruled lines.
    """
    ruled = _find_lines(ink.mask, vertical=False, several=several) | _find_lines(ink.mask.T, vertical=True).T
    if not ruled.any():
        return ink
    kept = ink.mask & ~ruled
    soft_edge = running(np.maximum, ruled, SOFT_EDGE_WINDOW) & ~running(np.maximum, kept, KEPT_WINDOW)
    return Ink(np.where(ruled | soft_edge, 0, ink.strength).astype(np.float32), kept)


def _find_lines(mask: Mask, *, vertical: bool, several: bool = False) -> Mask:
    """Find thin, nearly level lines from border to border.

    Args:
        mask: bool (H, W), True for ink.
        vertical: True if the mask was transposed to find vertical lines.
        several: True if the page may hold several digits.

    Returns:
        bool (H, W), True for pixels of lines, False where strokes cross them.
    """
    height, width = mask.shape
    starts, columns, lengths = _column_runs(mask)
    thickest = max(3, round(RULE_THICKNESS * max(height, width)))
    if several:
        thickest = max(thickest, min(STRIP_THICKNESS[1], round(STRIP_THICKNESS[0] * height)))
    thin = lengths <= thickest
    lines = _lines_through(starts[thin], columns[thin], mask.shape)
    on_line = np.zeros(len(thin), bool)
    on_line[np.flatnonzero(thin)[np.concatenate([np.zeros(0, np.intp), *lines])]] = True
    removed = np.zeros_like(mask)
    removed.T[mask.T] = np.repeat(on_line, lengths)
    if len(lines) >= LINES_FOR_PAPER:
        return removed
    least_width = WIDE_WRITING[0] if several else WIDE_WRITING[1]
    if lines and _are_longer_than_writing(mask & ~removed, removed, vertical, least_width):
        return removed
    return np.zeros_like(mask)


def _column_runs(mask: Mask) -> tuple[Integers, Integers, Integers]:
    """Find the runs of ink in the columns of a mask (H, W).

    Returns:
        First row, column and length in pixels of each run, three arrays (runs,).
    """
    padded = np.pad(mask, ((1, 1), (0, 0))).T
    changes = np.flatnonzero(np.diff(padded.ravel(), prepend=False))
    columns, starts = np.divmod(changes[::2], padded.shape[1])
    return starts - 1, columns, changes[1::2] - changes[::2]


def _lines_through(starts: Integers, columns: Integers, shape: tuple[int, ...]) -> list[Integers]:
    """Find the lines that cross the picture.

    Args:
        starts: First row of each thin run, (runs,).
        columns: Column of each thin run, (runs,).
        shape: (H, W) of the picture in pixels.

    Returns:
        Indices of the runs of each line; lines with most runs first.
    """
    height, width = shape
    if starts.size < RUNS_ON_LINE * width:
        return []
    steps = min(MAX_SLOPE_STEPS, math.ceil(MAX_SLOPE * width / 2))
    slopes = np.linspace(-MAX_SLOPE, MAX_SLOPE, 2 * steps + 1)
    # How far each line lies below its row in the middle column, (slopes, W).
    falls = np.rint(slopes[:, None] * (np.arange(width) - width / 2)).astype(np.intp)
    run_at = np.full((width, height), -1, np.int32)  # number of the run that begins at a pixel; -1 for none
    run_at[columns, starts] = np.arange(starts.size)
    counts = _runs_on_lines(run_at >= 0, falls)
    found: list[Integers] = []
    while len(found) < MAX_LINES:
        slope, row, covered = _line_with_most_runs(counts)
        if covered < RUNS_ON_LINE * width:
            break
        rows = (
            row - int(falls.max()) + falls[slope] + np.arange(-LINE_TOLERANCE, LINE_TOLERANCE + 1)[:, None]
        )  # (rows near the line, W)
        inside = (rows >= 0) & (rows < height)
        runs = np.where(inside, run_at[np.arange(width), np.clip(rows, 0, height - 1)], -1)
        runs = runs[runs >= 0]
        found.append(runs)
        # The runs of this line do not count for others.
        run_at[columns[runs], starts[runs]] = -1
        places = starts[runs] - falls[:, columns[runs]] + int(falls.max())
        places += np.arange(len(slopes))[:, None] * counts.shape[1]
        counts -= np.bincount(places.ravel(), minlength=counts.size).reshape(counts.shape)
    return [line for line in found if np.ptp(columns[line]) >= RULE_LENGTH * width]


def _runs_on_lines(begins: Mask, falls: Integers) -> Integers:
    """Count the runs on all lines that may cross the picture.

    Args:
        begins: bool (W, H), True where a run begins.
        falls: Rows by which each line lies below its row in the middle column, (slopes, W).

    Returns:
        Number of runs, (slopes, H + 2 * largest fall): for each slope and row in the middle column. The first
        row is the one that is the largest fall above the picture.
    """
    # The columns in which a line falls equally far are counted together, as a difference of two sums.
    width, height = begins.shape
    largest = int(falls.max())
    totals = np.zeros((width + 1, height), np.int32)
    np.cumsum(begins, axis=0, out=totals[1:])
    counts = np.zeros((len(falls), height + 2 * largest), np.intp)
    for count, fall in zip(counts, falls, strict=True):
        edges = [0, *(np.flatnonzero(np.diff(fall)) + 1).tolist(), width]
        for left, right in itertools.pairwise(edges):
            top = largest - int(fall[left])
            count[top : top + height] += totals[right] - totals[left]
    return counts


def _line_with_most_runs(counts: Integers) -> tuple[int, int, int]:
    """Find the line with the most runs.

    Args:
        counts: Number of runs for each slope and row, from `_runs_on_lines`.

    Returns:
        Index of the slope, index of the row, number of runs within a row of this line.
    """
    near = counts.copy()
    for distance in range(1, LINE_TOLERANCE + 1):
        near[:, distance:] += counts[:, :-distance]
        near[:, :-distance] += counts[:, distance:]
    slope, row = divmod(int(near.argmax()), counts.shape[1])
    # A row just above all runs may count as many as the first row with runs.
    first = int((counts[slope] > 0).argmax())
    return slope, max(row, first), int(near[slope, row])


def _are_longer_than_writing(writing: Mask, lines: Mask, vertical: bool, least_width: float) -> bool:
    """Check if lines are longer than the writing.

    Args:
        writing: bool (H, W), the ink without the lines.
        lines: bool (H, W), the pixels of the lines.
        vertical: True if the masks were transposed.
        least_width: Smallest length of a line through wide writing, in heights of the writing.
    """
    if not writing.any():
        return False
    top, bottom, left, right = extent(writing)
    length = lines.shape[1]
    # The writing leaves both ends of the lines free.
    if left >= OUTER_FIFTHS[0] * length and right <= OUTER_FIFTHS[1] * length:
        return True
    # Level lines may also pass through wide writing that has at least as much ink.
    wide = length >= least_width * (bottom - top) and right - left >= WRITING_LENGTH * length
    return bool(not vertical and wide and writing.sum() >= lines.sum())
