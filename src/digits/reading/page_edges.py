"""Remove tables, carpets and fingers that reach into the picture from its border.

They are darker than a pen. Beside them faint writing would count as paper, so the ink is separated from the
paper a second time without them. All limits were chosen by eye on the development pictures.
"""

from collections.abc import Sequence

import numpy as np

from digits.reading.cleaning import without_noise
from digits.reading.components import Component, connected_components
from digits.reading.filters import Array, Mask, running
from digits.reading.ink import INK_THRESHOLD, Ink, ink_from_contrast
from digits.reading.placement import enters_from_outside, is_edge, is_outline

REMOVED_MARGIN = 0.01  # of the picture's longer side; removed together with a component, as its soft edge
FRINGE = 3  # times that margin; ink left over in it belongs to what was removed
MOSTLY = 0.5  # share of a component's pixels
SMALLEST_WRITING = 0.1  # of the picture's shorter side; less ink left than this is no writing


def without_page_edges(contrast: Array) -> Ink:
    """Return the ink of a page, from its contrast (H, W), without what reaches in over the border.

    The ink stays as it is if no writing would be left.
    """
    ink = ink_from_contrast(contrast)
    shape = ink.mask.shape
    components = connected_components(ink.mask)
    rim = [c for c in components if is_edge(c, shape) or is_outline(c, shape)]
    again = _ink_without(contrast, rim)
    if again is not None:
        return again
    again = _ink_without(contrast, [c for c in components if enters_from_outside(c, shape)])
    if again is None:
        return ink
    was_hidden = float(ink.strength[again.mask].mean()) < INK_THRESHOLD
    return again if was_hidden else ink


def _ink_without(contrast: Array, removed: Sequence[Component]) -> Ink | None:
    """Return the ink of a page without these components; None if there are none or no writing is left."""
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
    return ink if max(writing, default=0) >= SMALLEST_WRITING * min(rim.shape) else None


def _lies_within(c: Component, area: Mask) -> bool:
    """Return True if most of the component's ink lies in the area, a mask of the page."""
    return float(area[c.rows_and_columns][c.mask].mean()) > MOSTLY
