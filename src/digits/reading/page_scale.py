"""Scale a page so that its characters are about 80 pixels high."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from digits.reading.components import Component, connected_components, typical_height, union
from digits.reading.filters import Array, running
from digits.reading.ink import INK_THRESHOLD, Ink, stroke_width

CHARACTER_HEIGHT = 80  # px, at which characters are cut; four times the height of MNIST's box
MIN_STROKE_WIDTH = 4.0  # px at that height, 1 px in MNIST's box: thinner strokes would break
LARGEST_COMPONENT = 4  # times the height of a character, at most (chosen by eye on the development pictures)
WORTHWHILE = 0.75  # a page is made smaller only by this factor or a smaller one


@dataclass(frozen=True)
class ScaledPage:
    """The ink of a page in which characters are at most about CHARACTER_HEIGHT pixels high.

    `strength` (H, W), float32 in [0, 1], holds the ink; `components` lie in it.
    """

    strength: Array
    components: list[Component]


def scaled_page(ink: Ink, components: list[Component]) -> ScaledPage:
    """Return the page with large writing made smaller; small writing stays as it is.

    Thin strokes are made thicker first, so that they do not fade. Ink outside `components` is left out where
    the page is scaled.
    """
    if not components:
        return ScaledPage(ink.strength, [])
    height = typical_height(components) if len(components) > 1 else float(components[0].size)
    height = max(height, max(c.size for c in components) / LARGEST_COMPONENT)
    scale = CHARACTER_HEIGHT / height
    if scale > WORTHWHILE:
        return ScaledPage(ink.strength, components)
    strength = _with_thick_strokes(ink.strength, union(components), scale)
    size = (max(1, round(strength.shape[1] * scale)), max(1, round(strength.shape[0] * scale)))
    strength = np.asarray(Image.fromarray(strength).resize(size, Image.Resampling.BOX))
    return ScaledPage(strength, connected_components(strength > INK_THRESHOLD))


def _with_thick_strokes(strength: Array, writing: Component, scale: float) -> Array:
    """Return the ink (H, W) of the writing alone, thick enough for MIN_STROKE_WIDTH after scaling."""
    reach = 1 + round(MIN_STROKE_WIDTH / scale / 2)
    top, left = max(writing.top - reach, 0), max(writing.left - reach, 0)
    around = np.s_[top : writing.bottom + reach, left : writing.right + reach]
    inside = np.s_[writing.top - top : writing.bottom - top, writing.left - left : writing.right - left]
    piece = strength[around]
    mask = np.zeros(piece.shape, bool)
    mask[inside] = writing.mask
    piece = piece * running(np.maximum, mask, 3)
    width = stroke_width(piece[inside])
    if width * scale < MIN_STROKE_WIDTH:
        piece = running(np.maximum, piece, 1 + 2 * round((MIN_STROKE_WIDTH / scale - width) / 2))
    result = np.zeros_like(strength)
    result[around] = piece
    return result
