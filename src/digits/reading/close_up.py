"""Scale a page so that its characters are about 80 pixels high."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from digits.reading.cleaning import usual_height
from digits.reading.components import Component, components_of, union
from digits.reading.filters import Array, running
from digits.reading.ink import INK, Ink, stroke_width

CLOSE_UP = 80  # px; characters are taken apart at this height, four times that of the box
LEAST_WIDTH = 4.0  # px of a stroke at that height, 1 px in MNIST's box: thinner ones would break


@dataclass(frozen=True)
class Sheet:
    """The ink of a picture at a scale at which a character is about CLOSE_UP pixels high."""

    amount: Array
    strokes: list[Component]


def close_up(ink: Ink, strokes: list[Component]) -> Sheet:
    """Make large writing smaller, keeping its strokes from fading; small writing stays as it is."""
    if not strokes:
        return Sheet(ink.amount, [])
    usual = usual_height(strokes) if len(strokes) > 1 else float(strokes[0].size)
    usual = max(usual, max(s.size for s in strokes) / 4)
    scale = CLOSE_UP / usual
    if scale > 0.75:
        return Sheet(ink.amount, strokes)
    whole = union(strokes)
    reach = 1 + round(LEAST_WIDTH / scale / 2)
    top, left = max(whole.top - reach, 0), max(whole.left - reach, 0)
    near = np.s_[top : whole.bottom + reach, left : whole.right + reach]
    inside = np.s_[whole.top - top : whole.bottom - top, whole.left - left : whole.right - left]
    piece = ink.amount[near]
    mask = np.zeros(piece.shape, bool)
    mask[inside] = whole.mask
    piece = piece * running(np.maximum, mask, 3)
    thin = stroke_width(piece[inside])
    if thin * scale < LEAST_WIDTH:
        piece = running(np.maximum, piece, 1 + 2 * round((LEAST_WIDTH / scale - thin) / 2))
    amount = np.zeros_like(ink.amount)
    amount[near] = piece
    height, width = (max(1, round(n * scale)) for n in amount.shape)
    amount = np.asarray(Image.fromarray(amount).resize((width, height), Image.Resampling.BOX))
    return Sheet(amount, components_of(amount > INK))
