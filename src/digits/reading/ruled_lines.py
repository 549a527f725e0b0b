"""Remove the lines of ruled and squared paper."""

import math

import numpy as np
import numpy.typing as npt

from digits.reading.components import extent
from digits.reading.filters import Array, Mask, running
from digits.reading.ink import Ink, ink_of


def unruled(contrast: Array) -> Array:
    """The contrast without ruled lines: one that several digits stand on would bind them together."""
    ink = ink_of(contrast)
    ruled = (ink.amount > 0) & (without_rules(ink, several=True).amount == 0)
    return np.where(ruled, np.float32(0), contrast)


def without_rules(ink: Ink, *, several: bool = False) -> Ink:
    """Ink without the lines of ruled or squared paper; strokes that cross them stay.

    Where there are `several` digits, a line from border to border is less likely to be part of one.
    """
    ruled = _rules(ink.mask, upright=False, several=several) | _rules(ink.mask.T, upright=True).T
    if not ruled.any():
        return ink
    kept = ink.mask & ~ruled
    fringe = running(np.maximum, ruled, 5) & ~running(np.maximum, kept, 3)
    return Ink(np.where(ruled | fringe, 0, ink.amount).astype(np.float32), kept)


def _rules(mask: Mask, *, upright: bool, several: bool = False) -> Mask:
    """The pixels of nearly horizontal thin lines from border to border, but for where strokes cross them."""
    height, width = mask.shape
    starts, columns, lengths = _column_runs(mask)
    thickest = max(3, round(0.012 * max(height, width)))
    if several:  # of a strip no higher than its writing
        thickest = max(thickest, min(5, round(0.06 * height)))
    thin = lengths <= thickest
    found: list[npt.NDArray[np.intp]] = []
    left = thin.copy()
    while len(found) < MOST_RULES:
        slope, row, covered = _straightest(starts[left], columns[left], width)
        if covered < 0.5 * width:
            break
        near = np.abs(starts - np.rint(slope * (columns - width / 2)) - row) <= 1.5
        found.append(np.flatnonzero(left & near))
        left &= ~near
    rules = [line for line in found if np.ptp(columns[line]) >= 0.85 * width]
    removed = np.zeros_like(mask)
    for line in rules:
        for y, x, length in zip(starts[line], columns[line], lengths[line], strict=True):
            removed[y : y + length, x] = True
    least = 1.2 if several else 2.0
    if rules and (len(rules) >= 3 or _is_beyond_writing(mask & ~removed, removed, upright, least)):
        return removed
    return np.zeros_like(mask)


MOST_RULES = 60
SLOPE = 0.06  # of ruled lines against the picture's edge, at most


def _column_runs(mask: Mask) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """First row, column and length of every run of ink down a column."""
    padded = np.pad(mask, ((1, 1), (0, 0))).T
    flips = np.flatnonzero(np.diff(padded.ravel(), prepend=False))
    columns, starts = np.divmod(flips[::2], padded.shape[1])
    return starts - 1, columns, flips[1::2] - flips[::2]


def _straightest(
    starts: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], width: int
) -> tuple[float, float, int]:
    """Slope and middle row of the line that most runs begin on, and how many do."""
    best = (0.0, 0.0, 0)
    if starts.size < 0.5 * width:
        return best
    for slope in np.linspace(-SLOPE, SLOPE, 2 * min(20, math.ceil(SLOPE * width / 2)) + 1):
        rows = starts - np.rint(slope * (columns - width / 2)).astype(int)
        low = int(rows.min())
        counts = np.convolve(np.bincount(rows - low), [1, 1, 1], mode="same")
        most = int(counts.argmax())
        if counts[most] > best[2]:
            best = (float(slope), float(most + low), int(counts[most]))
    return best


def _is_beyond_writing(writing: Mask, lines: Mask, upright: bool, least: float) -> bool:
    """Whether lines are the paper's: a 7's bar or a 1's stem ends where the digit does.

    Level lines may cross writing that is `least` times as wide as high.
    """
    if not writing.any():
        return False
    top, bottom, left, right = extent(writing)
    length = lines.shape[1]
    if left >= 0.2 * length and right <= 0.8 * length:
        return True
    wide = length >= least * (bottom - top) and right - left >= 0.4 * length
    return bool(not upright and wide and writing.sum() >= lines.sum())
