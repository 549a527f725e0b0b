"""Remove specks, frames, creases and noise."""

from collections.abc import Sequence

import numpy as np

from digits.reading.components import Component, gap
from digits.reading.page_edges import is_edge, is_outline


def without_clutter(strokes: list[Component], shape: tuple[int, ...]) -> list[Component]:
    """Without the picture's rim, frames, creases and specks."""
    inside = [s for s in strokes if not is_edge(s, shape) and not _is_frame(s, strokes, shape)]
    if max((s.size for s in inside), default=0) > 0.03 * max(shape):
        strokes = inside
    short = max((s.size for s in strokes if not is_line(s)), default=0)
    strokes = [s for s in strokes if not is_line(s) or not short or s.size <= 2 * short]
    if not strokes:
        return []
    strokes = [s for s in strokes if not _is_far_rim(s, strokes, shape)] or strokes
    usual = usual_height(strokes)
    return [s for s in strokes if s.size >= 0.12 * usual and s.height <= 4 * usual]


def is_line(s: Component) -> bool:
    """Long and thin: a crease, an edge or a 1."""
    return min(s.height, s.width) <= 0.15 * s.size


def _is_frame(s: Component, others: Sequence[Component], shape: tuple[int, ...]) -> bool:
    """Thin ink round half the picture with writing inside."""
    if not is_outline(s, shape):
        return False
    return any(
        o is not s and o.size > 0.03 * max(shape) and s.top < o.top and o.bottom < s.bottom
        and s.left < o.left and o.right < s.right
        for o in others
    )  # fmt: skip


def _is_far_rim(s: Component, others: Sequence[Component], shape: tuple[int, ...]) -> bool:
    """A thin line along the picture's border with no writing near: where the sheet or the light ends."""
    near = 0.02 * max(shape)
    upright = s.left <= near or s.right >= shape[1] - near
    level = s.top <= near or s.bottom >= shape[0] - near
    if not ((upright and s.height > 2.5 * s.width) or (level and s.width > 2.5 * s.height)):
        return False
    return all(o is s or gap(o, s) > 0.5 * s.size for o in others)


def usual_height(strokes: Sequence[Component]) -> float:
    """The median height, counted by its square: many dots and dashes do not make it small."""
    heights = np.sort([s.height for s in strokes])
    weights = np.cumsum(heights.astype(np.float64) ** 2)
    return float(heights[np.searchsorted(weights, weights[-1] / 2)])
