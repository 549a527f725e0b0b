"""Recognise a sheet that lies on something darker and fills less than half of the picture.

Such a sheet is itself taken for the ink: it is a solid block with thin strokes inside. The limits were chosen
on the development pictures: docs/log.md, 2026-11-26, "tight crops, thumbs, cloths and cards".
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.mnist import BOX
from digits.reading.components import Component, union
from digits.reading.decoding import Picture
from digits.reading.ink import stroke_width
from digits.reading.marks import PictureMarks

SHORTER_SIDE = (32, 0.3)  # px, and of the longer side, at least
SOLID = 0.6  # share of its box that has ink, at least
MAX_STROKE_WIDTH = 0.3  # of the 20-pixel box; wider strokes are a block, no writing
MIN_DIGIT_SIZE = 0.2  # of the card's longer side


def card_among(components: Sequence[Component], picture: Picture) -> Component | None:
    """Return the component that may be a sheet with the digit on it, or None."""
    if not components:
        return None
    card = max(components, key=lambda c: c.area)
    shorter = min(card.height, card.width)
    if union(components).size > card.size or shorter < max(SHORTER_SIDE[0], SHORTER_SIDE[1] * card.size):
        return None
    fills_picture = (card.height, card.width) == picture.pixels.shape[:2]
    return None if fills_picture or card.area < SOLID * card.height * card.width else card


def cut_out_card(card: Component, picture: Picture) -> Picture:
    """Return the part of the picture that the card covers."""
    return Picture(picture.pixels[card.rows_and_columns], card.width, card.height)


def placed_on_card(found: PictureMarks, card: Component, picture: Picture) -> PictureMarks | None:
    """Return the only mark of a card, and the steps, in coordinates of the whole picture.

    Returns None if the mark is no writing: blank, a solid block, or small against the card.
    """
    (mark,) = found.marks
    x, y, width, height = mark.box
    block = stroke_width(mark.image) > MAX_STROKE_WIDTH * BOX
    if mark.blank or block or max(width, height) < MIN_DIGIT_SIZE * card.size:
        return None
    high, wide = picture.pixels.shape[0] / picture.height, picture.pixels.shape[1] / picture.width
    box = (int((card.left + x) / wide), int((card.top + y) / high), int(width / wide), int(height / high))
    steps = {name: _step_in_picture(step, card, picture) for name, step in found.steps.items()}
    if steps:
        steps["picture"] = picture.pixels
    return PictureMarks(picture.width, picture.height, (replace(mark, box=box),), found.light_ink, steps)


def _step_in_picture(step: npt.NDArray[np.uint8], card: Component, picture: Picture) -> npt.NDArray[np.uint8]:
    """Return the picture of a step as large as the whole picture: in the card's place, and 0 around it."""
    whole = np.zeros(picture.pixels.shape[:2], np.uint8)
    grey = Image.fromarray(step).convert("L").resize((card.width, card.height), Image.Resampling.BOX)
    whole[card.rows_and_columns] = np.asarray(grey)
    return whole
