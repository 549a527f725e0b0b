"""Recognise and remove the edges of sheets, tables and shadows."""

from collections.abc import Sequence

import numpy as np

from digits.reading.components import Component, components_of, unless_noise
from digits.reading.filters import Array, Mask, running
from digits.reading.ink import INK, Ink, ink_of

TINY = 32  # px; pictures up to this side show neither tables nor ruled lines: what seems so is a stroke


def without_rim(contrast: Array) -> Ink:
    """The ink, looked for again without tables, carpets and fingers that come in over the picture's border.

    They are darker than any pen: next to them faint writing would pass for paper.
    """
    ink = ink_of(contrast)
    shape = ink.mask.shape
    strokes = components_of(ink.mask)
    rim = [s for s in strokes if is_edge(s, shape) or is_outline(s, shape)]
    again = _without(contrast, rim)
    if again is not None:
        return again
    touching = [s for s in strokes if is_outside(s, shape)]
    again = _without(contrast, touching)
    hidden = again is not None and float(ink.amount[again.mask].mean()) < INK
    return again if again is not None and hidden else ink


def _without(contrast: Array, strokes: Sequence[Component]) -> Ink | None:
    """The ink without these, if any writing is left."""
    if not strokes:
        return None
    rim = np.zeros(contrast.shape, bool)
    for s in strokes:
        rim[s.top : s.bottom, s.left : s.right] |= s.mask
    margin = 1 + 2 * max(1, round(0.01 * max(rim.shape)))
    again = ink_of(np.where(running(np.maximum, rim, margin), 0, contrast).astype(np.float32))
    left = unless_noise(components_of(again.mask), rim.shape)
    fringe = running(np.maximum, rim, 3 * margin)
    written = max(
        (s.size for s in left if not is_edge(s, rim.shape) and not _is_within(s, fringe)), default=0
    )
    return again if written >= 0.1 * min(rim.shape) else None


def _is_within(s: Component, area: Mask) -> bool:
    """Whether most of a stroke lies there."""
    return float(area[s.top : s.bottom, s.left : s.right][s.mask].mean()) > 0.5


def is_outside(s: Component, shape: tuple[int, ...]) -> bool:
    """On the border and not in the middle half of the picture."""
    return is_beside(s, shape) and touches_border(s, shape)


def is_beside(s: Component, shape: tuple[int, ...]) -> bool:
    """Wholly in a quarter along one side of the picture."""
    height, width = shape
    return s.bottom < height / 4 or s.top > 3 * height / 4 or s.right < width / 4 or s.left > 3 * width / 4


def touches_border(s: Component, shape: tuple[int, ...]) -> bool:
    near = round(0.008 * max(shape))
    return min(s.top, s.left, shape[0] - s.bottom, shape[1] - s.right) <= near


def is_outline(s: Component, shape: tuple[int, ...]) -> bool:
    """Thin ink round half the picture: the edges of the sheet, or a box to write into."""
    if s.height < 0.5 * shape[0] or s.width < 0.5 * shape[1] or s.area > 0.12 * s.height * s.width:
        return False
    band = max(1, round(0.04 * s.size))
    sides = (s.mask[:band].any(0), s.mask[-band:].any(0), s.mask[:, :band].any(1), s.mask[:, -band:].any(1))
    return sum(float(side.mean()) > 0.6 for side in sides) >= 2


def is_edge(s: Component, shape: tuple[int, ...]) -> bool:
    """Whether this is the rim of the sheet, the table or a shadow: long on the border, or in a corner."""
    height, width = shape
    if max(shape) <= TINY:
        return False
    near = round(0.008 * max(shape))
    sides = (s.top <= near, s.bottom >= height - near, s.left <= near, s.right >= width - near)
    if not any(sides):
        return False
    lines = (s.mask[0], s.mask[-1], s.mask[:, 0], s.mask[:, -1])
    along = [int(line.sum()) for line, side in zip(lines, sides, strict=True) if side]
    full = [n for n, side in zip((width, width, height, height), sides, strict=True) if side]
    on_border = s.top == 0 or s.bottom == height or s.left == 0 or s.right == width
    strip = on_border and s.size > 3 * min(s.height, s.width) and max(along) > 0.5 * s.size
    small = s.height < 0.4 * height and s.width < 0.4 * width
    corner = small and (sides[0] or sides[1]) and (sides[2] or sides[3])
    return strip or corner or any(a > 0.6 * n for a, n in zip(along, full, strict=True))
