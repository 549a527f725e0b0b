"""Take away lines that surround nothing: a rule below a number, the comb of a form.

All limits were chosen on the development pictures.
"""

import numpy as np

from digits.reading.components import Component, connected_components, median_height
from digits.reading.filters import Mask, running

LINE_EDGE_WINDOW = 5  # px; ink within this square around a pixel of a line is removed too: its soft edge
STROKE_WINDOW = 3  # px; but ink within this square around a pixel of writing is kept
SHORTEST_RULE, LENGTH_OF_RULE = 30, 0.12  # px, and share of the picture's width; a rule is at least that long
RULE_HEIGHTS = 2.2  # heights of the writing; a rule is at least this long
THICKEST_RULE = 0.012  # of the picture's longer side; a rule is at most this thick
TICK_HEIGHT = 0.45  # of the writing's height; lower ink on a rule belongs to it, such as the ticks of a comb
TICKS_OF_COMB, LONG_TICK = 3, 0.85  # so many equal thin lines on a rule are ticks, up to this height
TICK_WIDTH, TICK_TOLERANCE = 0.2, 2  # of its height: a thin line; px by which heights of ticks differ
GRAIN_WINDOW = 5  # px; ink within this square around a pixel is one stroke with it
WOBBLE = 1  # px; how far a rule may move up or down from column to column


def open_lines(mask: Mask) -> Mask:
    """Find level lines that are much longer than the writing on the page, with what hangs on them.

    Args:
        mask: bool (H, W), ink without frames.

    Returns:
        bool (H, W), True on lines with their soft edges and on short ticks at them; not where strokes cross.
    """
    rules = _rules(mask)
    if not rules.any():
        return rules
    kept = running(np.maximum, mask & ~rules, STROKE_WINDOW)
    return np.asarray(rules | (running(np.maximum, rules, LINE_EDGE_WINDOW) & ~kept))


def _rules(mask: Mask) -> Mask:
    """Find level lines that are much longer than the writing on the page, with what hangs on them.

    Args:
        mask: bool (H, W), ink without frames.

    Returns:
        bool (H, W), True on lines and on short ticks at them, False where strokes cross them.
    """
    nothing = np.zeros_like(mask)
    height, width = mask.shape
    if not mask.any():
        return nothing
    length = max(SHORTEST_RULE, round(LENGTH_OF_RULE * width))
    lines = _lines(mask, length)
    if not lines.any():
        return nothing
    # A column of a rule is a short run; a longer one is a stroke that crosses it.
    thickest = max(3, round(THICKEST_RULE * max(height, width)))
    thin = lines & ~_in_long_runs(mask, thickest)
    writing = connected_components(mask & ~thin)
    if not writing:
        return nothing
    # The grains of a pencil stroke are as high as the stroke that they form.
    strokes = connected_components(running(np.maximum, mask & ~thin, GRAIN_WINDOW))
    high = median_height(strokes) - (GRAIN_WINDOW - 1)
    rules = np.zeros_like(mask)
    for c in connected_components(lines):
        if c.width >= RULE_HEIGHTS * high:
            rules[c.rows_and_columns] |= c.mask
            _add_ends(rules, c, mask, length)
    rules &= ~_in_long_runs(mask, thickest)
    if not rules.any():
        return nothing
    near = running(np.maximum, rules, 3)
    hanging = [c for c in writing if near[c.rows_and_columns][c.mask].any()]
    heights, widths = (np.array([getattr(c, side) for c in hanging], np.intp) for side in ("height", "width"))
    thin = widths <= TICK_WIDTH * heights
    for c in hanging:
        # Several thin lines of the same height on a rule are the ticks of a comb.
        ticks = int((thin & (np.abs(heights - c.height) <= TICK_TOLERANCE)).sum())
        is_tick = c.width <= TICK_WIDTH * c.height and ticks >= TICKS_OF_COMB
        if c.height < (LONG_TICK if is_tick else TICK_HEIGHT) * high:
            rules[c.rows_and_columns] |= c.mask
    return rules


def _add_ends(rules: Mask, rule: Component, mask: Mask, length: int) -> None:
    """Add the ends of a rule, in place; they are too short to be found as lines where the rule slopes.

    Args:
        rules: bool (H, W), the rules.
        rule: The rule without its ends.
        mask: bool (H, W), the ink.
        length: Largest length of an end in pixels.
    """
    y, x = np.nonzero(rule.mask)
    slope, level = np.polyfit(x, y, 1)
    thickness = max(1.0, rule.area / rule.width)
    for columns in (range(rule.left - 1, rule.left - length, -1), range(rule.right, rule.right + length)):
        for column in columns:
            middle = rule.top + level + slope * (column - rule.left)
            first, last = (round(middle + side * (thickness / 2 + WOBBLE)) for side in (-1, 1))
            if not (0 <= column < mask.shape[1] and first >= 0 and mask[first : last + 1, column].any()):
                break
            rules[first : last + 1, column] |= mask[first : last + 1, column]


def _in_long_runs(mask: Mask, thickest: int) -> Mask:
    """Return the pixels that belong to a vertical run of ink longer than `thickest` px."""
    window = thickest + 1
    if window > len(mask):
        return np.zeros_like(mask)
    sums = np.cumsum(np.pad(mask, ((1, 0), (0, 0))), axis=0, dtype=np.int32)
    full = sums[window:] - sums[:-window] == window  # (H - window + 1, W): a long run begins here
    return np.asarray(_spread(full, window, len(mask)))


def _spread(full: Mask, window: int, rows: int) -> Mask:
    """Return True in the `window` rows from each True of `full` on."""
    changes = np.zeros((rows + 1, full.shape[1]), np.int32)
    changes[: len(full)] += full
    changes[window : window + len(full)] -= full
    return np.asarray(np.cumsum(changes, axis=0)[:-1] > 0)


def _lines(mask: Mask, length: int) -> Mask:
    """Return the pixels of level lines of at least `length` px, which may slope and wobble a little."""
    thick = np.pad(running(np.maximum, mask, 1 + 2 * WOBBLE), ((0, 0), (0, 1)))
    changes = np.flatnonzero(np.diff(thick.ravel(), prepend=False))
    starts, ends = changes[::2], changes[1::2]
    lines = np.zeros(thick.size, bool)
    long = ends - starts >= length
    for start, end in zip(starts[long].tolist(), ends[long].tolist(), strict=True):
        lines[start:end] = True
    return np.asarray(lines.reshape(thick.shape)[:, :-1] & mask)
