"""Make the characters of a page smaller if they are higher than about 80 pixels."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from digits.reading.components import Component, connected_components, median_height, union
from digits.reading.filters import Array, running
from digits.reading.ink import INK_THRESHOLD, Ink, stroke_width

CHARACTER_HEIGHT = 80  # px; height of a character after scaling, four times the height of MNIST's box
SCALED_STROKE_WIDTH = 4.0  # px after scaling, 1 px in MNIST's box; thinner strokes would break
LARGEST_COMPONENT = 4  # heights of a character; largest size of a component (chosen by eye)
MAX_SCALE = 0.75  # a page is scaled only if the factor is at most this


@dataclass(frozen=True)
class ScaledPage:
    """A page whose characters are at most about 80 pixels high.

    Attributes:
        strength: Ink strength, float32 (H, W) in [0, 1].
        components: Components of ink on this page.
    """

    strength: Array
    components: list[Component]


def scaled_page(ink: Ink, components: list[Component]) -> ScaledPage:
    """Make large writing about 80 pixels high.

    A page with small writing is not changed.

    Args:
        ink: Ink of the page.
        components: Components that are writing.

    Returns:
        The page with its components. A scaled page shows only this writing.
    """
    if not components:
        return ScaledPage(ink.strength, [])
    height = median_height(components) if len(components) > 1 else float(components[0].size)
    height = max(height, max(c.size for c in components) / LARGEST_COMPONENT)
    scale = CHARACTER_HEIGHT / height
    if scale > MAX_SCALE:
        return ScaledPage(ink.strength, components)
    strength = _with_thick_strokes(ink.strength, union(components), scale)
    size = (max(1, round(strength.shape[1] * scale)), max(1, round(strength.shape[0] * scale)))
    strength = np.asarray(Image.fromarray(strength).resize(size, Image.Resampling.BOX))
    return ScaledPage(strength, connected_components(strength > INK_THRESHOLD))


def _with_thick_strokes(strength: Array, writing: Component, scale: float) -> Array:
    """Remove ink that is not writing, and make thin strokes thicker.

    Args:
        strength: Ink strength of the page, float32 (H, W).
        writing: All components of writing, joined.
        scale: Factor below 1 by which the page will be scaled.

    Returns:
        float32 (H, W), not scaled yet.
    """
    reach = 1 + round(SCALED_STROKE_WIDTH / scale / 2)
    top, left = max(writing.top - reach, 0), max(writing.left - reach, 0)
    around = np.s_[top : writing.bottom + reach, left : writing.right + reach]
    inside = np.s_[writing.top - top : writing.bottom - top, writing.left - left : writing.right - left]
    piece = strength[around]
    mask = np.zeros(piece.shape, bool)
    mask[inside] = writing.mask
    piece = piece * running(np.maximum, mask, 3)
    width = stroke_width(piece[inside])
    if width * scale < SCALED_STROKE_WIDTH:
        piece = running(np.maximum, piece, 1 + 2 * round((SCALED_STROKE_WIDTH / scale - width) / 2))
    result = np.zeros_like(strength)
    result[around] = piece
    return result
