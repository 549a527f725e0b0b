"""Remove tables, carpets and fingers that reach into the picture from its border.

They are often much darker than a pen, so faint writing beside them looks like paper. After they are removed,
ink and paper are separated again. All limits were chosen by eye on the development pictures.
"""

from collections.abc import Sequence

import numpy as np

from digits.reading.cleaning import without_noise
from digits.reading.components import Component, connected_components
from digits.reading.filters import Array, Mask, running
from digits.reading.ink import INK_THRESHOLD, Ink, ink_from_contrast
from digits.reading.placement import enters_from_outside, is_edge, is_outline

REMOVED_MARGIN = 0.01  # of the longer side; this margin of a component is removed too: its soft edge
FRINGE = 3  # margins; ink that is nearer to a removed component is a remainder of it
MOSTLY = 0.5  # a component lies within an area if more than this share of its pixels does
SMALLEST_STROKE = 0.1  # of the picture's shorter side; a smaller component is not writing


def without_page_edges(contrast: Array) -> Ink:
    """Compute the ink of a page without things on its border.

    Tables, carpets and fingers reach in from the border.

    Args:
        contrast: Contrast with the paper, float32 (H, W) in [0, 1].

    Returns:
        The ink; nothing is removed if no writing would remain.
    """
    ink = ink_from_contrast(contrast)
    shape = ink.mask.shape
    components = connected_components(ink.mask)
    # First remove edges and frames. If this leaves no writing, try all ink that enters from outside.
    rim = [c for c in components if is_edge(c, shape) or is_outline(c, shape)]
    again = _ink_without(contrast, rim)
    if again is not None:
        return again
    again = _ink_without(contrast, [c for c in components if enters_from_outside(c, shape)])
    if again is None:
        return ink
    # Keep this second removal only if it shows hidden writing: ink that counted as paper before.
    was_hidden = float(ink.strength[again.mask].mean()) < INK_THRESHOLD
    return again if was_hidden else ink


def _ink_without(contrast: Array, removed: Sequence[Component]) -> Ink | None:
    """Compute the ink of a page after some components are removed.

    Args:
        contrast: Contrast with the paper, float32 (H, W) in [0, 1].
        removed: Components to remove, with a margin around them.

    Returns:
        The ink; None if `removed` is empty or no writing remains.
    """
    if not removed:
        return None
    rim = np.zeros(contrast.shape, bool)
    for c in removed:
        rim[c.rows_and_columns] |= c.mask
    margin = 1 + 2 * max(1, round(REMOVED_MARGIN * max(rim.shape)))
    ink = ink_from_contrast(np.where(running(np.maximum, rim, margin), 0, contrast).astype(np.float32))
    left = without_noise(connected_components(ink.mask), rim.shape)
    fringe = running(np.maximum, rim, FRINGE * margin)
    writing = [c.size for c in left if not is_edge(c, rim.shape) and not _lies_within(c, fringe)]
    return ink if max(writing, default=0) >= SMALLEST_STROKE * min(rim.shape) else None


def _lies_within(c: Component, area: Mask) -> bool:
    """Check if most of a component's ink lies in the mask `area` (H, W)."""
    return float(area[c.rows_and_columns][c.mask].mean()) > MOSTLY
