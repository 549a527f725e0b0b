"""Recognise a seven-segment display, whose segments would be read as ones.

Its digits consist of bars of the same length and thickness; upright bars stand at two levels. All limits were
chosen by eye.
"""

from collections.abc import Sequence

import numpy as np

from digits.reading.components import Component, boxes_of

LONG_BAR = 2.2  # thicknesses; a bar is at least that long
BAR_FILLED = 0.5  # of its box; the bars of a slanted display fill less than all
SAME_LENGTH, SAME_THICKNESS = 0.12, 0.25  # by which upright bars differ at most from the median
LEVEL_LENGTH = 0.4  # the same of level bars
FEWEST_BARS, BAR_INK = 4, 0.8  # a display has so many bars, and they have this share of the ink
BAR_GAP = 0.35  # lengths; largest distance between a bar and the one below it
BAR_SHIFT = 1.5  # thicknesses; such a bar is shifted at most by this
SAME_LEVEL = 0.12  # lengths; by which the upper bars may differ in height
PAIRS = 2  # number of bars above one another; one is enough beside two level bars
DISPLAY_NOTE = "a seven-segment display is not read; only handwritten digits are"


def is_segment_display(components: Sequence[Component]) -> bool:
    """Check if the components of a page are the segments of a seven-segment display."""
    if len(components) < FEWEST_BARS:
        return False
    top, left, bottom, right = boxes_of(components)
    area = np.array([c.area for c in components])
    length = np.maximum(bottom - top, right - left)
    thickness = area / length
    bars = (length >= LONG_BAR * thickness) & (area >= BAR_FILLED * (bottom - top) * (right - left))
    upright = bars & (bottom - top > right - left)
    if upright.sum() < PAIRS:
        return False
    long, thick = float(np.median(length[upright])), float(np.median(thickness[upright]))
    bars &= np.abs(thickness - thick) <= SAME_THICKNESS * thick
    upright &= bars & (np.abs(length - long) <= SAME_LENGTH * long)
    bars &= upright | (np.abs(length - long) <= LEVEL_LENGTH * long)
    if bars.sum() < FEWEST_BARS or area[bars].sum() < BAR_INK * area.sum():
        return False
    level = int((bars & (bottom - top < right - left)).sum())
    middle = (left + right) / 2
    upper, lower = np.meshgrid(np.flatnonzero(upright), np.flatnonzero(upright), indexing="ij")
    gap = top[lower] - bottom[upper]
    stacked = (np.abs(gap) <= BAR_GAP * long) & (np.abs(middle[upper] - middle[lower]) <= BAR_SHIFT * thick)
    pairs = int(stacked.sum())
    if not pairs or (pairs < PAIRS and level < PAIRS):
        return False
    spread = max(float(np.ptp(top[upper[stacked]])), float(np.ptp(bottom[lower[stacked]])))
    return spread <= SAME_LEVEL * long
